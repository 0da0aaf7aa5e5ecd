"""Named patterns of secrets in text: code, parameters, command lines, addresses.

The first group of a pattern is the secret, or all of it where there is none. They find what looks
like a secret, no more: read an archive before you publish it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_KEYWORD = r"(?:pass(?:word|wd|phrase)|secret|token|api[_-]?key|access[_-]?key|credential)s?"
_QUOTE = r"\\?[\"']"

PATTERNS = {
    "private-key": r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?-----END [A-Z ]*PRIVATE KEY-----",
    "password-in-url": r"://[^/\s:@\"']{1,200}:([^/\s@\"']{1,200})@",
    "aws-key": r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b",
    "github-token": r"\b(?:gh[pousr]_[A-Za-z0-9]{20,255}|github_pat_\w{20,255})\b",
    "slack-token": r"\bxox[abprs]-[\w-]{10,255}",
    "service-key": r"\b(?:sk|pk|rk)-[A-Za-z0-9_-]{20,255}",
    "google-key": r"\bAIza[\w-]{35}\b",
    "json-web-token": r"\beyJ[\w-]{8,4096}\.[\w-]{8,4096}\.[\w-]{4,4096}",
    "bearer": r"(?i:\bbearer\s{1,9}([\w.~+/=-]{8,4096}))",
    "assigned": (
        rf"(?i:{_KEYWORD}{_QUOTE}?\]?\s{{0,9}}[:=]{{1,2}}\s{{0,9}}{_QUOTE}"
        r"([^\"'\\\n]{4,200})\\?[\"'])"
    ),
    "option": (
        rf"(?i:--?{_KEYWORD}(?:=|\s{{1,9}}|{_QUOTE},\s{{0,9}}{_QUOTE})"
        r"([^\s\"'\\,]{4,200}))"
    ),
}
"""What secrets look like, by the name of the rule that says so."""

_ALL = [re.compile(pattern, re.DOTALL) for pattern in PATTERNS.values()]
_HINT = re.compile(
    r"(?i)pass|secret|token|key|credential|bearer|://|AKIA|ASIA|gh[pousr]_|xox|eyJ|AIza|[spr]k-"
)


def find_secrets(text: str) -> Iterator[str]:
    """Yield what looks like a secret in a text."""
    if not _HINT.search(text):
        return
    for pattern in _ALL:
        for match in pattern.finditer(text):
            yield match[1] if pattern.groups else match[0]
