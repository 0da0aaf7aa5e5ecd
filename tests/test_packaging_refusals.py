"""What may not go into a package: every rule of the table, and what lets a file in after all."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbrepro.model import Role
from nbrepro.packaging.contents import CODE, DATA, ENVIRONMENT, SYSTEM, Item
from nbrepro.packaging.refusals import RULES, Judge, sift
from nbrepro.packaging.root import PackagingError

HOME, PROJECT = "/home/me", "/home/me/project"
REFUSED = {
    f"{HOME}/.ssh/config": "private-key",
    f"{PROJECT}/id_ed25519": "private-key",
    f"{PROJECT}/server.key": "private-key",
    f"{HOME}/.aws/credentials": "cloud-credentials",
    f"{HOME}/.config/gcloud/application_default_credentials.json": "cloud-credentials",
    f"{HOME}/.kube/config": "cloud-credentials",
    f"{HOME}/.git-credentials": "git-credentials",
    f"{HOME}/.netrc": "netrc",
    f"{HOME}/.pypirc": "token",
    f"{HOME}/.cache/huggingface/token": "token",
    f"{PROJECT}/api_token.json": "token",
    "/etc/shadow": "accounts",
    f"{HOME}/.bash_history": "history",
    f"{HOME}/.ipython/profile_default/history.sqlite": "history",
    f"{HOME}/.local/share/jupyter/runtime/kernel-1.json": "kernel-connection",
    f"{PROJECT}/.env": "environment-file",
    f"{PROJECT}/.env.production": "environment-file",
    f"{HOME}/thesis.csv": "outside-the-project",
    "/mnt/share/big.nc": "outside-the-project",
}
FINE = [
    f"{PROJECT}/data.csv", f"{PROJECT}/keys.csv", f"{PROJECT}/environment.yml", "/opt/env/lib/x.py",
]  # fmt: skip


def judge(*allow: str) -> Judge:
    return Judge([PROJECT, "/opt/env"], HOME, allow)


def item(path: str, layer: str = DATA, **more: object) -> Item:
    return Item(path, layer, more.pop("role", Role.DATA), "read in the run", **more)


@pytest.mark.parametrize("path", REFUSED)
def test_a_file_is_refused_by_the_rule_that_names_it(path: str):
    refusal = judge().find_refusal(item(path))
    assert refusal is not None and (refusal.path, refusal.rule) == (path, REFUSED[path])


@pytest.mark.parametrize("path", FINE)
def test_ordinary_files_are_not_refused(path: str):
    assert judge().find_refusal(item(path)) is None


def test_every_rule_is_tried():
    assert {rule.name for rule in RULES} <= set(REFUSED.values())


def test_files_of_distributions_are_public():
    path = "/opt/env/site-packages/tornado/test/test.key"
    assert judge().find_refusal(item(path, ENVIRONMENT, package="pkg:pypi/tornado")) is None


def test_files_of_the_home_are_refused_in_every_layer_but_caches():
    path = f"{HOME}/.gitconfig"
    assert judge().find_refusal(item(path, ENVIRONMENT)).rule == "outside-the-project"
    assert judge().find_refusal(item("/etc/gitconfig", SYSTEM)) is None
    assert judge().find_refusal(item(f"{HOME}/.cache/x", ENVIRONMENT, role=Role.CACHE)) is None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("x = 1\n-----BEGIN RSA PRIVATE KEY-----\nabc", "private-key"),
        ("-----BEGIN PGP PRIVATE KEY BLOCK-----", "private-key"),
        ("key = 'AKIA" + "ABCDEFGHIJKLMNOP'", "token"),
        ("token: ghp_" + "a1B2" * 9, "token"),
        ("the words PRIVATE KEY and AKIA alone are nothing", None),
        ("-----BEGIN CERTIFICATE-----", None),
    ],
)
def test_content_is_looked_at(tmp_path: Path, text: str, rule: str | None):
    (tmp_path / "notes.txt").write_text(text)
    refusal = Judge([str(tmp_path)], HOME).find_refusal(item(str(tmp_path / "notes.txt"), CODE))
    assert (refusal.rule if refusal else None) == rule


def test_what_is_allowed_is_let_in_and_told():
    for allow in (f"{PROJECT}/.env", PROJECT, f"{PROJECT}/.e*"):
        ours = judge(allow)
        assert ours.find_refusal(item(f"{PROJECT}/.env")) is None
        assert ours.allowed == {f"{PROJECT}/.env": "environment-file"}
    assert judge("/other").find_refusal(item(f"{PROJECT}/.env"))


def test_what_was_read_stops_and_what_was_listed_is_left_out():
    told: list[str] = []
    listed = item(f"{PROJECT}/.env", needed=False)
    kept = sift([item(FINE[0]), listed], judge(), lambda refusal: told.append(refusal.path))
    assert ([one.path for one in kept], told) == ([FINE[0]], [listed.path])
    with pytest.raises(PackagingError) as error:
        sift([item(path) for path in REFUSED], judge())
    assert str(error.value).count("(rule ") == 10
    assert f"and {len(REFUSED) - 10} more" in str(error.value) and "--allow" in str(error.value)
