"""A picture cut around the face in it, nearer or farther at random (sd-scripts' face_crop_aug_range)."""

import random
from dataclasses import dataclass, replace
from pathlib import Path

from lora_nb.dataset.buckets import Placement, Size

SEEN, SHIFTED = (
    40,
    20,
)  # a face of so many pixels at least is not always in the very middle: a 20th of it beside


@dataclass(frozen=True)
class Face:
    """Where a face is, in pixels of the whole picture: its middle, and its longer side."""

    middle: tuple[int, int]
    side: int


def face_of(path: Path) -> Face | None:
    """The face that a file's name tells of, as sd-scripts' detect_face_rotate.py writes it: NAME_x_y_width_height."""
    parts = path.stem.split("_")[1:]
    numbers = [int(part) for part in parts[-4:] if part.isdecimal()]
    if len(numbers) < 4:
        return None
    x, y, width, height = numbers
    return Face((x, y), max(width, height)) if width and height else None


def cut_around(
    placement: Placement,
    whole: Size,
    face: Face,
    reach: tuple[float, ...],
    anywhere: bool,
    chance: random.Random,
) -> Placement:
    """The placement that shows the face, the shorter side being `reach` of the face's, never enlarged.

    `whole` is the picture's (width, height). `anywhere` moves the cut as far as the picture goes, and keeps the face
    only likely in it (random_crop).
    """
    scale = _scale(placement.bucket, whole, face, reach, chance)
    if scale is None:
        return placement
    resized = tuple(
        max(side, int(length * scale + 0.5)) for side, length in zip(placement.bucket, whole, strict=True)
    )
    starts = [
        _start(
            bucket, length, int(at * scale + 0.5), _off(face, min(placement.bucket), reach, anywhere), chance
        )
        for bucket, length, at in reversed(list(zip(placement.bucket, resized, face.middle, strict=True)))
    ]  # the height first, as sd-scripts draws them
    top, left = starts
    width, height = placement.bucket
    return replace(placement, resized=resized, crop=(left, top, left + width, top + height))


def _scale(
    bucket: Size, whole: Size, face: Face, reach: tuple[float, ...], chance: random.Random
) -> float | None:
    """How much smaller the picture is shown; None where it is too small to be cut."""
    fits = max(side / length for side, length in zip(bucket, whole, strict=True))
    if fits >= 1:
        return None
    nearest, farthest = min(reach), max(reach)
    least = min(1.0, max(fits, min(bucket) / (face.side * farthest)))
    most = min(1.0, max(least, min(bucket) / (face.side * nearest)))
    return least if least >= most else chance.uniform(least, most)


def _off(face: Face, side: int, reach: tuple[float, ...], anywhere: bool) -> int | None:
    """By how many pixels the face may be off the middle; None for any."""
    if anywhere:
        return None
    moves = reach[0] != reach[1] and face.side > side // 10 and face.side >= SEEN
    return face.side // SHIFTED if moves else 0


def _start(side: int, length: int, at: int, off: int | None, chance: random.Random) -> int:
    start = at - side // 2
    if off is None:
        reach = max(length - at, at)
        start += chance.randint(0, reach) + chance.randint(0, reach) - reach
    elif off:
        start += chance.randint(-off, off)
    return max(0, min(start, length - side))
