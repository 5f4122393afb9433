"""Groups of pictures that show the same, each with its best one."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lora_nb.pictures.findings import Cluster, Copy
from lora_nb.pictures.looking import Look
from lora_nb.pictures.merits import Merits, ranked, why
from lora_nb.pictures.pairing import Pairing

AROUND = "the same by way of another copy"


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


def clusters_of(
    looks: Sequence[Look], pairings: Sequence[Pairing], judge: Callable[[Look], Merits]
) -> tuple[Cluster, ...]:
    """The groups that the pairings make, the best of each by what `judge` says."""
    known = {(one.first, one.second): one for one in pairings}
    known |= {(one.second, one.first): one for one in pairings}
    groups = connected(len(looks), [(one.first, one.second) for one in pairings])
    return tuple(_cluster({one: judge(looks[one]) for one in group}, known) for group in groups)


def _cluster(judged: dict[int, Merits], known: dict[tuple[int, int], Pairing]) -> Cluster:

    def density(one: int, other: int) -> float:
        pairing = known.get((one, other))
        share = pairing.share if pairing and pairing.share else 1.0
        share = share if pairing is None or pairing.first == one else 1 / share
        return (judged[one].area * share / judged[other].area) ** 0.5

    kept, *others = ranked(judged, density)
    copies = tuple(_copy(judged[one].path, one, known.get((kept, one))) for one in others)
    return Cluster(judged[kept].path, copies, why(judged[kept], judged[others[0]]))


def _copy(path: Path, number: int, pairing: Pairing | None) -> Copy:
    return Copy(path, pairing.told(number) if pairing else AROUND)
