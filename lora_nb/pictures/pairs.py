"""The pairs of 64-bit hashes that differ in few bits."""

import numpy as np

BLOCK = 1 << 22  # pairs compared at a time


def near_pairs(hashes: np.ndarray, max_distance: int) -> np.ndarray:
    """Every (i, j), i < j, whose 64-bit `hashes` differ in at most `max_distance` bits; shape (pairs, 2)."""
    pairs = []
    rows = max(1, BLOCK // max(1, len(hashes)))
    for start in range(0, len(hashes), rows):
        block = hashes[start : start + rows, None] ^ hashes[None, start:]
        i, j = np.nonzero(np.bitwise_count(block) <= max_distance)
        later = i < j
        pairs.append(np.stack([i[later], j[later]], axis=1) + start)
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)
