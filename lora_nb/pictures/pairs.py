"""The pairs of 64-bit hashes that differ in few bits."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

BLOCK = 1 << 22  # pairs compared at a time
FEW = 20_000  # hashes: so many are compared each with each
LEAST_BITS = 5  # of a part of a hash: below it sorting by parts saves nothing


def near_pairs(hashes: np.ndarray, max_distance: int) -> np.ndarray:
    """Every (i, j), i < j, whose 64-bit `hashes` differ in at most `max_distance` bits; shape (pairs, 2)."""
    pairs = list(each_near(hashes, max_distance))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)


def each_near(hashes: np.ndarray, max_distance: int) -> Iterator[np.ndarray]:
    """The same block by block, in no order: memory does not grow with the number of pairs.

    Many hashes are cut into `max_distance` + 1 parts, of which two near ones share at least one (Norouzi et al.,
    Fast Search in Hamming Space with Multi-Index Hashing, 2012).
    """
    parts = max_distance + 1
    if len(hashes) <= FEW or 64 // parts < LEAST_BITS:
        yield from _each_with_each(hashes, max_distance)
        return
    keys = _parts(hashes, parts)
    for number, key in enumerate(keys):
        order = np.argsort(key, kind="stable")
        starts = np.flatnonzero(np.diff(key[order])) + 1
        for members in np.split(order, starts):
            for pairs in _each_with_each(hashes[members], max_distance):
                found = members[pairs]  # ascending, as the sort is stable
                known = np.zeros(len(found), dtype=bool)
                for earlier in keys[:number]:
                    known |= earlier[found[:, 0]] == earlier[found[:, 1]]
                yield found[~known]


def _parts(hashes: np.ndarray, count: int) -> list[np.ndarray]:
    """The hashes cut into `count` parts of nearly the same number of bits."""
    edges = [64 * number // count for number in range(count + 1)]
    return [(hashes >> np.uint64(low)) & np.uint64((1 << (high - low)) - 1) for low, high in pairwise(edges)]


def _each_with_each(hashes: np.ndarray, max_distance: int) -> Iterator[np.ndarray]:
    rows = max(1, BLOCK // max(1, len(hashes)))
    for start in range(0, len(hashes), rows):
        i, j = _near(hashes[start : start + rows], hashes[start:], max_distance)
        later = i < j
        if later.any():
            yield np.stack([i[later], j[later]], axis=1) + start


def _near(some: np.ndarray, others: np.ndarray, max_distance: int) -> tuple[np.ndarray, np.ndarray]:
    return np.nonzero(np.bitwise_count(some[:, None] ^ others[None, :]) <= max_distance)


def each_near_between(
    some: np.ndarray, others: np.ndarray, max_distance: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(i, j, distance) of every two hashes, one of `some` and one of `others`, that are near, block by block."""
    rows = max(1, BLOCK // max(1, len(others)))
    for start in range(0, len(some), rows):
        block = some[start : start + rows]
        i, j = _near(block, others, max_distance)
        yield i + start, j, np.bitwise_count(block[i] ^ others[j])
