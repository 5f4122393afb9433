"""A caption as the parts between its commas, from which it can be put together as it is written."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace

from lora_nb.dataset.captions import kind_of, same_tag

BETWEEN = re.compile(r"(\s*[,\n][\s,]*)")
LONG = 6  # words: a part with more of them is no tag
BEGINS = frozenset(("a", "an", "the", "this", "there"))  # of a sentence, where three words or more follow
GOES_ON = frozenset(("and", "with", "while", "who", "which"))  # never the first word of a tag
JOINS = BEGINS | GOES_ON | frozenset(("in", "on", "of", "as", "at", "from", "her", "his", "its", "their"))
SHORT = 4  # words: a part in front of a sentence that has more of them is a part of it
FEWEST_TAGS = 3  # after a sentence: fewer parts belong to it


@dataclass(frozen=True)
class Part:
    """A tag, or a sentence with its commas (`fixed`); `before` is what separates it from the part before it."""

    text: str
    before: str = ", "
    fixed: bool = False

    @property
    def key(self) -> str:
        """What two spellings of one tag share; a sentence equals nothing else."""
        return f"\0{self.text}" if self.fixed else same_tag(self.text)


@dataclass(frozen=True)
class Parts:
    """A caption taken apart; `head` and `tail` are what stands before its first part and after its last."""

    parts: tuple[Part, ...]
    head: str = ""
    tail: str = ""

    @property
    def text(self) -> str:
        """The caption put together."""
        body = "".join(part.before * bool(at) + part.text for at, part in enumerate(self.parts))
        return self.head + body + self.tail

    @property
    def tags(self) -> list[str]:
        """The tags as they are written, without sentences."""
        return [part.text for part in self.parts if not part.fixed]

    def with_parts(self, parts: Iterable[Part]) -> "Parts":
        """The caption with other parts."""
        return replace(self, parts=tuple(parts))


def take_apart(text: str) -> Parts:
    """The parts of a caption. A caption that is sentences is one fixed part, as is a sentence among tags."""
    pieces = BETWEEN.split(text)
    words, between = pieces[::2], ["", *pieces[1::2]]
    head = tail = ""
    if len(words) > 1 and not words[0].strip():
        head = words.pop(0) + between.pop(1)
    if len(words) > 1 and not words[-1].strip():
        tail = between.pop() + words.pop()
    head += words[0][: len(words[0]) - len(words[0].lstrip())]
    tail = words[-1][len(words[-1].rstrip()) :] + tail if words[-1].strip() else tail
    parts = [Part(word.strip(), before) for word, before in zip(words, between, strict=True) if word.strip()]
    parts = [replace(parts[0], before=", "), *parts[1:]] if parts else []
    return Parts(_sentences_fixed(parts, text), head, tail)


def tag_counts(texts: Iterable[str]) -> Counter[str]:
    """How many captions have each tag as written, the most frequent first; sentences have none."""
    counts = Counter(tag for text in texts for tag in dict.fromkeys(take_apart(text).tags))
    return Counter(dict(counts.most_common()))


def _sentences_fixed(parts: list[Part], text: str) -> tuple[Part, ...]:
    """The parts with those of a sentence put together."""
    prose = [at for at, part in enumerate(parts) if _is_prose(part.text)]
    whole = kind_of([text]) == "sentences"
    if not prose and not whole:
        return tuple(parts)
    start = prose[0] if prose and all(_may_be_tag(part.text) for part in parts[: prose[0]]) else 0
    end = len(parts) if whole else _end(parts, prose[-1])
    return (*parts[:start], *_one(parts[start:end]), *parts[end:])


def _one(parts: list[Part]) -> tuple[Part, ...]:
    if not parts:
        return ()
    text = parts[0].text + "".join(part.before + part.text for part in parts[1:])
    return (Part(text, parts[0].before, fixed=True),)


def _is_prose(text: str) -> bool:
    words = text.split()
    begins = len(words) >= 3 and words[0].casefold() in BEGINS
    return begins or len(words) > LONG or (len(words) >= 3 and text.endswith((".", "!")))


def _may_be_tag(text: str) -> bool:
    words = text.split()
    first = words[0].casefold()
    return first not in GOES_ON and len(words) <= SHORT and (len(words) < 3 or first not in JOINS)


def _end(parts: list[Part], last: int) -> int:
    """Where tags go on after a sentence whose `last` sure part is known: at the end where no tags alone follow."""
    stops = [at for at in range(last, len(parts)) if parts[at].text.endswith((".", "!"))]
    end = (stops[-1] if stops else last) + 1
    rest = [part.text for part in parts[end:]]
    tags = len(rest) >= FEWEST_TAGS and all(map(_may_be_tag, rest))
    return end if tags and sum(len(text.split()) for text in rest) < 2.5 * len(rest) else len(parts)
