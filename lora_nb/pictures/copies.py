"""The pictures of a dataset that show the same, by the way that was chosen to find them."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lora_nb.config.pictures import HASHES, NETWORKS, CurateConfig
from lora_nb.dataset.images import Broken
from lora_nb.events import Tell, silent
from lora_nb.pictures import aligned, embeddings
from lora_nb.pictures.eyes import eye_for
from lora_nb.pictures.looking import Look, look_at_all
from lora_nb.pictures.pairing import Distances, Paired, Pairing
from lora_nb.pictures.pairs import each_near, each_near_between

MOST_COUNTED = 5_000  # pictures: of more, the distances of these are drawn


def find_copies(
    config: CurateConfig, paths: Sequence[Path], tell: Tell = silent
) -> tuple[tuple[Look, ...], Paired, tuple[Broken, ...]]:
    """The readable pictures, their pairs by number, and the broken ones."""
    if config.method in NETWORKS:
        looks, vectors, broken = embeddings.embed(paths, config.method, config.embedder, tell)
        return looks, embeddings.find(vectors, config.min_similarity_threshold), broken
    looks, broken = look_at_all(paths, eye_for(config.method), tell)
    if config.method in HASHES:
        return looks, by_hash(looks, config.max_distance_threshold), broken
    return looks, aligned.find(looks, config.min_alignment, tell), broken


def by_hash(looks: Sequence[Look], most: int) -> Paired:
    """The pairs whose hashes differ in at most `most` bits. Of equal hashes each is paired with the first one only."""
    hashes = np.array([look.codes[0] for look in looks], dtype=np.uint64)
    unique, firsts, which = np.unique(hashes, return_index=True, return_inverse=True)
    pairings = [
        Pairing(int(firsts[which[one]]), one, "0 of 64 bits differ")
        for one in range(len(looks))
        if firsts[which[one]] != one
    ]
    for block in each_near(unique, most):
        for i, j in block.tolist():
            bits = int(unique[i] ^ unique[j]).bit_count()
            pairings.append(Pairing(int(firsts[i]), int(firsts[j]), f"{bits} of 64 bits differ"))
    return Paired(tuple(pairings), _distances(hashes, most))


def _distances(hashes: np.ndarray, most: int) -> Distances:
    some, counts = hashes[:MOST_COUNTED], np.zeros(65, dtype=np.int64)
    for i, j, distance in each_near_between(some, some, 64):
        counts += np.bincount(distance[i < j], minlength=65)
    return Distances("bits of 64 that differ", 0, 65, tuple(counts.tolist()), most + 1, near_is_low=True)
