"""What never goes into a package unless its owner says so: secrets, and files outside the run.

The rules are a table, tried in order; the first that fits names the refusal. Files that belong to a
distribution or a system package are public and not judged.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from nbrepro.model import Role
from nbrepro.packaging.contents import CODE, DATA, ENVIRONMENT, SYSTEM, Item
from nbrepro.packaging.root import PackagingError
from nbrepro.roles import under

_READ_AT_MOST = 4 << 20
_PRIVATE_KEY = re.compile(rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY(?: BLOCK)?-----")
_TOKEN = re.compile(
    rb"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b"  # Amazon's keys
    rb"|\bgh[pousr]_[A-Za-z0-9]{36,}\b|\bgithub_pat_[A-Za-z0-9_]{40,}\b"
    rb"|\bglpat-[A-Za-z0-9_-]{20,}\b|\bxox[abpr]-[A-Za-z0-9-]{20,}\b"
    rb"|\bhf_[A-Za-z0-9]{30,}\b|\bpypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{40,}"
    rb"|\bAIza[0-9A-Za-z_-]{35}\b|\bsk-[A-Za-z0-9_-]{32,}"
)


class SecretRule(NamedTuple):
    """A named rule: `patterns` are of the whole path or, without a slash, of its last part."""

    name: str
    what: str
    patterns: tuple[str, ...]


RULES: tuple[SecretRule, ...] = (
    SecretRule("private-key", "a private key", (
        "*/.ssh/*", "id_rsa", "id_dsa", "id_ecdsa", "id_ed25519", "id_*_sk", "*.key", "*.p12",
        "*.pfx", "*.jks", "*.keystore", "*.ppk", "*/.gnupg/*", "*/etc/ssl/private/*",
        "ssh_host_*_key", "*.kdbx",
    )),
    SecretRule("cloud-credentials", "credentials of a cloud", (
        "*/.aws/*", "*/.azure/*", "*/.config/gcloud/*", "*/.kube/*", "*/.oci/*", ".boto", ".s3cfg",
        "application_default_credentials.json", "*service*account*.json", "*/.mc/config.json",
        "*/rclone.conf", "*/.globus/*", "*/x509up_u*",
    )),
    SecretRule("git-credentials", "credentials of git", (
        ".git-credentials", "*/git/credentials", "*/.config/gh/*", "*/.config/hub",
        "*/.config/glab-cli/*",
    )),
    SecretRule("netrc", "names and passwords for machines", (".netrc", "_netrc", ".authinfo*")),
    SecretRule("token", "a token or password of a service", (
        ".pypirc", ".npmrc", ".yarnrc*", "*/.docker/config.json", "*/containers/auth.json",
        "*/huggingface/token", "*/huggingface/stored_tokens", "kaggle.json", ".Renviron", ".pgpass",
        ".my.cnf", ".vault-token", "*/.cargo/credentials*", "*/.databrickscfg", ".wandb*netrc",
        "*token*.json", "*token.txt", "*credentials*", "*password*", "*secret*",
    )),
    SecretRule("accounts", "the accounts of this machine", (
        "/etc/shadow*", "/etc/gshadow*", "/etc/sudoers*",
    )),
    SecretRule("history", "a history of commands", (
        ".*_history", "history.sqlite*", ".lesshst", ".viminfo", ".python_history*",
    )),
    SecretRule("kernel-connection", "the connection file of a kernel", (
        "*/jupyter/runtime/*", "*/jupyter_cookie_secret", "kernel-*-*-*-*-*.json",
    )),
    SecretRule("environment-file", "settings that usually hold secrets", (".env", ".env.*")),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Refusal:
    """A file that may not go into a package, the rule that says so, and what the rule is about."""

    path: str
    rule: str
    what: str


class Judge:
    """Judges items of a run whose `places` are its project, working directory and environment;
    `home` is the user's directory.

    `allow` are paths, directories or patterns that the user answers for; `allowed` collects what
    was let through by them, with the rule that had refused it.
    """

    def __init__(self, places: Sequence[str], home: str, allow: Iterable[str] = ()) -> None:
        self._home = home
        self._places = [place for place in places if place]
        self._allow = list(allow)
        self.allowed: dict[str, str] = {}

    def find_refusal(self, item: Item) -> Refusal | None:
        """Say why an item may not be packaged; None where it may."""
        if item.package or item.role == Role.DIRECTORY or self._is_installed(item):
            return None
        refusal = self._by_name(item) or self._by_place(item) or self._by_content(item)
        if refusal is not None and self._is_allowed(item.path):
            self.allowed[item.path] = refusal.rule
            return None
        return refusal

    def _is_installed(self, item: Item) -> bool:
        """Tell whether a file is one of installed software, even if no package owns it."""
        places = (*self._places, "/usr")
        return item.layer in (SYSTEM, ENVIRONMENT) and any(under(item.path, p) for p in places)

    def _is_allowed(self, path: str) -> bool:
        return any(under(path, allowed) or fnmatchcase(path, allowed) for allowed in self._allow)

    def _by_name(self, item: Item) -> Refusal | None:
        name = item.path[item.path.rfind("/") + 1 :]
        for rule in RULES:
            for pattern in rule.patterns:
                if fnmatchcase(item.path if "/" in pattern else name, pattern):
                    return Refusal(item.path, rule.name, rule.what)
        return None

    def _by_place(self, item: Item) -> Refusal | None:
        if any(under(item.path, place) for place in self._places) or item.role == Role.CACHE:
            return None
        if item.layer not in (CODE, DATA) and not under(item.path, self._home):
            return None
        return Refusal(item.path, "outside-the-project", "a file outside the project")

    def _by_content(self, item: Item) -> Refusal | None:
        if item.layer not in (CODE, DATA):
            return None
        try:
            with Path(item.path).open("rb") as stream:
                text = stream.read(_READ_AT_MOST)
        except OSError:
            return None
        if _PRIVATE_KEY.search(text):
            return Refusal(item.path, "private-key", "holds a private key")
        if _TOKEN.search(text):
            return Refusal(item.path, "token", "holds a token of a service")
        return None


def sift(
    items: Iterable[Item], judge: Judge, tell: Callable[[Refusal], None] | None = None
) -> list[Item]:
    """Give the items that may be packaged. Raises PackagingError for needed ones that may not.

    What was only listed or looked at, and may not, is left out; `tell` hears of it.
    """
    kept, refused = [], []
    for item in items:
        refusal = judge.find_refusal(item)
        if refusal is None:
            kept.append(item)
        elif item.needed:
            refused.append(refusal)
        elif tell is not None:
            tell(refusal)
    if refused:
        raise PackagingError(describe(refused))
    return kept


def describe(refused: Sequence[Refusal]) -> str:
    """Say what was refused, and what to do."""
    shown = "; ".join(f"{one.path}: {one.what} (rule {one.rule})" for one in refused[:10])
    more = f"; and {len(refused) - 10} more" if len(refused) > 10 else ""
    return (
        f"these files were used and may not be packaged: {shown}{more}. Pass --allow PATH for each "
        "that may go into the package, or --exclude PATH to leave it out"
    )
