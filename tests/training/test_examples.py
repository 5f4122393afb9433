"""The pictures of a run counted: what is seen how often in each epoch, and in exactly how many batches."""

import math
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from lora_nb.config.examples import Captions, Pictures
from lora_nb.dataset.buckets import Placement, count_batches, epoch_batches, share_out
from lora_nb.dataset.images import ImageItem
from lora_nb.training.examples import Example, count
from lora_nb.training.run_plan import kinds_of
from lora_nb.training.sources import Source


def example(number, folder="mine", repeats=1, bucket=(64, 64), is_reg=False, group=0, size=(64, 64), batch=2):
    source = Source(Path(folder), repeats, Pictures(), Captions(), batch, group, is_reg=is_reg)
    item = ImageItem(Path(folder, f"{number}.png"), *bucket, "a", repeats, folder)
    return Example(item, "a", source, size, Placement(bucket, bucket, (0, 0, *bucket)))


MANY = settings(max_examples=150, deadline=None, database=None, derandomize=True)
BUCKETS = ((64, 64), (96, 32), (32, 96))


@some.composite
def sets(draw):
    """Examples of up to three folders, one of them regularisation, in two groups with batches of their own."""
    found = []
    for group in range(draw(some.integers(1, 2))):
        batch = draw(some.integers(1, 4))
        for folder, is_reg in (("mine", False), ("more", False), ("reg", True)):
            least = int(folder == "mine")
            repeats = draw(some.integers(1, 4))
            buckets = draw(some.lists(some.sampled_from(BUCKETS), min_size=least, max_size=7))
            found += [
                example(number, folder, repeats, bucket, is_reg, group, batch=batch)
                for number, bucket in enumerate(buckets)
            ]
    return found


@MANY
@given(sets(), some.booleans())
def test_every_epoch_has_as_many_batches_and_all_is_seen_as_often_as_it_should(examples, balance):
    counts, (kinds, sizes) = count(examples, balance), kinds_of(examples)
    batches = count_batches(kinds, counts.in_epoch(1), sizes)
    for epoch in (1, 2, 3, 7):
        times = counts.in_epoch(epoch)
        drawn = epoch_batches(kinds, times, sizes, 1, epoch)
        by_hand = Counter()
        for kind, often in zip(kinds, times, strict=True):
            by_hand[kind] += often
        assert batches == len(drawn) == sum(math.ceil(by_hand[k] / sizes[kinds.index(k)]) for k in by_hand)
        seen = Counter(sample.image for batch in drawn for sample in batch)
        assert seen == Counter({at: often for at, often in enumerate(times) if often})
        assert all(len({kinds[sample.image] for sample in batch}) == 1 for batch in drawn)
        check_shares(examples, times, balance)


def check_shares(examples, times, balance):
    for group in {each.source.group for each in examples}:
        own = [
            (each, often) for each, often in zip(examples, times, strict=True) if each.source.group == group
        ]
        learnt = [(each, often) for each, often in own if not each.source.is_reg]
        regular = [often for each, often in own if each.source.is_reg]
        assert not regular or sum(regular) == sum(often for _, often in learnt)
        totals = Counter()
        for each, often in learnt:
            totals[each.source.folder] += often
        asked = Counter()
        for each, _ in learnt:
            asked[each.source.folder] += each.item.num_repeats
        assert totals == (dict.fromkeys(asked, max(asked.values())) if balance else asked)


def test_few_regularisation_pictures_are_repeated_as_sd_scripts_does():
    """10 appearances to reach: 2 pictures with 2 repeats make 4, then one more each until there are 10."""
    examples = [example(n, repeats=5) for n in range(2)] + [
        example(n, "reg", 2, is_reg=True) for n in range(4)
    ]
    assert count(examples[:4], False).repeats[2:] == (5, 5)
    assert count(examples, False).repeats[2:] == (3, 3, 2, 2)


def test_many_regularisation_pictures_take_turns_until_all_were_seen():
    examples = [example(n) for n in range(3)] + [
        example(n, "reg", bucket=BUCKETS[n % 2], is_reg=True) for n in range(10)
    ]
    counts = count(examples, False)
    seen = [counts.in_epoch(epoch)[3:] for epoch in range(1, 21)]
    assert all(sum(times) == 3 for times in seen)
    assert all(sum(times) >= 4 for times in zip(*seen, strict=True)), "each of the ten in its turn"
    assert all(one != other for one, other in pairwise(seen))


def test_balanced_folders_are_seen_equally_and_each_picture_in_its_turn():
    examples = [example(n, "few") for n in range(3)] + [example(n, "many", 4) for n in range(5)]
    counts = count(examples, balance=True)
    seen = [counts.in_epoch(epoch) for epoch in range(1, 4)]
    assert all((sum(times[:3]), times[3:]) == (20, (4,) * 5) for times in seen)
    assert [sum(times) for times in zip(*seen, strict=True)][:3] == [20, 20, 20]
    assert count(examples, balance=False).repeats == (1, 1, 1, 4, 4, 4, 4, 4)


@MANY
@given(some.lists(some.integers(1, 50), min_size=1, max_size=6), some.integers(1, 100))
def test_slots_are_shared_out_whole(pools, slots):
    shares = share_out(pools, slots)
    assert sum(shares) == slots and min(shares) >= (1 if slots >= len(pools) else 0)
    even = [slots * pool / sum(pools) for pool in pools]
    assert all(abs(share - wanted) <= len(pools) for share, wanted in zip(shares, even, strict=True))


@pytest.mark.parametrize(
    ("pools", "slots", "wanted"), [([5, 5], 3, [2, 1]), ([9, 1], 5, [4, 1]), ([1, 1, 1], 2, [1, 1, 0])]
)
def test_slots_by_hand(pools, slots, wanted):
    assert share_out(pools, slots) == wanted
