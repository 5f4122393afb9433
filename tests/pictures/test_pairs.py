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
