"""One file carries a run: asked where it is, imported whole, refused with a reason when it is not
what it says of itself."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
import zstandard
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import nbrepro
from nbrepro.archives.contents import CONTENTS, GRAPH, parse_contents
from nbrepro.archives.tars import RefusedError
from nbrepro.cli.program import program
from nbrepro.config import Project
from nbrepro.errors import ArchiveError, ExitCode, StoreError, UsageError
from nbrepro.export.archive import write_archive
from nbrepro.export.importing import import_archive
from nbrepro.ingest import ingest
from nbrepro.rundir import RunDirectory
from nbrepro.stores import open_store
from tests.planted import PRIVATE, RUN, SECRETS, make_planted, text_of


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    return make_planted(tmp_path_factory.mktemp("planted"))


def archive_of(project, redact=False) -> bytes:
    out = io.BytesIO()
    with nbrepro.open(project.root) as provenance:
        run = provenance.run(RUN)
        write_archive(run, RunDirectory(project.runs / RUN), out, redact=redact)
    return out.getvalue()


@pytest.fixture(scope="module")
def content(planted):
    return archive_of(planted)


@pytest.fixture(scope="module")
def members(content):
    return unpack(content)


def unpack(content: bytes) -> dict[str, bytes]:
    """Unpack with Python's own tar, which knows nothing of our rules."""
    plain = zstandard.ZstdDecompressor().decompressobj().decompress(content)
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def repack(members, *, contents=True, **headers) -> bytes:
    """Pack members again, with `archive.json` made to fit; `headers` change a member's header."""
    members = dict(members)
    if contents:
        told = json.loads(members[CONTENTS])
        told["members"] = [
            {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in members.items()
            if name != CONTENTS
        ]
        members[CONTENTS] = json.dumps(told).encode()
    return pack([(name, data, headers.get("all", {})) for name, data in members.items()])


def pack(entries) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, data, changes in entries:
            header = tarfile.TarInfo(name)
            header.size = len(data)
            for key, value in changes.items():
                setattr(header, key, value)
            tar.addfile(header, io.BytesIO(data))
    return zstandard.ZstdCompressor().compress(out.getvalue())


def imported(tmp_path, content: bytes, **options):
    file = tmp_path / "given.nbrepro"
    file.write_bytes(content)
    project = Project(tmp_path / "there")
    with open_store(project.store) as store:
        import_archive(file, project, store, **options)
    return project


def dump(project) -> list[str]:
    with open_store(project.store) as store:
        return list(store.dump(RUN))


def test_an_imported_run_is_the_run_that_was_archived(planted, content, tmp_path):
    there = imported(tmp_path, content)
    assert dump(there) == dump(planted)
    mine, theirs = planted.runs / RUN, there.runs / RUN
    names = sorted(p.relative_to(mine) for p in mine.rglob("*") if p.is_file())
    assert sorted(p.relative_to(theirs) for p in theirs.rglob("*") if p.is_file()) == names
    for name in names:
        assert (theirs / name).read_bytes() == (mine / name).read_bytes()
    with open_store(there.store) as store:
        ingest(RunDirectory(theirs), store)
    assert dump(there) == dump(planted)


def test_the_same_run_gives_the_same_bytes(planted, content, tmp_path_factory):
    assert archive_of(planted) == content
    again = make_planted(tmp_path_factory.mktemp("again"))
    assert archive_of(again) == content


def test_checksums_are_those_of_the_files(members):
    told = json.loads(members[CONTENTS])["members"]
    assert [one["name"] for one in told] == [name for name in members if name != CONTENTS]
    for one in told:
        assert one["sha256"] == hashlib.sha256(members[one["name"]]).hexdigest()
    assert {GRAPH, "prov.json", "bom.cdx.json", "page.html", "ro-crate-metadata.json",
            "environment.lock.txt"} <= members.keys()  # fmt: skip


def test_nothing_private_is_in_a_redacted_archive(planted, content):
    for name, data in unpack(archive_of(planted, redact=True)).items():
        if name.endswith(".zst"):
            data = zstandard.ZstdDecompressor().decompressobj().decompress(data)
        assert [word for word in PRIVATE if word in text_of(data) or word in name] == [], name
    whole = "".join(text_of(data) for data in unpack(content).values())
    # The two of the command line are in the trace alone, which is packed once more.
    assert [word for word in PRIVATE if word not in whole] == [*SECRETS[4:]]


def test_redacted_evidence_gives_the_redacted_graph_again(planted, tmp_path):
    there = imported(tmp_path, archive_of(planted, redact=True))
    before = set(dump(there))
    with open_store(there.store) as store:
        ingest(RunDirectory(there.runs / RUN), store)
    after = set(dump(there))
    # What differs is what stays of the contents as they were: digests of the cell's source.
    kept = ("Digest>", "logicalKey>", "redacted>")
    differing = {line.split()[1] for line in before ^ after}
    assert [name for name in differing if not name.endswith(kept)] == []


def test_an_archive_is_asked_where_it_is(planted, content, tmp_path, monkeypatch):
    file = tmp_path / "run.nbrepro"
    file.write_bytes(content)
    monkeypatch.chdir(tmp_path)
    run = CliRunner().invoke
    for words in (["data", "--cell", "1", "--json"], ["packages", "--json"], ["show", "--json"],
                  ["runs", "--json"], ["workers", "--json"], ["lineage", "out.csv", "--json"],
                  ["why", "in.csv", "--json"], ["query", "data-of-cell", "--json"]):  # fmt: skip
        asked = run(program, [*words, "--from", str(file)])
        known = run(program, [*words, "--store", str(planted.store)])
        assert asked.exit_code == known.exit_code == 0, asked.output
        assert json.loads(asked.stdout) == json.loads(known.stdout)
    (tmp_path / "own.rq").write_text("SELECT ?p { ?f nbr:path ?p } ORDER BY ?p")
    own = ["query", "--sparql", "own.rq", "--json", "--timeout", "30"]
    asked = run(program, [*own, "--from", str(file)])
    known = run(program, [*own, "--store", str(planted.store)])
    assert json.loads(asked.stdout) == json.loads(known.stdout) != []
    (tmp_path / "own.rq").unlink()
    with nbrepro.open(store=file) as provenance:
        assert provenance.run().check().valid is not None
        with pytest.raises(StoreError, match="nbrepro import"):
            provenance.store.remove(RUN)
        with pytest.raises(StoreError, match="nbrepro import"):
            provenance.store.load(RUN, "u", [])
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.nbrepro"]


def test_a_run_that_is_here_is_not_replaced_unless_told(planted, content, tmp_path):
    there = imported(tmp_path, content)
    with pytest.raises(UsageError, match="--replace"):
        imported(tmp_path, content)
    (there.runs / RUN / "kernel.log").write_text("changed")
    imported(tmp_path, content, replace=True)
    assert (there.runs / RUN / "kernel.log").read_text() != "changed"
    assert dump(there) == dump(planted)


def changed(**changes):
    return lambda members: {
        **members,
        CONTENTS: json.dumps(json.loads(members[CONTENTS]) | changes).encode(),
    }


def graph_alone(**changes):
    """Change what the archive says of itself, where no evidence contradicts it."""
    return lambda members: {
        name: data
        for name, data in changed(**changes)(members).items()
        if not name.startswith("evidence/")
    }


def with_member(name, data=b"x"):
    return lambda members: {**members, name: data}


def foreign_quad(graph):
    line = f"<http://e/s> <http://e/p> <http://e/o> {graph}.\n".encode()
    return lambda members: {**members, GRAPH: members[GRAPH] + line}


HOSTILE = {
    "path-escape": (with_member("../../escaped"), "lead out"),
    "path-escape-below-evidence": (with_member("evidence/../../escaped"), "lead out"),
    "absolute-path": (with_member("/tmp/escaped"), "lead out"),
    "empty-part": (with_member("evidence//x"), "lead out"),
    "control-character": (with_member("evidence/a\nb"), "no name"),
    "backslash": (with_member("evidence\\x"), "no name"),
    "too-deep": (with_member("evidence" + "/d" * 20), "no name"),
    "schema-of-tomorrow": (changed(schema="nbrepro-archive/2"), "use the version"),
    "other-run": (changed(run="another-run"), "is of run"),
    "other-run-without-evidence": (graph_alone(run="another-run"), "does not note run"),
    "run-that-leads-out": (changed(run="../../x"), "no name"),
    "other-uuid": (graph_alone(uuid="00000000-0000-4000-8000-000000000009"), "something else"),
    "graph-that-is-none": (with_member(GRAPH, b"not quads"), "no N-Quads"),
    "graph-of-strangers": (foreign_quad("<http://e/g> "), "something else"),
    "graph-without-a-name": (foreign_quad(""), "something else"),
    "note-of-another-run": (foreign_quad("<https://w3id.org/nbrepro/graph/meta> "), "others too"),
    "evidence-of-another-run": (
        lambda members: {
            **members,
            "evidence/manifest.json": members["evidence/manifest.json"].replace(
                b"20261122", b"20261123"
            ),
        },
        "is of run",
    ),
    "manifest-of-another-version": (
        lambda members: {
            **members,
            "evidence/manifest.json": members["evidence/manifest.json"].replace(
                b"nbrepro-run/1", b"nbrepro-run/9"
            ),
        },
        "nbrepro-run/9",
    ),
    "log-that-is-none": (with_member("evidence/sightings.jsonl", b'{"path": 1}\n'), "sightings"),
    "log-of-numbers": (
        with_member(
            "evidence/names.jsonl", b'{"named": 1, "path": "/x"}\n'
        ),
        "not a text",
    ),
    "file-where-a-directory-is": (with_member("evidence/traces"), "no archive"),
    "torn-trace": (
        with_member("evidence/traces/x.strace.zst", b"\x28\xb5\x2f\xfdrubbish"), "no archive"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_archives_are_refused_with_a_reason_and_leave_nothing(members, tmp_path, case):
    change, reason = HOSTILE[case]
    refused(tmp_path, repack(change(members)), reason)


def refused(tmp_path, content, reason, **options):
    with pytest.raises(ArchiveError, match=reason) as caught:
        imported(tmp_path, content, **options)
    assert str(caught.value).startswith(str(tmp_path / "given.nbrepro"))
    left = [p for p in (tmp_path / "there").rglob("*") if p.is_file() and "store" not in p.parts]
    assert left == []
    with open_store(tmp_path / "there/.nbrepro/store") as store:
        assert len(store.runs()) == 0
    assert not (tmp_path / "escaped").exists()
    assert not Path("/tmp/escaped").exists()


ODD_HEADERS = {
    "symbolic-link": {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"},
    "hard-link": {"type": tarfile.LNKTYPE, "linkname": "graph.nq"},
    "device": {"type": tarfile.CHRTYPE},
    "directory": {"type": tarfile.DIRTYPE},
    "fifo": {"type": tarfile.FIFOTYPE},
}


@pytest.mark.parametrize("case", ODD_HEADERS)
def test_only_regular_files_are_unpacked(members, tmp_path, case):
    entries = [(name, data, {}) for name, data in members.items()]
    name, data, _ = entries[-1]
    entries[-1] = (name, data, ODD_HEADERS[case])
    refused(tmp_path, pack(entries), "not a regular file")


def test_a_wrong_checksum_or_size_is_refused(members, tmp_path):
    spoiled = {**members, "evidence/kernel.log": members["evidence/kernel.log"][:-1] + b"!"}
    refused(tmp_path, repack(spoiled, contents=False), "another checksum")
    longer = {**members, GRAPH: members[GRAPH] + b"\n"}
    refused(tmp_path, repack(longer, contents=False), "another size")


def test_members_are_those_that_were_announced(members, tmp_path):
    missing = {name: data for name, data in members.items() if name != "evidence/cells.jsonl"}
    refused(tmp_path, repack(missing, contents=False), "where .* should be")
    fewer = dict(list(members.items())[:-1])
    refused(tmp_path, repack(fewer, contents=False), "is missing")
    more = {**members, "evidence/more": b"x"}
    refused(tmp_path, repack(more, contents=False), "is not in archive.json")
    twice = [(n, d, {}) for n, d in members.items()]
    refused(tmp_path, pack([*twice, twice[-1]]), "is not in archive.json")
    refused(tmp_path, pack(twice[1:]), "not its first member")


def test_bombs_are_refused(members, tmp_path):
    big = {**members, "evidence/zeros": bytes(30_000_000)}
    content = repack(big)
    assert len(content) < 1_000_000
    refused(tmp_path, content, "more than is allowed", most_bytes=20_000_000)
    header = tarfile.TarInfo(CONTENTS)
    header.size = 7 << 30
    lie = zstandard.ZstdCompressor().compress(header.tobuf(tarfile.USTAR_FORMAT) + bytes(512))
    refused(tmp_path, lie, "larger than")


@pytest.mark.parametrize("kept", [0, 3, 5, 200, 5000, -3000, -200])
def test_what_is_cut_off_is_refused(content, tmp_path, kept):
    refused(tmp_path, content[:kept], "cut off|no archive|first member")


def test_files_that_are_no_archives_are_refused(tmp_path):
    refused(tmp_path, zstandard.ZstdCompressor().compress(b"hello" * 1000), "no archive")
    refused(tmp_path, b"\x28\xb5\x2f\xfd", "cut off|no archive|first member")


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_is_spoiled_is_imported_whole_or_refused(content, tmp_path_factory, data):
    """Where a byte is changed the archive is refused, or the change was in what means nothing."""
    at = data.draw(st.integers(0, len(content) - 1))
    spoiled = bytearray(content)
    spoiled[at] ^= data.draw(st.integers(1, 255))
    tmp_path = tmp_path_factory.mktemp("spoiled")
    try:
        there = imported(tmp_path, bytes(spoiled))
    except ArchiveError:
        assert not (tmp_path / "there/.nbrepro/runs" / RUN).exists()
    else:
        assert dump(there)


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"schema": 1}', b"[" * 100_000, b"null"])
def test_contents_that_are_none_are_refused(text):
    with pytest.raises(RefusedError, match=r"archive\.json|its schema"):
        parse_contents(text)


def test_the_commands_say_what_they_did(planted, tmp_path, monkeypatch):
    monkeypatch.chdir(planted.root)
    run = CliRunner().invoke
    file = tmp_path / "run.nbrepro"
    said = run(program, ["archive", "-o", str(file)])
    assert said.exit_code == 0, said.output
    assert "redacted" in said.stderr
    there = tmp_path / "there"
    there.mkdir()
    monkeypatch.chdir(there)
    said = run(program, ["import", str(file)])
    assert said.exit_code == 0, said.output
    assert RUN in said.stdout
    assert run(program, ["import", str(file)]).exit_code == ExitCode.USAGE
    assert run(program, ["import", "nowhere"]).exit_code == ExitCode.NOT_FOUND
    file.write_bytes(file.read_bytes()[:5000])
    assert run(program, ["import", "--replace", str(file)]).exit_code == ExitCode.BAD_INPUT
    assert run(program, ["data", "--from", str(file)]).exit_code == ExitCode.BAD_INPUT


def test_a_run_without_evidence_is_archived_with_its_graph(planted, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    words = ["archive", "--store", str(planted.store), "-o", "run.nbrepro"]
    said = CliRunner().invoke(program, words)
    assert said.exit_code == 0, said.output
    assert "the graph alone" in said.stderr
    there = imported(tmp_path, Path("run.nbrepro").read_bytes())
    assert not (there.runs / RUN).exists()
    assert dump(there)


def test_asking_loads_nothing_of_the_exports():
    code = (
        "import nbrepro.cli.ask, nbrepro.stores, sys; nbrepro.stores.open_store('/x');"
        "assert not [m for m in sys.modules if m.startswith('nbrepro.export') or m == 'jinja2']"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
