"""What the checks of a run say of it, no more than is sure: it still learns, turns, is over-trained.

Two checks have the same pictures, noise and noise levels, so that what changed between them is known far better than
either. It is taken as a ratio, by the logarithm of each picture's mean loss: pictures differ in how hard they are. Its
error is that of the mean over pictures (the levels of one picture are no independent witnesses), by Student's t.
Which check is lowest is said by the mean loss, as it is drawn.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import expm1, log
from pathlib import Path
from statistics import fmean, stdev
from typing import Literal

from lora_nb.events import SETS, Event, Validated, read_lines

HELD_OUT, PROBE, OF_BASE = "held_out", "probe", "base"
SURE = 0.95
TINY = 1e-12
LEAST = 3  # checks, to say anything
BACK = 3  # the last check is compared with that this part of all of them before it
Status = Literal["learning", "level", "turning", "over-trained", "worse", "unsure"]


@dataclass(frozen=True)
class Point:
    """One check: its mean loss, and the logarithm of each picture's."""

    epoch: int
    step: int
    loss: float
    pictures: tuple[float, ...]


@dataclass(frozen=True)
class Difference:
    """How much higher a check is than another, as a logarithm: the mean, its error, half its interval's width."""

    mean: float
    error: float
    width: float

    @property
    def rises(self) -> bool:
        """Whether it is surely higher."""
        return self.mean - self.width > 0

    @property
    def falls(self) -> bool:
        """Whether it is surely lower."""
        return self.mean + self.width < 0


@dataclass(frozen=True)
class Curve:
    """The checks on one set of pictures, in their order."""

    name: str
    points: tuple[Point, ...]

    @property
    def lowest(self) -> Point:
        return min(self.points, key=lambda point: point.loss)


@dataclass(frozen=True)
class Verdict:
    """What is said of a run: in a word, in a sentence, and the check it names, where it names one."""

    status: Status
    sentence: str
    epoch: int | None = None
    step: int | None = None


def read(metrics: Path) -> dict[str, Curve]:
    """The curves in a metrics.jsonl; none where there is no such file. Raises OSError for one that cannot be read."""
    return curves_of(read_lines(metrics.read_bytes())) if metrics.is_file() else {}


def curves_of(events: Iterable[Event]) -> dict[str, Curve]:
    """The curves of a run by the name of their pictures: of the newest ones, each step once."""
    found: dict[str, dict[int, Validated]] = {}
    for event in events:
        if isinstance(event, Validated) and event.levels > 0:
            own = found.setdefault(event.name, {})
            if own and next(iter(own.values())).key != event.key:
                own.clear()  # other pictures, or other captions: nothing before can be compared with it
            own[event.step] = event
    return {
        name: Curve(name, tuple(_point(own[step]) for step in sorted(own))) for name, own in found.items()
    }


def _point(event: Validated) -> Point:
    rows = [event.losses[at : at + event.levels] for at in range(0, len(event.losses), event.levels)]
    pictures = tuple(log(max(fmean(row), TINY)) for row in rows)
    return Point(event.epoch, event.step, event.loss, pictures)


def difference(first: Point, second: Point, comparisons: int = 1) -> Difference:
    """How much higher `second` is than `first`; the interval is wider where it is one of several `comparisons`.

    Of so many none is wrong by chance in 19 of 20 runs (Bonferroni).
    """
    from scipy.special import stdtrit  # the kernel's side has it loaded only when there is something to say

    apart = [after - before for before, after in zip(first.pictures, second.pictures, strict=True)]
    if len(apart) < 2:
        return Difference(fmean(apart), float("inf"), float("inf"))
    error = stdev(apart) / len(apart) ** 0.5
    quantile = stdtrit(len(apart) - 1, 1 - (1 - SURE) / 2 / comparisons)
    return Difference(fmean(apart), error, float(quantile) * error)


def verdict_of(curves: dict[str, Curve]) -> Verdict:
    """What can be said of a run by now. Only pictures held out can tell that it is over-trained."""
    curve = curves.get(HELD_OUT) or curves.get(PROBE)
    if curve is None or len(curve.points) < LEAST:
        return Verdict("unsure", "Nothing can be said yet: there are too few checks of the loss.")
    said = _of_held_out(curve) if curve.name == HELD_OUT else _of_probe(curve)
    forgotten = forgetting(curves.get(OF_BASE))
    return Verdict(said.status, f"{said.sentence} {forgotten}".strip(), said.epoch, said.step)


