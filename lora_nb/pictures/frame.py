"""The part of a picture that stays when it is brought to a size."""

import re
from dataclasses import dataclass

SIZE = re.compile(r"\s*(\d+)\s*(?:[xX×]\s*(\d+)\s*)?")
SMALLEST, LARGEST = 16, 8192


@dataclass(frozen=True)
class Frame:
    """What to cut out (left, top, right, bottom), and the size (width, height) to bring it to."""

    box: tuple[int, int, int, int]
    size: tuple[int, int]


def parse_size(text: str) -> tuple[int, int] | None:
    """(width, height) of "512" or "512x768"; None for "". Raises ValueError for anything else."""
    if not text.strip():
        return None
    match = SIZE.fullmatch(text)
    size = (int(match[1]), int(match[2] or match[1])) if match else (0, 0)
    if not SMALLEST <= min(size) <= max(size) <= LARGEST:
        raise ValueError(
            f'size = "{text}" is not usable: write 512 or 512x768 (width x height), each {SMALLEST} to {LARGEST}'
        )
    return size


def cropped(
    picture: tuple[int, int], size: tuple[int, int], focus: tuple[float, float], upscale: bool
) -> Frame:
    """The largest part with the proportions of `size`, as near around `focus` (shares) as the edges allow.

    A part smaller than `size` keeps its pixels unless `upscale`.
    """
    width, height = picture
    scale = min(width / size[0], height / size[1])
    wide = min(width, max(1, round(size[0] * scale)))
    high = min(height, max(1, round(size[1] * scale)))
    left = min(max(0, round(focus[0] * width - wide / 2)), width - wide)
    top = min(max(0, round(focus[1] * height - high / 2)), height - high)
    return Frame((left, top, left + wide, top + high), size if scale >= 1 or upscale else (wide, high))


def fitted(picture: tuple[int, int], size: tuple[int, int], upscale: bool) -> Frame:
    """The whole picture, as large as it fits into `size`; one that is smaller stays so unless `upscale`."""
    scale = min(size[0] / picture[0], size[1] / picture[1])
    scale = scale if upscale else min(1.0, scale)
    return Frame((0, 0, *picture), (max(1, round(picture[0] * scale)), max(1, round(picture[1] * scale))))
