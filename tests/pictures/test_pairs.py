"""Near pairs of hashes: every one, whatever the block."""

import itertools
import random

import numpy as np
import pytest

from lora_nb.pictures import pairs


@pytest.mark.parametrize("block", [7, 50, 1 << 22])
def test_every_near_pair_is_found_whatever_the_block(monkeypatch, block):
    monkeypatch.setattr(pairs, "BLOCK", block)
    rng = random.Random(0)
    hashes = [rng.getrandbits(64) for _ in range(30)]
    hashes += [hashes[0] ^ 0b111, hashes[1], hashes[2] ^ (1 << 63)]
    found = pairs.near_pairs(np.array(hashes, dtype=np.uint64), 3)
    every = itertools.combinations(range(len(hashes)), 2)
    assert {tuple(pair) for pair in found.tolist()} == {
        (i, j) for i, j in every if (hashes[i] ^ hashes[j]).bit_count() <= 3
    }


@pytest.mark.parametrize(("most", "bits"), [(0, 0), (3, 3), (10, 7)])
def test_among_many_the_same_pairs_are_found_by_parts(monkeypatch, most, bits):
    rng = random.Random(1)
    hashes = [rng.getrandbits(64) for _ in range(3000)]
    hashes += [one ^ sum(1 << bit for bit in rng.sample(range(64), bits)) for one in hashes[:40]]
    every = np.array(hashes, dtype=np.uint64)
    plain = {tuple(pair) for pair in pairs.near_pairs(every, most).tolist()}
    monkeypatch.setattr(pairs, "FEW", 100)
    found = [tuple(pair) for pair in pairs.near_pairs(every, most).tolist()]
    assert set(found) == plain and len(found) == len(plain) >= 40


def test_pairs_between_two_lists_come_with_their_distances():
    some, others = np.array([0, 7, 255], dtype=np.uint64), np.array([1, 255], dtype=np.uint64)
    found = [
        tuple(int(x) for x in row)
        for block in pairs.each_near_between(some, others, 2)
        for row in zip(*block, strict=True)
    ]
    assert found == [(0, 0, 1), (1, 0, 2), (2, 1, 0)]
