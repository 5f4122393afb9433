"""The loss of a training as a drawing that needs no plotting library."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from lora_nb.events import EpochLog, StepLog, read_lines

WIDTH, HEIGHT, LEFT, BOTTOM = 620, 180, 48, 22
MOST = 300
PLAIN = (
    ", dashed the average plain error: the mean square of what is wrong in the predicted noise, not evened out by "
    "min_snr_gamma and without what preservation adds; it is what others mean by a loss of 0.1"
)


@dataclass
class Losses:
    """The losses seen so far: of each step, their running average, and the mean of each finished epoch.

    `plain` holds the running average of the plain error, where it is another than the loss's.
    """

    steps: dict[int, tuple[float, float]] = field(default_factory=dict)
    plain: dict[int, float] = field(default_factory=dict)
    epochs: dict[int, float] = field(default_factory=dict)
    total: int = 1

    def add(self, event: StepLog | EpochLog) -> None:
        """Note one event; a step seen again after a resumption replaces what it said before."""
        if isinstance(event, StepLog):
            self.steps[event.step] = (event.loss, event.loss_average)
            self.plain.pop(event.step, None)
            if event.plain_average not in (None, event.loss_average):
                self.plain[event.step] = event.plain_average
            self.total = event.total_steps
        else:
            self.epochs[event.step] = event.loss

    def read(self, metrics: Path) -> None:
        """Note the losses in a metrics.jsonl; nothing when there is none."""
        with suppress(OSError):
            for event in read_lines(metrics.read_bytes()):
                if isinstance(event, StepLog | EpochLog):
                    self.add(event)

    def draw(self) -> str:
        """An SVG: each step's loss thin, the averages thick and (plain) dashed, a dot for each epoch's mean."""
        if not self.steps:
            return ""
        shown = _thinned(sorted(self.steps.items()))
        plain = [(step, self.plain[step]) for step, _ in shown if step in self.plain]
        values = [loss for _, pair in shown for loss in pair] + list(self.epochs.values())
        values += [error for _, error in plain]
        scale = _Scale(self.total, min(values), max(values))
        current = scale.line([(step, pair[0]) for step, pair in shown])
        average = scale.line([(step, pair[1]) for step, pair in shown])
        dots = "".join(
            f'<circle cx="{scale.x(step):.1f}" cy="{scale.y(loss):.1f}" r="4" fill="#e65100">'
            f"<title>mean of the epoch: {loss:.4f}</title></circle>"
            for step, loss in self.epochs.items()
        )
        return (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="loss" '
            f'style="max-width:100%;font:11px sans-serif">{scale.axes()}'
            f'<polyline points="{current}" fill="none" stroke="#4c8bf5" stroke-width="1" opacity=".45"/>'
            f'<polyline points="{average}" fill="none" stroke="#1a56c4" stroke-width="2"/>'
            f"{scale.dashed(plain) if plain else ''}{dots}</svg>"
            '<div style="font-size:12px;opacity:.75">loss by step: thin each step, thick the average so far in its '
            f"epoch, ● the mean of a finished epoch{PLAIN if plain else ''}. It wobbles; judge by the pictures.</div>"
        )


@dataclass(frozen=True)
class _Scale:
    steps: int
    low: float
    high: float

    def x(self, step: int) -> float:
        return LEFT + (WIDTH - LEFT - 8) * step / max(self.steps, 1)

    def y(self, loss: float) -> float:
        room = max(self.high - self.low, 1e-9)
        return 8 + (HEIGHT - BOTTOM - 8) * (self.high - loss) / room

    def line(self, points: Sequence[tuple[int, float]]) -> str:
        return " ".join(f"{self.x(step):.1f},{self.y(loss):.1f}" for step, loss in points)

    def dashed(self, points: Sequence[tuple[int, float]]) -> str:
        return (
            f'<polyline points="{self.line(points)}" fill="none" stroke="#2e7d32" stroke-width="1.5" '
            'stroke-dasharray="5 3"/>'
        )

    def axes(self) -> str:
        floor = HEIGHT - BOTTOM
        texts = [(4, 14, f"{self.high:.3f}"), (4, floor, f"{self.low:.3f}"), (LEFT, HEIGHT - 6, "0")]
        words = "".join(f'<text x="{x}" y="{y}" fill="currentColor">{text}</text>' for x, y, text in texts)
        end = f'<text x="{WIDTH - 8}" y="{HEIGHT - 6}" text-anchor="end" fill="currentColor">step {self.steps}</text>'
        return f'<path d="M{LEFT} 8V{floor}H{WIDTH - 8}" fill="none" stroke="currentColor" opacity=".4"/>{words}{end}'


def _thinned(points: list) -> list:
    stride = -(-len(points) // MOST)
    return [*points[:-1:stride], points[-1]]
