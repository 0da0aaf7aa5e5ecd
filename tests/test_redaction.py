"""Nothing private is in an export or archive that is redacted; references lead where they led."""

from __future__ import annotations

import io
import json

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import nbrepro
from nbrepro.export import make_network
from nbrepro.export.asked import find_redactor, open_extract, redacted
from nbrepro.export.extract import Extract
from nbrepro.export.redaction import Private, Redactor
from nbrepro.export.secrets import PATTERNS, find_secrets
from nbrepro.export.writers import FORMATS
from nbrepro.model import Node
from tests.graphs import demo, graph_statements
from tests.planted import HOME, HOST, PRIVATE, RUN, SECRETS, USER, make_planted, text_of


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("planted")
    make_planted(root)
    with nbrepro.open(root) as provenance:
        yield provenance.run(RUN)


def written(run, name, redact):
    out = io.BytesIO()
    with open_extract(run, redact=redact) as extract:
        FORMATS[name].write(extract, out)
    return out.getvalue()


@pytest.mark.parametrize("name", [name for name in FORMATS if name != "svg"])
def test_no_export_that_is_redacted_holds_anything_private(run, name):
    plain, told = text_of(written(run, name, False)), text_of(written(run, name, True))
    assert USER in plain or HOST in plain
    assert [word for word in PRIVATE if word in told] == []


def test_the_run_says_what_was_replaced(run):
    with open_extract(run, redact=True) as extract:
        counts = json.loads(extract.run["redacted"])
        assert counts["users"] == 1
        assert counts["homes"] == 1
        assert counts["hosts"] == 2
        assert counts["secrets"] >= 3
        assert extract.run["notebook"] == "/home/user1/study/study.ipynb"
    with open_extract(run) as extract:
        assert "redacted" not in extract.run


def test_what_is_replaced_has_the_same_shape_as_before(run):
    with open_extract(run) as plain, open_extract(run, redact=True) as told:
        before, after = make_network(plain.statements()), make_network(told.statements())
        assert networkx.faster_could_be_isomorphic(before, after)
        assert plain.counts == told.counts
        ends = {end for edge in told.edges() for end in (edge.source, edge.target)}
        assert ends <= {node.uid for node in told.nodes()}


def test_digests_and_logical_keys_stay(run):
    with open_extract(run) as plain, open_extract(run, redact=True) as told:
        for key in ("logical_key", "sha256", "source_digest"):
            before = sorted(str(n.properties.get(key)) for n in plain.nodes() if n.kind != "Run")
            assert before == sorted(
                str(n.properties.get(key)) for n in told.nodes() if n.kind != "Run"
            )


def test_redacted_software_has_a_name_of_its_own(run):
    with open_extract(run) as plain, open_extract(run, redact=True) as told:
        before = {n.uid: n for n in plain.nodes("Entity") if n.kind == "SoftwareFile"}
        for node in told.nodes("Entity"):
            if node.kind == "SoftwareFile" and node.uid in before:
                assert node.properties == before[node.uid].properties


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ('password = "abcd1234"', "abcd1234"),
        ("os.environ['DB_PASSWORD'] = 'topsecret'", "topsecret"),
        ('{"api_key": "k-1234567"}', "k-1234567"),
        ("curl --token=abcdef123 x", "abcdef123"),
        ("mysql --password zyxw9876", "zyxw9876"),
        ("postgres://me:pa55word@host/db", "pa55word"),
        ("Authorization: Bearer abc.def-123", "abc.def-123"),
        (f"key {SECRETS[2]}", SECRETS[2]),
        (f"x={SECRETS[4]}", SECRETS[4]),
        (SECRETS[5], SECRETS[5]),
        ("xoxb-123456789012-abc", "xoxb-123456789012-abc"),
        ("sk-" + "a1" * 16, "sk-" + "a1" * 16),
        ("AIza" + "x" * 35, "AIza" + "x" * 35),
        ("-----BEGIN RSA PRIVATE KEY-----\nab\n-----END RSA PRIVATE KEY-----",
         "-----BEGIN RSA PRIVATE KEY-----\nab\n-----END RSA PRIVATE KEY-----"),
    ],
)  # fmt: skip
def test_every_pattern_finds_its_secret(text, secret):
    assert secret in set(find_secrets(text))


