"""Aspect-ratio buckets, the order of an epoch, and the exact number of steps (kohya's rules).

Sizes are (width, height) in pixels.
"""

import math
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from lora_nb.config import TrainConfig

Size = tuple[int, int]


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


Batch = tuple[Sample, ...]


def make_buckets(resolution: int, minimum: int, maximum: int, step: int) -> tuple[Size, ...]:
    """The bucket sizes of at most `resolution`² pixels, sorted."""
    area = resolution * resolution
    side = max(step, int(math.sqrt(area) // step) * step)
    sizes = {(side, side)}
    for width in range(-(-minimum // step) * step, maximum + 1, step):
        height = min(maximum, area // width // step * step)
        if height >= minimum:
            sizes |= {(width, height), (height, width)}
    return tuple(sorted(sizes))


def place(size: Size, resolution: int, config: TrainConfig) -> Placement:
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
    resized = (max(bucket[0], round(width * scale)), max(bucket[1], round(height * scale)))
    return _crop(resized, bucket)


def _crop(resized: Size, bucket: Size) -> Placement:
    left, top = (resized[0] - bucket[0]) // 2, (resized[1] - bucket[1]) // 2
    return Placement(bucket, resized, (left, top, left + bucket[0], top + bucket[1]))


def _place_without_upscale(size: Size, resolution: int, step: int) -> Placement:
    """Shrink to the area if larger, then cut each side down to a multiple of `step` (never below one step)."""
    width, height = size
    if width * height > resolution * resolution:
        scale = math.sqrt(resolution * resolution / (width * height))
        width, height = max(1, round(width * scale)), max(1, round(height * scale))
    bucket = (max(step, width // step * step), max(step, height // step * step))
    if width < bucket[0] or height < bucket[1]:
        return _cover(size, bucket)
    return _crop((width, height), bucket)


def epoch_batches(
    buckets: Sequence[Size], repeats: Sequence[int], batch_size: int, seed: int, epoch: int
) -> tuple[Batch, ...]:
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
