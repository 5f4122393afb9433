"""Buckets, the order of an epoch, and the number of steps."""

from collections import Counter
from dataclasses import replace

import pytest

from lora_nb.buckets import count_batches, epoch_batches, make_buckets, place
from lora_nb.config import TrainConfig

CONFIG = TrainConfig()


def test_buckets_of_sd15_are_kohyas():
    buckets = make_buckets(512, 256, 1024, 64)
    assert (
        (512, 512) in buckets and (256, 1024) in buckets and (448, 576) in buckets and (320, 768) in buckets
    )
    assert all(
        w * h <= 512 * 512 and w % 64 == 0 and h % 64 == 0 and min(w, h) >= 256 and max(w, h) <= 1024
        for w, h in buckets
    )
    assert {(h, w) for w, h in buckets} == set(buckets)


def test_a_base_smaller_than_the_smallest_bucket_gets_its_square():
    assert make_buckets(64, 256, 1024, 64) == ((64, 64),)


@pytest.mark.parametrize("size", [(512, 512), (1000, 1500), (4000, 300), (50, 300), (3, 3), (641, 480)])
@pytest.mark.parametrize("options", [{}, {"enable_bucket": False}, {"bucket_no_upscale": True}])
def test_a_placed_picture_fills_its_bucket(size, options):
    placement = place(size, 512, replace(CONFIG, **options))
    left, top, right, bottom = placement.crop
    assert (right - left, bottom - top) == placement.bucket
    assert left >= 0 and top >= 0 and right <= placement.resized[0] and bottom <= placement.resized[1]
    assert min(placement.bucket) > 0 and placement.bucket[0] % 8 == 0 and placement.bucket[1] % 8 == 0


def test_the_nearest_ratio_is_chosen():
    assert place((1000, 1500), 512, CONFIG).bucket == min(
        make_buckets(512, 256, 1024, 64), key=lambda bucket: abs(bucket[0] / bucket[1] - 2 / 3)
    )


def test_no_upscale_keeps_a_small_picture_small():
    placement = place((300, 200), 512, replace(CONFIG, bucket_no_upscale=True))
    assert placement.bucket == (256, 192) and placement.resized == (300, 200)


def test_steps_of_the_reference_run_of_kohya():
    """reference/kohya.md 1.4, measured there: 5 pictures x 3 in buckets of 3/9/3, batch 2 -> 9 batches."""
    buckets = [(64, 128), (64, 64), (64, 64), (64, 64), (128, 64)]
    assert count_batches(buckets, [3] * 5, 2) == 9
    assert len(epoch_batches(buckets, [3] * 5, 2, seed=1, epoch=1)) == 9


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7])
def test_every_picture_appears_exactly_its_repeats_in_every_epoch(batch_size):
    buckets = [(64, 64 + 64 * (i % 3)) for i in range(40)]
    repeats = [1 + i % 4 for i in range(40)]
    orders = set()
    for epoch in range(1, 6):
        batches = epoch_batches(buckets, repeats, batch_size, seed=7, epoch=epoch)
        assert Counter(sample.image for batch in batches for sample in batch) == dict(enumerate(repeats))
        assert len(batches) == count_batches(buckets, repeats, batch_size)
        assert all(len({buckets[sample.image] for sample in batch}) == 1 for batch in batches)
        assert batches == epoch_batches(buckets, repeats, batch_size, seed=7, epoch=epoch)
        orders.add(batches)
    assert len(orders) == 5
    assert epoch_batches(buckets, repeats, batch_size, seed=8, epoch=1) not in orders
