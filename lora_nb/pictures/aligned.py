"""Copies found by laying one picture over the other: resized, recompressed, cropped, mirrored ones.

Codes of the windows that may be cut out of a picture say which pairs are worth it; only agreement proves them, in
lines and in colours.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from os import cpu_count

import numpy as np
from PIL import ImageOps

from lora_nb.events import Progress, Tell, silent
from lora_nb.pictures import colours, windows
from lora_nb.pictures.align import Overlay, overlay
from lora_nb.pictures.looking import Look, grey
from lora_nb.pictures.pairing import Distances, Paired, Pairing
from lora_nb.pictures.pairs import each_near_between

SUSPICIOUS = 12  # bits of 63: so near the code of a window has to be
MANY = 20_000  # pictures: from there on only whole pictures and their mirror images are suspected
ALIKE = 6  # bits of 63: so near are only codes of the same whole picture, though it was blurred
TRIES = 3  # windows of a pair that are tried, the nearest first
BINS = 20
ALL_OF_IT = Overlay(1.0, (0.0, 0.0, 1.0, 1.0))


@dataclass(frozen=True)
class Suspect:
    """Picture `part` might be what lies in `window` of picture `whole`."""

    whole: int
    part: int
    window: int
    mirrored: bool
    distance: int


def find(looks: Sequence[Look], least: float, tell: Tell = silent) -> Paired:
    """The pairs of which one fits into the other with an agreement of `least`."""
    groups = list(_by_pair(suspects(looks)).values())
    trial, proven = _Trial(looks, least), []
    with ThreadPoolExecutor(min(4, cpu_count() or 1)) as pool:
        for done, one in enumerate(pool.map(trial.prove, groups), start=1):
            proven.append(one)
            tell(Progress("Comparing pictures", done, len(groups)))
    pairings = tuple(_pairing(*one) for one in proven if one[1].agreement >= least)
    return Paired(pairings, _distances([laid.agreement for _, laid in proven], least))


class _Trial:
    """What becomes of suspicions: the pictures are opened, laid over one another, and compared."""

    def __init__(self, looks: Sequence[Look], least: float) -> None:
        self.looks, self.least = looks, least
        self.opened = lru_cache(maxsize=512)(lambda path: grey(path)[0])

    def prove(self, group: Sequence[Suspect]) -> tuple[Suspect, Overlay]:
        """The best of the suspicions against two pictures, and how well they agree; not at all in other colours."""
        suspect, laid = self._best(group)
        if laid.agreement >= self.least and self._same(suspect, laid, colours.FINE):
            return suspect, laid
        first = group[0]
        blurred = first.window == 0 and first.distance <= ALIKE
        if blurred and self._same(first, ALL_OF_IT, colours.COARSE):
            return first, ALL_OF_IT
        return suspect, replace(laid, agreement=min(laid.agreement, 0))

    def _best(self, group: Sequence[Suspect]) -> tuple[Suspect, Overlay]:
        """The best of a few: the first that fits may lie a little off, and its colours beside those they belong to."""
        tried = [(suspect, self._lay(suspect)) for suspect in group[:TRIES]]
        return max(tried, key=lambda one: one[1].agreement)

    def _lay(self, suspect: Suspect) -> Overlay:
        whole, small = (self.opened(self.looks[number].path) for number in (suspect.whole, suspect.part))
        small = ImageOps.mirror(small) if suspect.mirrored else small
        return overlay(whole, small, windows.WINDOWS[suspect.window])

    def _same(self, suspect: Suspect, laid: Overlay, cells: int) -> bool:
        whole, part = self.looks[suspect.whole].path, self.looks[suspect.part].path
        return colours.same(whole, part, laid.box, suspect.mirrored, cells)


def suspects(looks: Sequence[Look]) -> Iterator[Suspect]:
    """What may be a part of what, by the codes; each two pictures in either direction."""
    every = np.stack([look.codes for look in looks]) if looks else np.empty((0, 1), dtype=np.uint64)
    whole = every[:, 0]
    for window in range(every.shape[1] if len(looks) <= MANY else 1):
        for mirrored in (False, True):
            sought = windows.mirrored(whole) if mirrored else whole
            for found in each_near_between(every[:, window], sought, SUSPICIOUS):
                for i, j, distance in zip(*(part.tolist() for part in found), strict=True):
                    if i != j and (window or i < j):
                        yield Suspect(i, j, window, mirrored, distance)


def _by_pair(found: Iterator[Suspect]) -> dict[tuple[int, int], list[Suspect]]:
    """The suspicions of every two pictures, the nearest first, one of those of equal size."""
    pairs: dict[tuple[int, int], dict] = {}
    for one in found:
        group = pairs.setdefault((min(one.whole, one.part), max(one.whole, one.part)), {})
        size = (one.whole, one.mirrored, *windows.WINDOWS[one.window][2:])
        group[size] = min(group.get(size, one), one, key=lambda each: each.distance)
    return {key: sorted(group.values(), key=lambda one: one.distance) for key, group in pairs.items()}


def _pairing(suspect: Suspect, laid: Overlay) -> Pairing:
    return Pairing(suspect.whole, suspect.part, share=laid.box[2] * laid.box[3], mirrored=suspect.mirrored)


def _distances(found: Sequence[float], least: float) -> Distances:
    counts = np.histogram(np.minimum(np.maximum(found, 0), 1), BINS, (0, 1))[0]
    label = "how well one picture fits when laid over the other"
    return Distances(label, 0.0, 1.0, tuple(counts.tolist()), least, near_is_low=False)
