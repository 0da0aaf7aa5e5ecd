"""What a notebook reads of its environment: every name once a cell, and never a secret's value."""

from __future__ import annotations

import json
import os
from types import SimpleNamespace

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from observing import observe_cells

from nbrepro.capture.probes import environ
from nbrepro.graph import RunFacts
from nbrepro.ingest import stage
from nbrepro.model import Edge, Node
from nbrepro.provenance import Scribe, settings
from nbrepro.provenance.settings import relative_value
from nbrepro.resources import find_resources
from nbrepro.rundir import ENVIRONMENT, EnvironmentRead, Logs

NAMES = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="=\0"), min_size=1)


def watched(tmp_path, given):
    """Give a mapping that is kept as os.environ is, what it was asked for, and the log."""
    where = SimpleNamespace(cell=("1", "c1"))
    reads = environ.Reads(str(tmp_path / ENVIRONMENT), {"owner": lambda: where.cell})
    data = environ.telling(reads)({os.fsencode(k): os.fsencode(v) for k, v in given.items()})
    encode = os.environ.encodekey
    return os._Environ(data, encode, os.fsdecode, encode, os.fsdecode), reads, where


def logged(tmp_path):
    return [(r.execution, r.name, r.state, r.value) for r in Logs(tmp_path).read_environment()]


