"""Tokens and passwords in a text, found by their shapes."""

import re

HIDDEN = "***"
_STAND_IN = "Hidden01" * 3

_WORD = "token|secret|password|passwd|pwd|signature|credential|api_?key|auth|authorization"
_NAME = rf"(?:[\w.-]{{0,40}}[_-])?(?:{_WORD})[\"']?"
_VALUE = r"[^\s&;,\"'\\<>()]"
# What a pattern's first group holds stays, the rest goes.
_PATTERNS = (
    # https://name:password@host, https://token@host
    re.compile(r"(\b[a-z][a-z0-9+.-]{0,20}://)[^\s/?#\"'\\<>]+(?=@)", re.IGNORECASE),
    # Authorization: Bearer ...
    re.compile(r"(\b(?i:bearer|basic)\s+)(?=[\w.~+/-]*(?:[\d=]|[a-z][A-Z]))[\w.~+/=-]{8,}"),
    # ?token=..., HF_TOKEN=..., "password": "..."
    re.compile(rf"(\b{_NAME}\s?=\s?[\"']?){_VALUE}{{4,}}", re.IGNORECASE),
    re.compile(rf"(\b{_NAME}\s?:\s?[\"']?)(?={_VALUE}*\d){_VALUE}{{8,}}", re.IGNORECASE),
    re.compile(rf"([?&](?:key|sig|code)=){_VALUE}{{4,}}", re.IGNORECASE),
    # the marks of Hugging Face and GitHub
    re.compile(r"((?<![A-Za-z0-9])hf_)(?:(?=[a-z]*[A-Z0-9])[A-Za-z0-9]{8,}|[a-z]{20,})"),
    re.compile(r"((?<![A-Za-z0-9])(?:gh[opsu]_|github_pat_))[\w-]{16,}"),
)


def redact(text: str) -> str:
    """`text` with *** in the place of every token and password."""
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\g<1>{HIDDEN}", text)
    return text


def holds_secret(text: str) -> bool:
    """Whether there is a token or a password in `text`, or stood there before it was taken out."""
    return redact(text.replace(HIDDEN, _STAND_IN)) != text.replace(HIDDEN, _STAND_IN)
