"""Groups of pictures that show the same, each with its best one."""

from collections.abc import Iterable, Sequence

import numpy as np

from lora_nb.pictures.findings import Cluster, Copy
from lora_nb.pictures.merits import Looked, why
from lora_nb.pictures.pairs import near_pairs


def connected(count: int, pairs: Iterable[Sequence[int]]) -> list[list[int]]:
    """The groups of two or more among `count` things that `pairs` connect, directly or through others."""
    parent = list(range(count))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for first, second in pairs:
        parent[root(second)] = root(first)
    groups: dict[int, list[int]] = {}
    for one in range(count):
        groups.setdefault(root(one), []).append(one)
    return [group for group in groups.values() if len(group) > 1]


def clusters_of(looked: Sequence[Looked], max_distance: int) -> tuple[Cluster, ...]:
    """The groups of pictures whose hashes are within `max_distance` of each other, directly or through others."""
    pairs = near_pairs(np.array([one.hash for one in looked], dtype=np.uint64), max_distance)
    groups = connected(len(looked), pairs.tolist())
    return tuple(_best_of([looked[one] for one in group]) for group in groups)


def _best_of(group: list[Looked]) -> Cluster:
    kept, *others = sorted(group, key=lambda one: one.merits, reverse=True)
    copies = tuple(Copy(one.path, (one.hash ^ kept.hash).bit_count()) for one in others)
    return Cluster(kept.path, copies, why(kept, others[0]))
