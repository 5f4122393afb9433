"""Sizes of pictures as people write them: 512, or 512,768 for a width and a height, or several with ; between."""

import re

Size = tuple[int, int]
ONE = re.compile(r"\s*\(?\s*(\d+)\s*(?:[,x×]\s*(\d+)\s*)?\)?\s*")
WORDS = "a side in pixels, or a width and a height (512,768), or several of either with ; between (512;768)"


def sizes_of(written: int | str) -> tuple[Size, ...]:
    """(width, height) of each size, in the order they are written. Raises ValueError for text that names none."""
    found = [ONE.fullmatch(part) for part in str(written).split(";") if part.strip()]
    if not found or not all(found):
        raise ValueError(f"{written!r} is no size: it must be {WORDS}")
    return tuple(dict.fromkeys((int(one[1]), int(one[2] or one[1])) for one in found))


def written(sizes: tuple[Size, ...]) -> int | str:
    """The sizes as they are kept: the side alone of one square, else text."""
    if len(sizes) == 1 and sizes[0][0] == sizes[0][1]:
        return sizes[0][0]
    return ";".join(str(width) if width == height else f"{width},{height}" for width, height in sizes)