def test_each_name_is_logged_once_for_each_cell_set_or_not(tmp_path):
    env, reads, where = watched(tmp_path, {"A": "1", "B": "two"})
    assert (env["A"], env.get("A"), env.get("Z"), "B" in env) == ("1", "1", None, True)
    where.cell = ("2", "c2")
    assert env.setdefault("A", "x") == "1"
    where.cell = None
    env.get("B")
    assert (0, "B", "set", "two") not in logged(tmp_path)  # The kernel's own wait for a cell.
    reads.end_cell()
    assert logged(tmp_path) == [
        (1, "A", "set", "1"), (1, "Z", "unset", ""), (1, "B", "set", "two"), (2, "A", "set", "1"),
        (0, "B", "set", "two"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "walk",
    [dict, lambda e: {**e}, lambda e: e.copy(), lambda e: list(e.items()), lambda e: e | {}, list,
     lambda e: [e[k] for k in e], lambda e: sorted(e.values()), repr, len],
)  # fmt: skip
def test_a_walk_over_all_of_the_environment_reads_no_name(tmp_path, walk):
    env, reads, _ = watched(tmp_path, {"A": "1", "B": "2", "C": "3"})
    walk(env)
    walk(env)
    reads.end_cell()
    assert logged(tmp_path) == []
    assert env["C"] == "3"
    assert logged(tmp_path) == [(1, "C", "set", "3")]


def test_a_walk_that_stops_on_its_way_read_what_it_met(tmp_path):
    env, reads, where = watched(tmp_path, {"A": "1", "B": "2", "C": "3"})
    for name, _ in env.items():  # noqa: PERF102 (a walk that meets values)
        if name == "B":
            break
    reads.end_cell()
    where.cell = ("2", "c2")
    chosen = {k: env[k] for k in env if k == "C"}
    reads.end_cell()
    assert chosen == {"C": "3"}
    assert logged(tmp_path) == [(1, "A", "set", "1"), (1, "B", "set", "2"), (2, "C", "set", "3")]


@given(st.dictionaries(NAMES, NAMES), NAMES)
def test_the_watched_dictionary_behaves_like_a_plain_one(given, asked):
    plain = {os.fsencode(k): os.fsencode(v) for k, v in given.items()}
    reads = environ.Reads("/nowhere/log", {"owner": lambda: None})
    told = environ.telling(reads)(plain)
    key = os.fsencode(asked)
    assert (told == plain, list(told), repr(told), len(told)) == (True, list(plain), repr(plain),
                                                                   len(plain))  # fmt: skip
    assert (key in told, told.get(key)) == (key in plain, plain.get(key))
    if key in plain:
        assert told[key] == plain[key]
    else:
        with pytest.raises(KeyError):
            told[key]


SECRETS = {
    "GITHUB_TOKEN": "x", "AWS_SECRET_ACCESS_KEY": "x", "DB_PASSWORD": "x", "PGPASSWORD": "x",
    "API_KEY": "x", "HTTP_AUTH": "x", "SESSION_COOKIE": "x", "MY_CREDENTIALS": "x", "my_pass": "x",
    "INDEX": "https://me:hidden@host.example/simple", "H": "Bearer abcdefgh12345678",
    "SSH_AUTH": "",
    "A": "ghp_0123456789abcdefghij", "B": "eyJhbGciOiJIUzI1.eyJzdWIiOiIx.SflKxw",
    "C": "AKIA0123456789ABCDEF",
    "D": "0123456789abcdef0123456789abcdef", "E": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY1",
    "F": "x -----BEGIN PRIVATE", "G": "see sk-0123456789abcdef",
}  # fmt: skip
PLAIN = {
    "HOME": "/home/someone", "PATH": "/home/u/.pyenv/versions/3.12.1/bin:/usr/bin:/bin",
    "PWD": "/x",
    "OLDPWD": "/y", "LANG": "de_DE.UTF-8", "OMP_NUM_THREADS": "4", "TZ": "Europe/Berlin", "N": "",
    "TMPDIR": "/tmp/test_two_machines_that_differ_in_one_thing0/x", "TERM": "xterm-256color",
    "LESSOPEN": "| /usr/bin/lesspipe %s", "URL": "https://host.example/path?x=1", "COMPASS": "n",
    "HOST": "a-very-long-host-name-of-a-cluster-node-0123.example.org",
}  # fmt: skip


@pytest.mark.parametrize(("name", "value"), SECRETS.items())
def test_a_secret_is_withheld(name, value):
    assert environ.describe(name, value) == ("withheld", "")


@pytest.mark.parametrize(("name", "value"), PLAIN.items())
def test_what_is_no_secret_is_recorded(name, value):
    assert environ.describe(name, value) == ("set", value)


def test_a_very_long_value_is_recorded_by_its_digest():
    state, value = environ.describe("LONG", "a b " * 20000)
    assert state == "set"
    assert len(value) < 400
    assert "80000 characters, sha256 " in value


def test_values_name_the_roots_they_lead_to():
    roots = {"home": "/home/u", "project": "/home/u/p", "temporary": "/tmp", "prefix": "/"}
    said = relative_value("/home/u/p/bin:/home/u/x:/home/user2:/tmp/a:/opt/tmp", roots)
    assert said == "{project}/bin:{home}/x:/home/user2:{temporary}/a:/opt/tmp"


CELLS = (
    "import os\nos.environ['WANTED'], os.environ.get('ABSENT'), len(os.getenv('MY_TOKEN'))",
    "import subprocess, sys\ncopied = dict(os.environ)\n"
    "subprocess.run([sys.executable, '-c', ''], env={**os.environ, 'X': '1'})\n"
    "os.environb[b'WANTED']",
    "import multiprocessing as mp, threading\n"
    "t = threading.Thread(target=lambda: os.getenv('OF_THREAD')); t.start(); t.join()\n"
    "with mp.get_context('fork').Pool(1) as pool: pool.apply(os.getenv, ('OF_CHILD',))",
    "try:\n    os.environ['MISSING']\nexcept KeyError as error:\n"
    "    import traceback\n    print(len(traceback.extract_tb(error.__traceback__)))",
)


@pytest.mark.live
def test_a_run_knows_what_its_cells_read(tmp_path, monkeypatch):
    monkeypatch.setenv("WANTED", "yes")
    monkeypatch.setenv("MY_TOKEN", "hush-hush")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    observed = observe_cells(tmp_path / "p", *CELLS)
    assert observed.outcome.status == "ok", observed.outcome.error
    log = (observed.outcome.directory / ENVIRONMENT).read_text()
    schema = json.loads((find_resources("schemas") / "environment.schema.json").read_text())
    for line in log.splitlines():
        jsonschema.validate(json.loads(line), schema)
    reads = {(r.execution, r.name): (r.state, r.value)
             for r in observed.directory.read_environment()}  # fmt: skip
    assert reads[0, "OMP_NUM_THREADS"] == ("set", "3")
    assert reads[0, "OPENBLAS_NUM_THREADS"] == ("unset", "")
    assert reads[1, "WANTED"] == ("set", "yes")
    assert reads[1, "ABSENT"] == ("unset", "")
    assert reads[1, "MY_TOKEN"] == ("withheld", "")
    assert reads[2, "WANTED"] == ("set", "yes")
    assert (2, "MY_TOKEN") not in reads
    assert reads[3, "OF_THREAD"] == reads[3, "OF_CHILD"] == ("unset", "")
    assert observed.outputs()[3].strip() == "2"  # The user's frame and os's own, none of ours.
    everything = "".join(p.read_text(errors="replace") for p in observed.outcome.directory.iterdir()
                         if p.is_file() and p.name != "notebook.ipynb")  # fmt: skip
    assert "hush-hush" not in everything
    check_graph(list(stage(observed.directory, "statements")))


def check_graph(statements):
    nodes = {s.uid: s for s in statements if isinstance(s, Node)}
    used = {
        (nodes[s.source].properties.get("execution"), *named(nodes[s.target]))
        for s in statements
        if isinstance(s, Edge) and s.relation == "used" and s.target in nodes
        and nodes[s.target].kind == "Setting"
    }  # fmt: skip
    assert {(1, "WANTED", "set", "yes"), (2, "WANTED", "set", "yes"), (1, "ABSENT", "unset", None),
            (1, "MY_TOKEN", "withheld", None),
            (None, "OMP_NUM_THREADS", "set", "3")} <= used  # fmt: skip
    assert len({uid for uid, n in nodes.items() if named(n)[0] == "WANTED"}) == 1
    digests = [n.properties.get("outputs_digest") for n in nodes.values()
               if n.kind == "CellExecution"]  # fmt: skip
    assert len(set(digests)) == len(CELLS)
    assert all(digests)


def named(node):
    return tuple(node.properties.get(name) for name in ("name", "state", "value"))


def test_one_node_stands_for_a_name_and_value_however_many_read_it():
    manifest = SimpleNamespace(uuid="u", run="r", roots={"home": "/home/u"})
    reads = [
        EnvironmentRead(0, "A", "unset", ""), EnvironmentRead(0, "H", "set", "/home/u/x"),
        EnvironmentRead(1, "H", "set", "/home/u/x"), EnvironmentRead(2, "H", "set", "/other"),
        EnvironmentRead(2, "A", "unset", ""),
    ]  # fmt: skip
    scribe = Scribe(RunFacts(manifest, (), (), environment=reads))
    found = list(settings(scribe))
    nodes = [s.properties.get("relative_value") for s in found if isinstance(s, Node)]
    edges = [(e.source[-9:], e.target[-9:]) for e in found if isinstance(e, Edge)]
    assert nodes == ["{home}/x", "/other", None]
    assert [target for _, target in edges] == ["setting/1", "setting/1", "setting/2", "setting/3"]
