"""Pictures that a run is checked with and never learns: chosen by their content, with all that show the same."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from lora_nb.config.pictures import CurateConfig
from lora_nb.config.training import TrainConfig
from lora_nb.config.validation import Validation
from lora_nb.training.examples import Found

LEAST = 5  # pictures: how far fewer agree cannot be told


def hold_out(config: TrainConfig, found: Found) -> tuple[Found, Found]:
    """What is learnt, and what is held out of it: one of each group of pictures that show the same.

    A group is held out as a whole, whatever folders its copies lie in, regularisation too. Whether it is comes from
    its own content, so that another picture moves none; but LEAST are held out at least. Raises ValueError where
    that leaves too few.
    """
    if not config.validation.validation_split:
        return found, Found((), ())
    lots = _lots(config.validation, found)
    if len(lots) < 2 * LEAST:
        raise ValueError(
            f"validation_split = {config.validation.validation_split:g} holds {LEAST} pictures out at least, and there "
            f"are {len(lots)} different ones (copies and crops count once): give {2 * LEAST} or more, or leave it at 0"
        )
    chosen = _chosen(lots, config.validation.validation_split)
    away = {path for group in chosen for path in group}
    shown = _first_of_each(found, chosen)
    rest = tuple(pair for pair in found.pictures if pair[0].path not in away)
    return Found(rest, found.broken), Found(shown, ())


def _lots(asked: Validation, found: Found) -> list[tuple[float, tuple[Path, ...]]]:
    """Each group of pictures that show the same, one of which is learnt, with its lot from 0 to 1; the lowest first."""
    learnt = {item.path for item, source in found.pictures if not source.is_reg}
    paths = list(dict.fromkeys(item.path for item, _ in found.pictures))
    sums = {path: content_of(path) for path in paths}
    drawn = []
    for group in _alike(paths, sums):
        own = [lot(sums[path], asked.validation_seed) for path in group if path in learnt]
        if own:
            drawn.append((min(own), tuple(group)))
    return sorted(drawn)


def _chosen(lots: Sequence[tuple[float, tuple[Path, ...]]], share: float) -> list[tuple[Path, ...]]:
    count = max(LEAST, sum(number < share for number, _ in lots))
    return [group for _, group in lots[: min(count, len(lots) // 2)]]


def _first_of_each(found: Found, chosen: Sequence[tuple[Path, ...]]) -> tuple:
    """Of each group the first picture that would have been learnt, with its source."""
    pairs = {item.path: (item, source) for item, source in reversed(found.pictures) if not source.is_reg}
    return tuple(next(pairs[path] for path in group if path in pairs) for group in chosen)


def _alike(paths: Sequence[Path], sums: dict[Path, str]) -> list[list[Path]]:
    """The pictures in groups that show the same: copies, also resized, cropped, mirrored ones."""
    from lora_nb.pictures import (
        aligned,  # these load numpy, which a plan without held-out pictures does not need
    )
    from lora_nb.pictures.clusters import connected
    from lora_nb.pictures.looking import look_at_all, see_windows

    looks, _ = look_at_all(paths, see_windows)
    pairs = aligned.find(looks, CurateConfig.min_alignment)
    at = {path: number for number, path in enumerate(paths)}
    same = {}
    links = [(same.setdefault(sums[path], number), number) for path, number in at.items()]
    links += [(at[looks[one.first].path], at[looks[one.second].path]) for one in pairs.pairings]
    groups = connected(len(paths), links)
    together = {number for group in groups for number in group}
    alone = [[number] for number in range(len(paths)) if number not in together]
    return [[paths[number] for number in sorted(group)] for group in groups + alone]


def content_of(path: Path) -> str:
    """The sum of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def lot(content: str, seed: int | None) -> float:
    """A number from 0 to 1 that only a picture's content and the seed decide."""
    drawn = hashlib.sha256(f"{seed}/{content}".encode()).digest()
    return int.from_bytes(drawn[:8], "big") / 2**64
