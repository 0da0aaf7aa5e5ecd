"""The doctor: real checks of this machine, and of machines that lack things."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from nbrepro.cli.program import program
from nbrepro.doctor import (
    Finding,
    State,
    examine,
    find_ptrace,
    find_space,
    find_strace,
    find_writable,
    may_run,
    mend,
)


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A PATH of our own: give a function that puts a shell script on it."""
    folder = tmp_path / "tools"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))

    def put(name: str, script: str) -> Path:
        path = folder / name
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return put


def test_this_machine_is_examined_in_full():
    findings = {finding.what: finding for finding in examine(Path.cwd(), kernel=False)}
    assert {"python", "strace", "inotify", "kernels", "store", "disk", "dask", "taskvine"} <= set(
        findings
    )
    assert findings["python"].state is State.OK
    for finding in findings.values():
        assert finding.detail
        assert finding.state is State.OK or finding.follows


@pytest.mark.live("kernel")
def test_the_kernel_is_really_started():
    found = {finding.what: finding for finding in examine(Path.cwd())}["kernel python3"]
    assert (found.state, found.detail) == (State.OK, "starts and computes")


@pytest.mark.live("strace")
def test_a_machine_with_strace_may_trace():
    assert find_strace().state is State.OK
    assert {finding.what: finding.state for finding in find_ptrace()} == {
        "ptrace": State.OK, "seccomp-bpf": State.OK,
    }  # fmt: skip


def test_missing_strace_names_what_follows_and_what_mends(tools):
    tools("apt-get", "exit 0")
    found = find_strace()
    assert (found.state, found.detail) == (State.MISSING, "not installed")
    assert "tracer audit" in found.follows
    rights = () if os.geteuid() == 0 else ("sudo", "-n")
    assert found.mend[-1] == (
        *rights, "apt-get", "install", "-y", "-q", "--no-install-recommends", "strace",
    )  # fmt: skip
    assert list(find_ptrace()) == []


def test_an_old_strace_is_limited(tools):
    tools("strace", "echo 'strace -- version 5.1'")
    found = find_strace()
    assert (found.state, found.detail) == (State.LIMITED, "5.1")
    assert "--seccomp-bpf" in found.follows


def test_forbidden_ptrace_is_missing_with_strace_s_own_words(tools):
    tools("strace", "echo 'strace: ptrace(PTRACE_TRACEME): Operation not permitted' >&2; exit 1")
    (found,) = find_ptrace()
    assert found.state is State.MISSING
    assert "Operation not permitted" in found.detail
    assert "--cap-add=SYS_PTRACE" in found.advice


def test_a_strace_without_seccomp_is_limited(tools):
    tools("strace", 'case "$*" in *seccomp*) echo "no seccomp" >&2;; esac; exit 0')
    assert [(f.what, f.state) for f in find_ptrace()] == [
        ("ptrace", State.OK), ("seccomp-bpf", State.LIMITED),
    ]  # fmt: skip


def test_a_strace_that_hangs_does_not_hang_the_doctor(tools, monkeypatch):
    monkeypatch.setattr("nbrepro.doctor.PROBE_SECONDS", 0.2)
    tools("strace", "exec /bin/sleep 30")
    (found,) = find_ptrace()
    assert found.state is State.MISSING
    assert "timed out" in found.detail


def test_a_place_that_takes_no_files_is_missing(tmp_path):
    assert find_writable(tmp_path).state is State.OK
    found = find_writable(Path("/proc"))
    assert found.state is State.MISSING
    assert "--store" in found.advice


def test_little_space_is_limited(tmp_path, monkeypatch):
    assert find_space(tmp_path).detail.endswith("GiB free")
    monkeypatch.setattr("nbrepro.doctor.ENOUGH_BYTES", 1 << 80)
    assert find_space(tmp_path).state is State.LIMITED


def gap(*mends, needed=True, state=State.MISSING):
    return Finding("thing", state, "gone", "nothing works", mends, needed=needed)


def test_mending_shows_each_command_and_then_runs_it(tmp_path):
    made = tmp_path / "made"
    command = (sys.executable, "-c", f"open({str(made)!r}, 'w'); print('did it')")
    shown = []

    def show(shown_command):
        assert not made.exists()
        shown.append(shown_command)

    ((_, mended),) = list(mend([gap(command)], show))
    assert shown == [command]
    assert (mended.code, mended.said, made.exists()) == (0, "did it", True)


def test_mending_stops_at_the_first_command_that_fails():
    fails = (sys.executable, "-c", "import sys; sys.exit('no rights')")
    never = (sys.executable, "-c", "")
    mended = [outcome for _, outcome in mend([gap(fails, never)], lambda command: None)]
    assert [(m.command, m.code, m.said) for m in mended] == [(fails, 1, "no rights")]


def test_mending_leaves_what_is_well_optional_or_impossible():
    command = (sys.executable, "-c", "")
    absent = ("no-such-program-anywhere",)
    assert not may_run(absent)
    findings = [gap(command, state=State.OK), gap(command, needed=False), gap(absent)]
    assert list(mend(findings, lambda command: None)) == []


@pytest.fixture
def findings(monkeypatch):
    """Let the command find what a test says."""
    return lambda *found: monkeypatch.setattr(
        "nbrepro.cli.machine.examine", lambda start: iter(found)
    )


def test_doctor_prints_what_follows_and_the_command(findings):
    findings(gap(("apt-get", "install", "thing")), gap(("pip", "x"), needed=False))
    result = CliRunner().invoke(program, ["doctor"])
    assert result.exit_code == 6
    assert result.stdout.splitlines()[-2:] == [
        "mend thing: apt-get install thing", "mend thing (optional): pip x",
    ]  # fmt: skip
    assert "nothing works" in result.stdout


def test_doctor_is_code_0_where_only_options_lack(findings):
    findings(gap(needed=False), gap(state=State.LIMITED))
    assert CliRunner().invoke(program, ["doctor"]).exit_code == 0


def test_doctor_mends_and_looks_again(findings):
    findings(gap((sys.executable, "-c", "print('done')")))
    result = CliRunner().invoke(program, ["doctor", "--mend"])
    assert result.stderr.splitlines() == [f"$ {sys.executable} -c 'print('\"'\"'done'\"'\"')'",
                                          "thing: done"]  # fmt: skip
    findings(gap(needed=False))
    result = CliRunner().invoke(program, ["doctor", "--mend"])
    assert result.stderr == "nothing that is needed can be mended from here\n"


def test_doctor_speaks_json():
    result = CliRunner().invoke(program, ["doctor", "--json"])
    assert result.exit_code in (0, 6)
    rows = json.loads(result.stdout)
    assert {"what", "state", "detail", "follows", "mend", "advice", "needed"} == set(rows[0])
    strace = next(row for row in rows if row["what"] == "strace")
    assert (strace["state"] == "missing") == (shutil.which("strace") is None)
