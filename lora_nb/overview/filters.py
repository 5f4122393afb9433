"""The filter language: a line of text -> which pictures are meant.

`cat` looks for the word in caption and name. `tag: caption: name: folder: finding: is:` and the numbers
`tags: tokens: repeats: size: width: height:` look in one place each. `NOT`, `AND`, `OR` and brackets join them, `*` and
`?` stand for any signs, and "..." keeps blanks together: tag:"long hair" tokens:>75 NOT finding:copy.
"""

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import translate

from lora_nb.dataset.captions import same_tag
from lora_nb.overview.entries import Entry

Test = Callable[[Entry], bool]

WORD = re.compile(r"""\s*(?:([()])|(-?(?:[^\s()"':]+:)?(?:"[^"]*"?|'[^']*'?|[^\s()"']+)|[^\s()]+))""")
COMPARE = {">=": operator.ge, "<=": operator.le, ">": operator.gt, "<": operator.lt, "=": operator.eq}
NUMBER = re.compile(r"(>=|<=|>|<|=)?(\d+)")
SIZE = re.compile(r"(\d+)[x×:](\d+)")
NUMBERS: dict[str, Callable[[Entry], float]] = {
    "tags": lambda entry: len(entry.tags),
    "tokens": lambda entry: entry.tokens,
    "repeats": lambda entry: entry.repeats,
    "size": lambda entry: min(entry.size),
    "width": lambda entry: entry.size[0],
    "height": lambda entry: entry.size[1],
}
STATES: dict[str, Test] = {
    "aside": lambda entry: entry.is_aside,
    "captionless": lambda entry: not entry.caption,
    "found": lambda entry: bool(entry.found),
}
TEXTS = ("tag", "caption", "name", "folder", "finding")
KEYS = (*TEXTS, *NUMBERS, "is")
LISTED = ", ".join(f"{key}:" for key in KEYS)


@dataclass(frozen=True)
class Filter:
    """Which pictures are meant; those set aside only where the text says `is:aside`, or names a finding."""

    text: str
    test: Test
    names_aside: bool

    def holds(self, entry: Entry) -> bool:
        """Whether this picture is meant."""
        return (self.names_aside or not entry.is_aside) and self.test(entry)


def parse(text: str) -> Filter:
    """The filter that `text` says; an empty one means every picture. Raises ValueError saying what is wrong."""
    reader = _Reader(text)
    test = reader.whole() if reader.words else (lambda entry: True)
    return Filter(text, test, reader.names_aside)


def quoted(value: str) -> str:
    """`value` so that it is one word of a filter and its signs mean themselves."""
    plain = re.sub(r"([*?\[])", r"[\1]", value)
    return f"'{plain}'" if '"' in plain else f'"{plain}"' if re.search(r"[\s()':]", plain) else plain


class _Reader:
    """Reads a filter from left to right: OR binds least, then AND (or nothing between), then NOT."""

    def __init__(self, text: str) -> None:
        self.words = [bracket or word for bracket, word in WORD.findall(text.strip())]
        self.at = 0
        self.names_aside = False

    def whole(self) -> Test:
        test = self._either()
        if self.at < len(self.words):
            raise ValueError(f'the filter has a "{self.words[self.at]}" too many')
        return test

    def _either(self) -> Test:
        tests = [self._both()]
        while self._next() == "OR":
            self.at += 1
            tests.append(self._both())
        return tests[0] if len(tests) == 1 else lambda entry: any(test(entry) for test in tests)

    def _both(self) -> Test:
        tests = [self._one()]
        while self._next() not in ("OR", ")", ""):
            self.at += self._next() == "AND"
            tests.append(self._one())
        return tests[0] if len(tests) == 1 else lambda entry: all(test(entry) for test in tests)

    def _one(self) -> Test:
        word = self._next()
        if word in ("", "OR", "AND", ")"):
            raise ValueError(f"the filter lacks something {'at its end' if not word else f'before {word}'}")
        self.at += 1
        if word == "NOT" or (word.startswith("-") and len(word) > 1):
            self.words[self.at : self.at] = [word[1:]] if word != "NOT" else []
            inner = self._one()
            return lambda entry: not inner(entry)
        if word == "(":
            test = self._either()
            if self._next() != ")":
                raise ValueError("the filter lacks a )")
            self.at += 1
            return test
        return self._term(word)

    def _next(self) -> str:
        return self.words[self.at] if self.at < len(self.words) else ""

    def _term(self, word: str) -> Test:
        key, colon, value = word.partition(":")
        if not colon or word[0] in "\"'":
            return _anywhere(_unquoted(word))
        key, value = key.lower(), _unquoted(value)
        if key not in KEYS:
            raise ValueError(f'the filter knows no "{key}:"; there are {LISTED}')
        self.names_aside |= key == "finding" or (key, value) == ("is", "aside")
        return _of(key, value)


def _unquoted(word: str) -> str:
    return word[1:].removesuffix(word[0]) if word[:1] in ("'", '"') else word


def _of(key: str, value: str) -> Test:
    if not value:
        raise ValueError(f'the filter says "{key}:" and then nothing')
    if key in NUMBERS:
        return _number(key, value)
    if key == "is":
        if value not in STATES:
            raise ValueError(f'the filter knows no "is:{value}"; there are is:{", is:".join(STATES)}')
        return STATES[value]
    if key == "tag":
        return _tag(same_tag(value))
    is_meant = _like(value.casefold() if key in ("folder", "finding") else _inside(value))
    if key == "finding":
        return lambda entry: any(is_meant(kind.casefold()) for kind in entry.found)
    return lambda entry: is_meant((getattr(entry, key) or "").casefold())


def _tag(wanted: str) -> Test:
    is_meant = _like(wanted)
    part = (
        "" if re.search(r"[*?\[]", wanted) else wanted
    )  # most captions do not hold it at all: no need to cut them

    def test(entry: Entry) -> bool:
        return part in same_tag(entry.caption or "") and any(map(is_meant, entry.same_tags))

    return test


def _anywhere(value: str) -> Test:
    is_meant = _like(_inside(value))
    return lambda entry: is_meant((entry.caption or "").casefold()) or is_meant(entry.name.casefold())


def _inside(value: str) -> str:
    return f"*{value.casefold()}*"


def _like(pattern: str) -> Callable[[str], bool]:
    match = re.compile(translate(pattern)).match
    return lambda text: match(text) is not None


def _number(key: str, value: str) -> Test:
    if key == "size" and (exact := SIZE.fullmatch(value)):
        wanted = (int(exact[1]), int(exact[2]))
        return lambda entry: entry.size == wanted
    match = NUMBER.fullmatch(value)
    if not match:
        raise ValueError(f'the filter cannot compare "{key}:{value}": write e.g. {key}:>75')
    compare, limit, measure = COMPARE[match[1] or "="], int(match[2]), NUMBERS[key]
    return lambda entry: compare(measure(entry), limit)