def _of_held_out(curve: Curve) -> Verdict:
    best, last, first = curve.lowest, curve.points[-1], curve.points[0]
    rise = difference(best, last, len(curve.points) - 1)
    if not rise.rises:
        return _on_its_way(curve)
    where, pictures = _place(best), SETS[curve.name]
    risen = f"rose by {amount(rise)} since {where}"
    if best is first and first.step == 0:
        text = f"Over-trained from the start: the loss on {pictures} {risen}. A lower learning rate may help."
        return Verdict("over-trained", text, best.epoch, best.step)
    if rise.mean > difference(best, first).mean / 2:
        text = f"Over-trained: the loss on {pictures} {risen}, more than half of what had been gained. Take {where}."
        return Verdict("over-trained", text, best.epoch, best.step)
    text = f"Turning: the loss on {pictures} {risen}. Take {where}, or one near it."
    return Verdict("turning", text, best.epoch, best.step)


def _of_probe(curve: Curve) -> Verdict:
    best, last = curve.lowest, curve.points[-1]
    rise = difference(best, last, len(curve.points) - 1)
    if rise.rises:
        text = (
            f"Getting worse: the loss on {SETS[curve.name]} rose by {amount(rise)} since {_place(best)}. "
            "What is learnt should not rise: a lower learning rate may help."
        )
        return Verdict("worse", text, best.epoch, best.step)
    return _on_its_way(curve)


def _on_its_way(curve: Curve) -> Verdict:
    """Of a curve that does not rise: whether it falls still."""
    points, pictures = curve.points, SETS[curve.name]
    best, last, before = curve.lowest, points[-1], points[-1 - max(1, len(points) // BACK)]
    fall = difference(before, last)
    more = "" if curve.name == HELD_OUT else " Whether it is over-trained only pictures held out can tell."
    if fall.falls:
        text = f"Still learning: the loss on {pictures} fell by {amount(fall)} since {_place(before)}.{more}"
        return Verdict("learning", text, best.epoch, best.step)
    start = difference(points[0], last)
    if not start.falls and not difference(best, points[0], len(points) - 1).rises:
        changed = f"changed by no more than chance ({amount(start)})"
        text = f"Nothing is sure: the loss on {pictures} {changed}; it was lowest at {_place(best)}."
        return Verdict("unsure", text + more, best.epoch, best.step)
    near = next(point for point in points[1:] if not difference(best, point).rises)
    since = f"changed by no more than chance since {_place(near)}"
    text = f"Level: the loss on {pictures} {since}; it was lowest at {_place(best)}."
    return Verdict("level", text + more, best.epoch, best.step)


def forgetting(curve: Curve | None) -> str:
    """How much worse the base's own pictures are told from noise than at the start; "" where that was not measured."""
    if curve is None or len(curve.points) < 2:
        return ""
    first, last = curve.points[0], curve.points[-1]
    found = difference(first, last)
    if found.rises:
        return f"On {SETS[OF_BASE]} it rose by {amount(found)}: so much is forgotten."
    return f"On {SETS[OF_BASE]} it did not rise for sure ({amount(found)}): nothing measurable is forgotten."


def amount(found: Difference) -> str:
    """`1.2 % ± 0.4`, without a sign where it is sure, for then the words say it."""
    mean = 100 * expm1(found.mean)
    width = 100 * expm1(min(found.width, 5.0))  # beyond, it says nothing whatever the number
    return f"{_short(abs(mean) if found.rises or found.falls else mean)} % ± {_short(width)}"


def _short(value: float) -> str:
    """Two digits, or as many as stand before the point."""
    return f"{value:.0f}" if abs(value) >= 9.95 else f"{value:.2g}"


def _place(point: Point) -> str:
    if point.step == 0:
        return "the start"
    return f"epoch {point.epoch}"


def table(curves: dict[str, Curve]) -> list[str]:
    """A line for each check: the loss on each set, and how far it is from the start, with its interval."""
    steps = sorted({point.step for curve in curves.values() for point in curve.points})
    return [_row(step, curves) for step in steps]


def _row(step: int, curves: dict[str, Curve]) -> str:
    parts, place = [], ""
    for name, curve in curves.items():
        for point in (each for each in curve.points if each.step == step):
            place = f"epoch {point.epoch}, step {step}"
            apart = difference(curve.points[0], point)
            way = "-" if apart.falls else "+" if apart.rises else ""
            since = f" ({way}{amount(apart)})" if point is not curve.points[0] else ""
            parts.append(f"{SETS.get(name, name)} {point.loss:.4f}{since}")
    return f"{place}: " + "; ".join(parts)
