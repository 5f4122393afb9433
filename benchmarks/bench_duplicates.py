"""Pictures hashed a second, and seconds to find every near pair among n hashes: lora_nb's and imagededup's, in one run.

python benchmarks/bench_duplicates.py hash [PICTURES]      (one-megapixel JPEGs, made here)
python benchmarks/bench_duplicates.py search [n]           (against imagededup's own search; slow beyond 20,000)
python benchmarks/bench_duplicates.py large [n] [BITS]     (lora_nb's alone: every planted pair found, peak memory)
"""

import logging
import random
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path

import numpy as np
from imagededup.methods import PHash
from PIL import Image

from lora_nb.pictures.eyes import eye_for
from lora_nb.pictures.looking import look_at_all
from lora_nb.pictures.pairs import each_near, near_pairs

MAX_DISTANCE = 10  # imagededup's default
PLANTED = 100


def make_pictures(folder: Path, number: int) -> list[Path]:
    """JPEGs of 1024x1024 with structure at every scale, about as heavy as photos."""
    chance = np.random.default_rng(0)
    for one in range(number):
        layers = [
            np.asarray(
                Image.fromarray(chance.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize(
                    (1024, 1024)
                ),
                dtype=np.float32,
            )
            for side in (4, 16, 64, 256, 1024)
        ]
        mixed = np.average(layers, axis=0, weights=(8, 6, 4, 2, 0.4))
        Image.fromarray(mixed.astype(np.uint8)).save(folder / f"{one:04}.jpg", quality=92)
    return sorted(folder.glob("*.jpg"))


def bench_hash(number: int) -> None:
    """Pictures a second: the default's look and phash's, and imagededup's own with one and with two workers."""
    with tempfile.TemporaryDirectory() as folder:
        paths = make_pictures(Path(folder), number)
        size = sum(path.stat().st_size for path in paths) / number / 1e3
        print(f"{number} JPEGs of 1024x1024, {size:.0f} kB each")
        rates: dict[str, float] = {}
        for _ in range(3):
            for name, act in {
                "lora_nb aligned": lambda: look_at_all(paths, eye_for("aligned")),
                "lora_nb phash": lambda: look_at_all(paths, eye_for("phash")),
                "imagededup, 1 process": lambda: PHash(verbose=False).encode_images(
                    folder, num_enc_workers=0
                ),
                "imagededup, 2 workers": lambda: PHash(verbose=False).encode_images(
                    folder, num_enc_workers=2
                ),
            }.items():
                begin = time.perf_counter()
                act()
                rates[name] = max(rates.get(name, 0), number / (time.perf_counter() - begin))
    best = max(rate for name, rate in rates.items() if name.startswith("imagededup"))
    for name, rate in rates.items():
        print(f"{name:24} {rate:8.0f} pictures/s (best of 3), {rate / best:.1f} x imagededup's best")


def make_hashes(n: int, bits: int = 1) -> list[int]:
    """`n` random 64-bit hashes, the last ones copies of the first that differ in `bits` bits."""
    chance = random.Random(0)
    hashes = [chance.getrandbits(64) for _ in range(n - PLANTED)]
    return hashes + [
        one ^ sum(1 << bit for bit in chance.sample(range(64), bits)) for one in hashes[:PLANTED]
    ]


def search(hashes: list[int]) -> tuple[np.ndarray, list[float]]:
    """The pairs, and the seconds of three searches."""
    times = []
    for _ in range(3):
        start = time.perf_counter()
        pairs = near_pairs(np.array(hashes, dtype=np.uint64), MAX_DISTANCE)
        times.append(time.perf_counter() - start)
    return pairs, times


def bench_search(n: int) -> None:
    """Both times, their ratio, and whether both found the same pairs."""
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


def bench_large(n: int, bits: int) -> None:
    """Seconds and peak memory of a search whose pairs are taken as they come; whether no planted one is missed."""
    hashes = np.array(make_hashes(n, bits), dtype=np.uint64)
    start, count, planted = time.perf_counter(), 0, 0
    for block in each_near(hashes, bits):
        count += len(block)
        planted += int(((block[:, 1] - block[:, 0]) == n - PLANTED).sum())
    seconds = time.perf_counter() - start
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    took = f"{seconds:.1f} s, {peak:.2f} GB"
    print(f"{n} hashes, at most {bits} bits: {count} pairs, {planted} of {PLANTED} planted; {took}")


def main() -> None:
    """Run what the first word says."""
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    what, *numbers = sys.argv[1:] or ["search"]
    given = [int(number) for number in numbers]
    if what == "hash":
        bench_hash(*given or [200])
    elif what == "large":
        bench_large(*given or [100_000], *[] if len(given) > 1 else [6])
    else:
        bench_search(*given or [10_000])


if __name__ == "__main__":
    main()
