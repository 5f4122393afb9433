"""Seconds to find every near pair among n hashes: lora_nb's search and imagededup's own, one process each.

python benchmarks/bench_duplicates.py [n]
"""

import logging
import random
import sys
import time
import warnings

import numpy as np
from imagededup.methods import PHash

from lora_nb.pictures.pairs import near_pairs

MAX_DISTANCE = 10  # imagededup's default
PLANTED = 100


def make_hashes(n: int) -> list[int]:
    """`n` random 64-bit hashes, the last ones near copies of the first."""
    chance = random.Random(0)
    hashes = [chance.getrandbits(64) for _ in range(n - PLANTED)]
    return hashes + [one ^ (1 << chance.randrange(64)) for one in hashes[:PLANTED]]


def search(hashes: list[int]) -> tuple[np.ndarray, list[float]]:
    """The pairs, and the seconds of three searches."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        pairs = near_pairs(np.array(hashes, dtype=np.uint64), MAX_DISTANCE)
        times.append(time.perf_counter() - start)
    return pairs, times


def main() -> None:
    """Print both times, their ratio, and whether both found the same pairs."""
    n = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore", RuntimeWarning)
    hashes = make_hashes(n)
    named = {str(number): f"{one:016x}" for number, one in enumerate(hashes)}
    ours, before = search(hashes)
    start = time.perf_counter()
    theirs = PHash(verbose=False).find_duplicates(
        encoding_map=named, max_distance_threshold=MAX_DISTANCE, num_dist_workers=0
    )
    their_time = time.perf_counter() - start
    _, after = search(hashes)
    times = [*before, *after]

    pairs = {(int(a), int(b)) for a, near in theirs.items() for b in near if int(a) < int(b)}
    print(f"{n} hashes, at most {MAX_DISTANCE} bits: {len(ours)} pairs")
    print(f"lora_nb     {min(times):8.3f} s (best of 6; worst {max(times):.3f} s)")
    print(f"imagededup  {their_time:8.3f} s")
    print(f"ratio       {their_time / min(times):8.1f}")
    print("the same pairs" if {tuple(pair) for pair in ours.tolist()} == pairs else "DIFFERENT PAIRS")


if __name__ == "__main__":
    main()
