"""Aspect-ratio buckets, the order of an epoch, and the exact number of steps (kohya's rules).

Sizes are (width, height) in pixels.
"""

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from lora_nb.config.examples import Pictures

Size = tuple[int, int]
MADE_FOR = 512  # the resolution that the defaults of the bucket settings are made for
LARGE = 1024  # from here on twice the resolution is usual for the longest side


@dataclass(frozen=True)
class Placement:
    """How one picture becomes a training square or rectangle: resize, then crop `bucket` out of the middle."""

    bucket: Size
    resized: Size
    crop: tuple[int, int, int, int]  # left, top, right, bottom of the resized picture


@dataclass(frozen=True)
class Sample:
    """One appearance of a picture in an epoch."""

    image: int
    repeat: int


Draw = tuple[Sample, ...]  # what comes together in one batch


def fit(config: Pictures, resolution: int, unit: int) -> Pictures:
    """`config` with bucket bounds that suit `resolution`, and a step that suits a base which takes multiples of `unit`.

    Below 512 px the defaults shrink with the resolution: kohya's would leave no bucket but the square. From 1024 px on
    the longest side grows with it. Bounds that a person set stand.
    """
    if not config.enable_bucket:
        return config
    least, most, step = config.min_bucket_reso, config.max_bucket_reso, config.bucket_reso_steps
    own, small = Pictures(), resolution < MADE_FOR
    step = _up(step * resolution // MADE_FOR if small and step == own.bucket_reso_steps else step, unit)
    if small and not config.bucket_no_upscale:
        free = (least == own.min_bucket_reso, most == own.max_bucket_reso)
        least = max(step, resolution // 2 // step * step) if free[0] else least
        most = max(_up(resolution * 2, step), least) if free[1] else most
        least = min(least, most) if free[0] else least
    if resolution >= LARGE and most == own.max_bucket_reso:
        most = _up(resolution * 2, step)
    return replace(config, min_bucket_reso=least, max_bucket_reso=most, bucket_reso_steps=step)


def _up(side: int, unit: int) -> int:
    """The smallest multiple of `unit` that is `side` or more, and at least one."""
    return max(1, -(-side // unit)) * unit


def misfits(config: Pictures, resolution: int, unit: int) -> list[str]:
    """Bucket settings that do not do what they say at this resolution on this base, one sentence each."""
    fitted = fit(config, resolution, unit)
    least, most, step = fitted.min_bucket_reso, fitted.max_bucket_reso, fitted.bucket_reso_steps
    bounded = config.enable_bucket and not config.bucket_no_upscale
    lost = "wide and tall pictures are cropped to a square"
    cases = [
        (
            config.enable_bucket and config.bucket_reso_steps % unit,
            f"bucket_reso_steps = {config.bucket_reso_steps}: sides on this base are multiples of {unit}, "
            f"so {step} is used",
        ),
        (
            bounded and least > resolution,
            f"min_bucket_reso = {least} is above the resolution {resolution}: {lost}; half the resolution is usual",
        ),
        (
            bounded and most < resolution,
            f"max_bucket_reso = {most} is below the resolution {resolution}: wide and tall pictures are trained "
            "smaller than square ones; twice the resolution is usual",
        ),
        (
            bounded and least <= resolution <= most and len(make_buckets(resolution, least, most, step)) == 1,
            f"at resolution {resolution} there is no bucket but the square, since sides on this base are multiples of "
            f"{step}: {lost}",
        ),
    ]
    return [sentence for holds, sentence in cases if holds]


def make_buckets(resolution: int, minimum: int, maximum: int, step: int) -> tuple[Size, ...]:
    """The bucket sizes of at most `resolution`² pixels, sorted; the bounds are widened to multiples of `step`."""
    area = resolution * resolution
    side = max(step, int(math.sqrt(area) // step) * step)
    sizes = {(side, side)}
    minimum, maximum = max(step, minimum // step * step), _up(maximum, step)
    for width in range(minimum, maximum + 1, step):
        height = min(maximum, area // width // step * step)
        if height >= minimum:
            sizes |= {(width, height), (height, width)}
    return tuple(sorted(sizes))


def place(size: Size, resolution: int, config: Pictures) -> Placement:
    """Where a picture of `size` goes at the training `resolution`."""
    if not config.enable_bucket:
        side = max(8, resolution // 8 * 8)
        return _cover(size, (side, side))
    if config.bucket_no_upscale:
        return _place_without_upscale(size, resolution, config.bucket_reso_steps)
    buckets = make_buckets(
        resolution, config.min_bucket_reso, config.max_bucket_reso, config.bucket_reso_steps
    )
    return _cover(size, _nearest(size, buckets))


def _nearest(size: Size, buckets: Sequence[Size]) -> Size:
    if size in buckets:
        return size
    ratio = size[0] / size[1]
    return min(buckets, key=lambda bucket: abs(bucket[0] / bucket[1] - ratio))


def _cover(size: Size, bucket: Size) -> Placement:
    """Resize so that the picture covers the bucket, crop the rest off evenly."""
    width, height = size
    wide = width / height > bucket[0] / bucket[1]
    scale = bucket[1] / height if wide else bucket[0] / width
    resized = (max(bucket[0], int(width * scale + 0.5)), max(bucket[1], int(height * scale + 0.5)))
    return _crop(resized, bucket)


def _crop(resized: Size, bucket: Size) -> Placement:
    left, top = (resized[0] - bucket[0]) // 2, (resized[1] - bucket[1]) // 2
    return Placement(bucket, resized, (left, top, left + bucket[0], top + bucket[1]))


def _place_without_upscale(size: Size, resolution: int, step: int) -> Placement:
    """Shrink to the area if larger, then cut each side down to a multiple of `step`.

    A side below one step is enlarged to it; sd-scripts makes an empty bucket there.
    """
    resized = _shrink(size, resolution, step) if size[0] * size[1] > resolution * resolution else size
    bucket = (max(step, resized[0] // step * step), max(step, resized[1] // step * step))
    if resized[0] < bucket[0] or resized[1] < bucket[1]:
        return _cover(size, bucket)
    return _crop(resized, bucket)


def _shrink(size: Size, resolution: int, step: int) -> Size:
    """About `resolution`² pixels with one side a multiple of `step`: the side that keeps the ratio better."""
    ratio, area = size[0] / size[1], resolution * resolution
    width = _down(math.sqrt(area * ratio), step)
    height = _down(area / math.sqrt(area * ratio), step)
    by_width = width / _down(width / ratio, step)
    by_height = _down(height * ratio, step) / height
    if abs(by_width - ratio) < abs(by_height - ratio):
        return width, int(width / ratio + 0.5)
    return int(height * ratio + 0.5), height


def _down(side: float, step: int) -> int:
    """The largest multiple of `step` in the rounded `side`, and at least one."""
    return max(step, int(side + 0.5) // step * step)


def epoch_batches(
    buckets: Sequence[Size], repeats: Sequence[int], batch_size: int, seed: int, epoch: int
) -> tuple[Draw, ...]:
    """The batches of one epoch: image i appears exactly repeats[i] times, each batch within one bucket.

    A pure function of its arguments; `epoch` counts from 1.
    """
    dice = random.Random(f"order/{seed}/{epoch}")
    by_bucket: dict[Size, list[Sample]] = defaultdict(list)
    for image, bucket in enumerate(buckets):
        by_bucket[bucket] += [Sample(image, repeat) for repeat in range(repeats[image])]
    batches = []
    for bucket in sorted(by_bucket):
        samples = by_bucket[bucket]
        dice.shuffle(samples)
        batches += [tuple(samples[at : at + batch_size]) for at in range(0, len(samples), batch_size)]
    dice.shuffle(batches)
    return tuple(batches)


def count_batches(buckets: Sequence[Size], repeats: Sequence[int], batch_size: int) -> int:
    """Batches per epoch: the sum over buckets of ceil(appearances / batch size)."""
    totals: dict[Size, int] = defaultdict(int)
    for bucket, times in zip(buckets, repeats, strict=True):
        totals[bucket] += times
    return sum(-(-total // batch_size) for total in totals.values())
