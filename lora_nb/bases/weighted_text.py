"""A prompt in which words have weights, read as A1111 and sd-scripts read it: (word:1.4), (word), [word], BREAK."""

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

MORE = 1.1  # of (word); [word] is divided by it
SIGNS = re.compile(
    r"\\(?P<escaped>[()\[\]\\]?)"
    r"|:\s*(?P<number>[+-]?[.\d]+)\s*\)"
    r"|(?P<sign>[()\[\]])"
    r"|(?P<words>[^\\()\[\]:]+|:)",
    re.DOTALL,
)
BREAK = re.compile(r"\s*\bBREAK\b\s*")

Piece = tuple[str, float]  # words and their weight


@dataclass(frozen=True)
class WeightedText:
    """Words with their weights. Each of `sections` begins a chunk of 75 tokens of its own.

    `keeps_mean`: the states that were weighed are brought back to the mean they had (A1111), or not (sd-scripts).
    """

    sections: tuple[tuple[Piece, ...], ...]
    keeps_mean: bool


Text = str | WeightedText


def read_prompt(prompt: str) -> Text:
    """A prompt as A1111 reads it; the words alone where none has a weight and there is no BREAK."""
    pieces = _weigh(list(_signs(prompt, breaks=True)))
    sections: list[list[Piece]] = [[]]
    for words, weight in pieces:
        if words is None:
            sections.append([])
        elif words:
            sections[-1].append((words, weight))
    if len(sections) > 1 and not sections[-1]:
        sections.pop()
    return _plain_or_weighted(sections, keeps_mean=True)


def read_captions(captions: Sequence[str], weighted: bool) -> list[Text]:
    """Captions as they are, or, where they are `weighted`, as sd-scripts reads them: without BREAK."""
    if not weighted:
        return list(captions)
    return [
        _plain_or_weighted([_weigh(list(_signs(text, breaks=False)))], keeps_mean=False) for text in captions
    ]


def escape(text: str) -> str:
    """Words as a prompt that means just them."""
    return re.sub(r"([()\[\]\\])", r"\\\1", text)


def _plain_or_weighted(sections: Sequence[Sequence[Piece]], keeps_mean: bool) -> Text:
    if len(sections) == 1 and all(weight == 1.0 for _, weight in sections[0]):
        return "".join(words for words, _ in sections[0])
    return WeightedText(tuple(_merged(section) for section in sections), keeps_mean)


def _signs(text: str, breaks: bool) -> Iterator[tuple[str, str]]:
    """(kind, text) of each part: "words", "break", a bracket, or the "number" that closes one."""
    for found in SIGNS.finditer(text):
        kind = found.lastgroup
        if kind == "escaped":
            yield "words", found["escaped"]
        elif kind == "sign":
            yield found["sign"], found["sign"]
        elif kind == "number":
            yield "number", found[0]
        elif breaks:
            for number, words in enumerate(BREAK.split(found["words"])):
                if number:
                    yield "break", ""
                yield "words", words
        else:
            yield "words", found["words"]


def _weigh(parts: Sequence[tuple[str, str]]) -> list[tuple[str | None, float]]:
    """Words with the product of the weights of the brackets around them; None for a BREAK.

    Brackets that are never closed reach to the end; what closes none is words.
    """
    found: list[tuple[str | None, float]] = []
    begun: dict[str, list[int]] = {"(": [], "[": []}

    def close(bracket: str, weight: float) -> None:
        begin = begun[bracket].pop()
        found[begin:] = [(words, before * weight) for words, before in found[begin:]]

    for kind, text in parts:
        number = _number(text) if kind == "number" else None
        if kind in begun:
            begun[kind].append(len(found))
        elif kind in (")", "number") and begun["("] and (kind == ")" or number is not None):
            close("(", MORE if number is None else number)
        elif kind == "]" and begun["["]:
            close("[", 1 / MORE)
        else:
            found.append((None if kind == "break" else text, 1.0))
    for bracket, weight in (("(", MORE), ("[", 1 / MORE)):
        while begun[bracket]:
            close(bracket, weight)
    return found


def _number(text: str) -> float | None:
    with suppress(ValueError):
        return float(text.strip(":) \n\t"))
    return None


def _merged(section: Sequence[Piece]) -> tuple[Piece, ...]:
    """Words of one weight in a row as one piece, since they are read together."""
    merged: list[Piece] = []
    for words, weight in section:
        if merged and merged[-1][1] == weight:
            merged[-1] = merged[-1][0] + words, weight
        else:
            merged.append((words, weight))
    return tuple(merged)
