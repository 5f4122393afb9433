"""Parts of a sentence: the first of many names, a count, the first line of an error, a text that can be shown."""

import unicodedata
from collections.abc import Sequence

LONGEST_LINE = 200


def some(names: Sequence[str], most: int = 10) -> str:
    """The first names, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def counted(number: int, one: str, many: str = "") -> str:
    """`1 picture`, `2 pictures`; `many` where an s at the end is not it."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def first_line(error: BaseException) -> str:
    """What an error says, in one line; its kind when it says nothing."""
    lines = (line.strip() for line in str(error).splitlines())
    return next(filter(None, lines), type(error).__name__)[:LONGEST_LINE]


def readable(text: str) -> str:
    """`text` in one line that can be shown: control characters and bytes that are no UTF-8 are written out."""
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(repr(sign)[1:-1] if unicodedata.category(sign) == "Cc" else sign for sign in shown)


def in_minutes(seconds: float) -> str:
    """`1:02:03` or `4:05`; `?` for a time not known yet."""
    if not 0 <= seconds < float("inf"):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
