"""The run directory: what is written is read back, and anything else is refused by its schema."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import get_type_hints

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nbrepro.errors import RunDirectoryError
from nbrepro.model import Ownership, Package, RunId, Sighting
from nbrepro.resources import find_resources
from nbrepro.rundir import (
    CELLS,
    ENVIRONMENT,
    HANDLES,
    NAMES,
    SIGHTINGS,
    SOFTWARE,
    CellRecord,
    EnvironmentRead,
    HandleUse,
    Host,
    Kernel,
    Manifest,
    Resolved,
    RunDirectory,
    Tracer,
    compress_trace,
    open_trace,
)

SHA = "a" * 64
RECORDS = {
    CELLS: CellRecord(1, 0, "injected-parameters", None, "a = 1", "failed", 1, 2, "E: x"),
    SIGHTINGS: Sighting("/d/é\udcff\n", "file", 3, 4, 5, 6, SHA, "", 0, 7),
    HANDLES: HandleUse(2, "/d/f", "read", "map"),
    NAMES: Resolved("/tmp/x", "/private/x"),
    ENVIRONMENT: EnvironmentRead(1, "LANG", "set", "C.UTF-8"),
    SOFTWARE: Ownership("/u/x.py", Package("x", "1", "pip", "pkg:pypi/x@1"), ""),
}
READERS = {
    CELLS: "read_cells",
    SIGHTINGS: "read_sightings",
    HANDLES: "read_handles",
    NAMES: "read_names",
    ENVIRONMENT: "read_environment",
    SOFTWARE: "read_software",
}


def schema(log: str) -> dict:
    name = log.removesuffix(".jsonl").removesuffix(".json")
    return json.loads((find_resources("schemas") / f"{name}.schema.json").read_text())


def manifest(**changes) -> Manifest:
    made = Manifest(
        run=RunId("20261122-210000-n-0000"),
        uuid="ccb04f0b-b921-4714-ac07-e777415993a5",
        notebook="/p/n\udcff.ipynb",
        notebook_sha256=SHA,
        cwd="/p",
        token="00ff",
        started_ns=1,
        host=Host("h"),
        tracer=Tracer("strace", "6.1", ("this", "that")),
        kernel=Kernel("python3", "python", 7),
        roots={"project": "/p"},
        parameters={"a": [1, None]},
        settings={"digest-limit": 1, "roles": [{"pattern": "*", "role": "data"}]},
        notes=("a note",),
    )
    return dataclasses.replace(made, **changes)


@pytest.mark.parametrize("log", RECORDS)
def test_every_log_is_read_back_and_keeps_to_its_schema(tmp_path, log):
    directory = RunDirectory(tmp_path / "run").create()
    directory.append(log, RECORDS[log])
    directory.append(log, RECORDS[log])
    assert list(getattr(directory, READERS[log])()) == [RECORDS[log]] * 2
    for line in (directory.path / log).read_text().splitlines():
        jsonschema.validate(json.loads(line), schema(log))
    directory.write_log(log, [RECORDS[log]])
    assert list(getattr(directory, READERS[log])()) == [RECORDS[log]]


@pytest.mark.parametrize("log", [*RECORDS, "manifest.json"])
def test_schemas_are_sound_and_allow_nothing_else(log):
    jsonschema.Draft202012Validator.check_schema(schema(log))
    assert schema(log)["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    record = dataclasses.asdict(RECORDS.get(log) or manifest())
    validator = jsonschema.Draft202012Validator(schema(log))
    record = json.loads(json.dumps(record))
    validator.validate(record)
    assert not validator.is_valid(record | {"surplus": 1})
    for key in record:
        assert not validator.is_valid({k: v for k, v in record.items() if k != key}), key


@pytest.mark.parametrize(
    ("log", "made"), [(log, type(r)) for log, r in RECORDS.items()] + [("manifest.json", Manifest)]
)
def test_schema_and_dataclass_name_the_same_fields(log, made):
    assert set(schema(log)["properties"]) == set(get_type_hints(made))


def test_manifest_is_read_back(tmp_path):
    directory = RunDirectory(tmp_path / "run").create()
    directory.write_manifest(manifest())
    assert directory.read_manifest() == manifest()
    directory.write_manifest(manifest(status="ok", ended_ns=2))
    assert directory.read_manifest().status == "ok"
    assert [p.name for p in directory.path.iterdir() if p.is_file()] == ["manifest.json"]


@given(
    st.text(st.characters(exclude_categories=())),
    st.dictionaries(st.text(), st.none() | st.booleans() | st.integers() | st.text()),
)
def test_any_path_and_parameters_survive(tmp_path_factory, path, parameters):
    directory = RunDirectory(tmp_path_factory.mktemp("runs") / "run").create()
    directory.write_manifest(manifest(notebook=path, parameters=parameters))
    read = directory.read_manifest()
    assert (read.notebook, read.parameters) == (path, parameters)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"schema": "nbrepro-run/9"}, "is not 'nbrepro-run/1'"),
        ({"status": "odd"}, "status"),
        ({"roots": {"elsewhere": "/"}}, "roots"),
        ({"settings": {"roles": [{"pattern": "*", "role": "odd"}]}}, "role"),
    ],
)
def test_manifest_of_another_shape_is_refused(tmp_path, changes, reason):
    directory = RunDirectory(tmp_path / "run").create()
    directory.write_manifest(manifest(**changes))
    with pytest.raises(RunDirectoryError, match=reason):
        directory.read_manifest()


@pytest.mark.parametrize("text", ["", "{", "[]", "3"])
def test_torn_manifest_is_refused(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(RunDirectoryError, match=r"manifest\.json"):
        RunDirectory(tmp_path).read_manifest()


def test_directory_without_manifest_says_what_to_give(tmp_path):
    with pytest.raises(RunDirectoryError, match="give the directory of a run"):
        RunDirectory(tmp_path).read_manifest()


def test_half_a_last_line_is_left_out_and_a_bad_one_named(tmp_path):
    directory = RunDirectory(tmp_path)
    directory.append(NAMES, RECORDS[NAMES])
    with (tmp_path / NAMES).open("a") as log:
        log.write('{"named": "/to')
    assert list(directory.read_names()) == [RECORDS[NAMES]]
    (tmp_path / NAMES).write_text('{"named": 1}\n')
    with pytest.raises(RunDirectoryError, match=r"names\.jsonl:1"):
        list(directory.read_names())


def test_missing_logs_are_empty(tmp_path):
    assert RunDirectory(tmp_path).read_cells() == []
    assert RunDirectory(tmp_path).trace_paths() == []


def test_trace_reads_the_same_once_compressed(tmp_path):
    directory = RunDirectory(tmp_path / "run").create()
    plain = directory.trace_path("host/../é odd")
    assert plain.parent == directory.path / "traces"
    content = b"1 2.3 open\xff\n" * 1000
    plain.write_bytes(content)
    with open_trace(plain) as stream:
        assert stream.read() == content
    packed = compress_trace(plain)
    assert directory.trace_paths() == [packed]
    assert packed.stat().st_size < len(content)
    with open_trace(packed) as stream:
        assert stream.read() == content


def test_run_directory_is_never_made_twice(tmp_path):
    RunDirectory(tmp_path / "run").create()
    with pytest.raises(FileExistsError):
        RunDirectory(tmp_path / "run").create()


def test_schemas_are_all_used():
    named = {Path(log).stem for log in RECORDS} | {"manifest"}
    found = {p.name.split(".")[0] for p in find_resources("schemas").glob("*.schema.json")}
    assert named <= found