def test_no_pattern_finds_what_is_none():
    ordinary = (
        "tokens = text.split()\nkey = names[0]\nfor token in tokens: print(token)\n"
        "/usr/lib/python3/tokenize.py secretary https://example.org:8080/x sk-learn\n"
        "password = getpass()\npath = 'data/pass.csv'"
    )
    assert list(find_secrets(ordinary)) == []
    assert len(PATTERNS) == 11


def redact(text, homes=(HOME,), hosts=(HOST,)):
    private = Private()
    for home in homes:
        private.see_home(home)
    for host in hosts:
        private.see_host(host)
    private.see_text(text)
    return Redactor(private).text(text)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (f"{HOME}/x", "/home/user1/x"),
        (f"/scratch/{USER}/x", "/scratch/user1/x"),
        (f"/tmp/of-{USER}_1", "/tmp/of-user1_1"),
        (f"{USER}s and mal{USER}", f"{USER}s and mal{USER}"),
        (f"ssh {USER}@{HOST}", "ssh user1@host1.example"),
        ("lab-node7", "host1"),
        ("LAB-NODE7:80", "host1:80"),
        ("lab-node70", "lab-node70"),
        ("/srv/home/other/x", "/srv/home/other/x"),
        ("/Users/bobby/y and /root/z", "/home/user2/y and /home/user3/z"),
    ],
)
def test_words_are_replaced_where_they_stand_alone(text, told):
    assert redact(text) == told


def test_accounts_that_name_nobody_stay_as_words_but_not_as_homes():
    assert redact("/root/x by root", homes=("/root",)) == "/home/user1/x by root"
    assert redact("/home/u/x in u", homes=("/home/u",)) == "/home/user1/x in u"
    assert redact("data in /home/data/x", homes=()) == "data in /home/user1/x"


def test_two_homes_of_one_user_stay_two():
    told = redact(f"{HOME}/x /nfs/{USER}/x", homes=(HOME, f"/nfs/{USER}"))
    assert sorted(told.split()) == ["/home/user1-2/x", "/home/user1/x"]


def test_words_of_ours_are_never_replaced():
    maker = demo()
    maker.host = "data"
    private = Private()
    private.see_host("data")
    private.see_home("/home/read")
    words = ("role", "mode", "status")
    with Extract(maker.statements) as extract:
        before = [one.properties.get(w) for one in extract.statements() for w in words]
        told = Redactor(private).statements(extract)
        assert [one.properties.get(w) for one in told for w in words] == before


@given(graph_statements())
@settings(max_examples=40, deadline=None)
def test_a_graph_without_anything_private_stays_as_it_is(statements):
    with Extract(statements) as extract, redacted(extract, Redactor(Private())) as told:
        assert list(told.statements()) == list(extract.statements())


@given(st.text(max_size=60))
@settings(max_examples=50, deadline=None)
def test_nothing_private_is_left_between_any_texts(text):
    told = redact(f"{text} {HOME}/{text} {HOST}")
    assert USER not in told
    assert HOST not in told


def test_what_is_found_in_a_graph_comes_from_all_of_it():
    maker = demo()
    maker.cell(9, source=f"token = '{SECRETS[0]}'")
    with Extract(maker.statements) as extract:
        redactor = find_redactor(extract)
        told = list(redactor.statements(extract))
    assert redactor.counts["secrets"] == 1
    sources = [n.properties.get("source") for n in told if isinstance(n, Node)]
    assert "token = 'redacted-secret-1'" in sources
