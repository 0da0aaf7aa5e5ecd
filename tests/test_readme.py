"""The README promises what the project does: its commands, codes, words, files and blocks."""

from __future__ import annotations

import dataclasses
import re
import shlex
import subprocess
from pathlib import Path

import click
import pytest

from nbrepro.cli.program import program
from nbrepro.errors import ExitCode
from nbrepro.model import Certainty, Evidence, Mode, Role
from nbrepro.rows import DataRow, PackageRow, RunRow

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```sh\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
WORDS = "run host process event access cell task file-version statement question package store role"


def section(title: str) -> str:
    """Give the text below a heading, up to the next heading of any level."""
    match = re.search(
        rf"^#+ {re.escape(title)}\n(.*?)(?=^#+ |\Z)", README, re.MULTILINE | re.DOTALL
    )
    assert match, f"the README has no section {title!r}"
    return match[1]


def commands_named() -> set[tuple[str, ...]]:
    """Find every `nbrepro ...` in code, up to a placeholder or a pipe."""
    code = re.findall(r"`(nbrepro [^`]+)`", README)
    code += [line for block in BLOCKS for line in re.findall(r"bin/(nbrepro [^&|\n]+)", block)]
    return {tuple(shlex.split(text)[1:]) for text in code}


def command_of(name: str) -> click.Command:
    command = program.get_command(click.Context(program), name)
    assert command is not None, f"nbrepro {name} does not exist"
    return command


@pytest.mark.parametrize("words", sorted(commands_named()), ids=" ".join)
def test_commands_exist_with_their_options(words: tuple[str, ...]):
    known = {option for parameter in command_of(words[0]).params for option in parameter.opts}
    ours = words[1 : words.index("--")] if "--" in words else words[1:]
    asked = {word for word in ours if word.startswith("-")}
    assert asked <= known | {"--help"}


def test_every_command_has_a_row_with_its_options():
    rows = dict(
        re.findall(r"^\| `nbrepro (\w+)[^|]*\| (.*) \|$", section("Commands"), re.MULTILINE)
    )
    assert set(rows) == set(program.list_commands(click.Context(program)))
    for name, text in rows.items():
        options = set(re.findall(r"`(--?[\w-]+)", text))
        assert options <= {o for p in command_of(name).params for o in p.opts}, name


def test_exit_codes_are_those_of_the_program():
    rows = re.findall(r"^\| (\d+) \| `(\w+)` \|", section("Exit codes"), re.MULTILINE)
    assert {name: int(code) for code, name in rows} == {code.name: code.value for code in ExitCode}


def test_json_keys_are_those_of_the_rows():
    text = section("Keys of the JSON answers")
    keys = re.findall(r"`(\w+)`", "".join(re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)))
    assert sorted(keys) == sorted(field.name for field in dataclasses.fields(DataRow))
    packages, runs = re.search(
        r"packages --json`:(.*?)`nbrepro runs --json`:(.*)", text, re.DOTALL
    ).groups()
    for kind, sentence in ((PackageRow, packages), (RunRow, runs)):
        assert {field.name for field in dataclasses.fields(kind)} <= set(
            re.findall(r"`(\w+)`", sentence)
        )


def test_modes_evidence_and_certainties_are_explained():
    text = section("Keys of the JSON answers")
    later = {Evidence.SANDBOX, Evidence.SUBMIT_LOG}  # of distributed engines
    for word in (*Mode, *Certainty, *(set(Evidence) - later)):
        assert f"`{word}`" in text


def test_roles_are_those_of_the_model():
    named = re.findall(
        r"`([\w-]+)`", "".join(re.findall(r"^\| (`.*?) \|", section("Roles"), re.MULTILINE))
    )
    assert sorted(named) == sorted(Role)


@pytest.mark.parametrize("word", WORDS.split())
def test_glossary_has_the_words_of_the_project(word: str):
    assert f"**{word.replace('-', ' ')}**" in section("Glossary")


@pytest.mark.parametrize("link", re.findall(r"\]\((?!https?:)([^)#]+)", README))
def test_links_lead_somewhere(link: str):
    assert (ROOT / link).exists()


def test_two_blocks_run_the_notebook_and_the_tests():
    first, second = BLOCKS[:2]
    assert "nbrepro run notebooks/quickstart.ipynb" in first
    assert "nbrepro data --cell 5" in first
    assert "pytest -n auto" in second


@pytest.mark.parametrize("block", BLOCKS, ids=range(len(BLOCKS)))
def test_blocks_are_plain_shell(block: str):
    subprocess.run(["sh", "-n"], input=block, text=True, check=True)
    assert "sudo" not in block
