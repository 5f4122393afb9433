"""Lines over the steps of a run, drawn as SVG: no plotting library, and readable on light and on dark."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite

WIDTH, LEFT, RIGHT, TOP, BOTTOM = 620, 52, 8, 8, 20
MOST = 300  # points of a line
SEEN = 0.97  # of the points of a rough line
Points = Sequence[tuple[int, float]]  # (step, value), by step


@dataclass(frozen=True)
class Line:
    """A line with its name; `dots` marks each point. Of a `rough` one the highest points may lie beyond the edge."""

    name: str
    points: Points
    colour: str
    width: float = 2.0
    opacity: float = 1.0
    dashed: bool = False
    dots: bool = False
    rough: bool = False

    @property
    def heights(self) -> list[float]:
        """The values that are to be seen."""
        values = sorted(value for _, value in self.points if isfinite(value))
        return values[: max(1, round(SEEN * len(values)))] if self.rough else values


@dataclass(frozen=True)
class Band:
    """What lies between two heights at each step."""

    name: str
    points: Sequence[tuple[int, float, float]]
    colour: str
    opacity: float = 0.16


@dataclass(frozen=True)
class Chart:
    """Lines and bands over `steps` steps. The lines alone decide the heights that are shown."""

    name: str
    steps: int
    lines: Sequence[Line]
    bands: Sequence[Band] = ()
    height: int = 170
    digits: str = ".3f"

    def draw(self) -> str:
        """An SVG with its legend; "" where there is nothing to draw."""
        values = [value for line in self.lines for value in line.heights]
        if not values:
            return ""
        scale = _Scale(self.steps, min(values), max(values), self.height)
        parts = [_area(band, scale) for band in self.bands] + [_line(line, scale) for line in self.lines]
        legend = " ".join(_named(each.name, each.colour) for each in (*self.lines, *self.bands) if each.name)
        return (
            f'<div style="font-size:12px;line-height:1.5"><b>{escape(self.name)}</b> {legend}</div>'
            f'<svg viewBox="0 0 {WIDTH} {self.height}" width="{WIDTH}" role="img" aria-label="{escape(self.name)}" '
            f'style="max-width:100%;font:11px sans-serif">{scale.axes(self.digits)}{"".join(parts)}</svg>'
        )


@dataclass(frozen=True)
class _Scale:
    steps: int
    low: float
    high: float
    height: int

    def x(self, step: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * step / max(self.steps, 1)

    def y(self, value: float) -> float:
        room = max(self.high - self.low, 1e-12)
        shown = min(max(value, self.low), self.high)  # a band may reach beyond
        return TOP + (self.height - BOTTOM - TOP) * (self.high - shown) / room

    def axes(self, digits: str) -> str:
        floor = self.height - BOTTOM
        texts = [
            (2, TOP + 6, "start", format(self.high, digits)), (2, floor, "start", format(self.low, digits)),
            (LEFT, self.height - 5, "start", "0"),
            (WIDTH - RIGHT, self.height - 5, "end", f"step {self.steps}"),
        ]  # fmt: skip
        words = "".join(
            f'<text x="{x}" y="{y}" text-anchor="{anchor}" fill="currentColor">{text}</text>'
            for x, y, anchor, text in texts
        )
        edge = f"M{LEFT} {TOP}V{floor}H{WIDTH - RIGHT}"
        return f'<path d="{edge}" fill="none" stroke="currentColor" opacity=".4"/>{words}'


def _line(line: Line, scale: _Scale) -> str:
    points = [each for each in thinned(line.points) if isfinite(each[1])]
    path = " ".join(f"{scale.x(step):.1f},{scale.y(value):.1f}" for step, value in points)
    dash = ' stroke-dasharray="5 3"' if line.dashed else ""
    drawn = (
        f'<polyline points="{path}" fill="none" stroke="{line.colour}" stroke-width="{line.width}" '
        f'opacity="{line.opacity}"{dash}/>'
        if line.width
        else ""
    )
    return drawn + "".join(_dot(line, scale, *each) for each in (points if line.dots else ()))


def _dot(line: Line, scale: _Scale, step: int, value: float) -> str:
    return (
        f'<circle cx="{scale.x(step):.1f}" cy="{scale.y(value):.1f}" r="3.5" fill="{line.colour}">'
        f"<title>{escape(line.name)}, step {step}: {value:.4g}</title></circle>"
    )


def _area(band: Band, scale: _Scale) -> str:
    there = " ".join(f"{scale.x(step):.1f},{scale.y(high):.1f}" for step, _, high in band.points)
    back = " ".join(f"{scale.x(step):.1f},{scale.y(low):.1f}" for step, low, _ in reversed(band.points))
    return f'<polygon points="{there} {back}" fill="{band.colour}" opacity="{band.opacity}"/>'


def _named(name: str, colour: str) -> str:
    return f'<span style="white-space:nowrap"><span style="color:{colour}">■</span> {escape(name)}</span>'


def thinned(points: Points) -> list[tuple[int, float]]:
    """At most MOST of the points, the last one among them."""
    stride = max(1, -(-len(points) // MOST))
    return [*points[:-1:stride], points[-1]] if points else []


def smoothed(points: Points, share: float = 0.03) -> list[tuple[int, float]]:
    """The points as a running mean that forgets, over about that share of them; the first are no nearer to zero."""
    keep = 1 - 1 / max(1.0, share * len(points))
    mean, weight, found = 0.0, 0.0, []
    for step, value in points:
        mean, weight = keep * mean + (1 - keep) * value, keep * weight + (1 - keep)
        found.append((step, mean / weight if weight else value))
    return found
