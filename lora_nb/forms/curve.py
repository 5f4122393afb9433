"""How a training goes, as drawings: its loss, its checks, its learning rates, and where its time goes."""

from collections import defaultdict
from contextlib import suppress
from html import escape
from math import expm1
from pathlib import Path

from lora_nb.events import SETS, EpochLog, Event, Spent, StepLog, Validated, read_lines
from lora_nb.forms.chart import Band, Chart, Line, smoothed
from lora_nb.forms.told import told
from lora_nb.training import verdict

BLUE, GREEN, ORANGE, VIOLET, GREY = "#3b82f6", "#2e9d4f", "#e8710a", "#a855f7", "#888888"
COLOURS = (BLUE, ORANGE, VIOLET, GREEN, GREY)
OF_SETS = {verdict.HELD_OUT: ORANGE, verdict.PROBE: BLUE, verdict.OF_BASE: VIOLET}
# Where the plain loss of a run that goes well lies, by what is trained, as a guide for people says it (seed 000).
EXPECTED = {
    "character": (0.06, 0.09),
    "object": (0.07, 0.09),
    "style": (0.08, 0.13),
    "feature": (0.003, 0.05),
}
USUAL = ("character", "object", "style")
PLAIN = (
    "The plain loss is the mean square of what is wrong in the predicted noise, not evened out by min_snr_gamma and "
    "without what preservation adds: it is what others mean by a loss of 0.1."
)
WOBBLES = (
    "The loss of a step wobbles with the noise it happens to draw; judge by the checks and by the pictures."
)
SHOWN = (StepLog, EpochLog, Validated, Spent)


class Losses:
    """What was told of a run so far; `purpose` is what is trained, one of EXPECTED, where that is known."""

    def __init__(self, purpose: str = "") -> None:
        self.purpose = purpose
        self.steps: dict[int, StepLog] = {}
        self.epochs: dict[int, EpochLog] = {}
        self.checks: dict[tuple[str, int], Validated] = {}
        self.spent: dict[int, Spent] = {}

    def add(self, event: Event) -> None:
        """Note one event; a step seen again after a resumption replaces what it said before."""
        if isinstance(event, StepLog):
            self.steps[event.step] = event
        elif isinstance(event, EpochLog):
            self.epochs[event.step] = event
        elif isinstance(event, Validated):
            self.checks.pop((event.name, event.step), None)
            self.checks[event.name, event.step] = event
        elif isinstance(event, Spent):
            self.spent[event.step] = event

    def read(self, metrics: Path) -> None:
        """Note what is in a metrics.jsonl; nothing when there is none."""
        with suppress(OSError):
            for event in read_lines(metrics.read_bytes()):
                self.add(event)

    @property
    def total(self) -> int:
        """The steps of the whole run, as far as is known."""
        return max((event.total_steps for event in self.steps.values()), default=1)

    def draw(self) -> str:
        """HTML of all there is to show; "" before the first step."""
        if not self.steps:
            return ""
        parts = [self._loss(), self._plain(), self._checks(), self._rates(), self._pace()]
        note = f'<div style="font-size:12px;opacity:.8;max-width:620px">{escape(WOBBLES)}</div>'
        return f'<div class="lora-nb-curve">{"".join(parts)}{note}</div>'

    def _in_order(self) -> list[StepLog]:
        return [self.steps[step] for step in sorted(self.steps)]

    def _loss(self) -> str:
        """The loss that is minimised."""
        points = [(event.step, event.loss) for event in self._in_order()]
        means = [(step, event.loss) for step, event in sorted(self.epochs.items())]
        return Chart("Loss that is minimised", self.total, _lines(points, means, BLUE)).draw()

    def _plain(self) -> str:
        """The plain loss where it is another, and where those of others lie."""
        if all(event.plain in (None, event.loss) for event in self.steps.values()):
            return ""
        points = [(event.step, event.plain) for event in self._in_order() if event.plain is not None]
        means = [(step, each.plain) for step, each in sorted(self.epochs.items()) if each.plain is not None]
        low, high = self._expected()
        words = ", ".join(
            f"{name} {low:g}-{high:g}"
            for name, (low, high) in EXPECTED.items()
            if name in (self.purpose or USUAL)
        )
        band = Band("where others' runs end, roughly", [(0, low, high), (self.total, low, high)], GREY)
        chart = Chart("Plain loss", self.total, _lines(points, means, GREEN), [band])
        said = f"{PLAIN} {words}: rough, from a guide; your pictures and your base decide where yours lies."
        return f'{chart.draw()}<div style="font-size:12px;opacity:.8;max-width:620px">{told(said)}</div>'

    def _expected(self) -> tuple[float, float]:
        asked = [EXPECTED[self.purpose]] if self.purpose in EXPECTED else [EXPECTED[name] for name in USUAL]
        return min(low for low, _ in asked), max(high for _, high in asked)

    def _checks(self) -> str:
        """What changed on the pictures of the checks since the first, with the band that it surely lies in."""
        curves = verdict.curves_of(self.checks.values())
        lines, bands = [], []
        for name, curve in curves.items():
            apart = [(point.step, verdict.difference(curve.points[0], point)) for point in curve.points]
            colour = OF_SETS.get(name, GREY)
            lines.append(
                Line(SETS.get(name, name), [(at, _percent(d.mean)) for at, d in apart], colour, dots=True)
            )
            area = [(at, _percent(d.mean - d.width), _percent(d.mean + d.width)) for at, d in apart]
            bands.append(Band("", area, colour))
        drawn = Chart("Checked loss, % since the first check", self.total, lines, bands, digits="+.1f").draw()
        said = verdict.verdict_of(curves).sentence if drawn else ""
        style = "max-width:620px;font-size:13px;line-height:1.4"
        return drawn and f'{drawn}<div class="lora-nb-verdict" style="{style}">{escape(said)}</div>'

    def _rates(self) -> str:
        """The learning rates by what learns with them, times what an optimizer found by itself."""
        found: dict[str, list[tuple[int, float]]] = defaultdict(list)
        for event in self._in_order():
            for name, rate in event.rates.items():
                found[name.replace("_", " ")].append(
                    (event.step, rate * (1.0 if event.d is None else event.d))
                )
            if event.d is not None:
                found["d, the rate that was found"].append((event.step, event.d))
        different = {
            tuple(points): name for name, points in reversed(found.items())
        }  # of equal ones the first
        lines = [
            Line(name, points, colour, 1.5)
            for (points, name), colour in zip(reversed(different.items()), COLOURS, strict=False)
        ]
        return Chart("Learning rate", self.total, lines, height=90, digits=".1e").draw()

    def _pace(self) -> str:
        """A line on the speed, the memory, and what the time goes on."""
        seconds: dict[str, float] = defaultdict(float)
        for event in self.spent.values():
            for name, value in event.seconds.items():
                seconds[name] += value
        last, whole = self.steps[max(self.steps)], sum(seconds.values())
        said = [f"{last.steps_per_second:.2f} steps a second"]
        if whole:
            memory = max(event.memory for event in self.spent.values())
            said += [f"{memory / 1e9:.1f} GB of memory"] if memory else []
            largest = sorted(seconds.items(), key=lambda item: -item[1])
            said.append(
                "time: " + ", ".join(f"{name} {100 * value / whole:.0f} %" for name, value in largest)
            )
        return f'<div class="lora-nb-pace" style="font-size:12px">{escape(" · ".join(said))}</div>'


def _lines(points: list[tuple[int, float]], means: list[tuple[int, float]], colour: str) -> list[Line]:
    """Each step's loss thin, smoothed thick, and a dot for each epoch's mean."""
    return [
        Line("each step", points, colour, 1.0, 0.45, rough=True),
        Line("smoothed", smoothed(points), colour, 2.5),
        Line("mean of the epoch", means, ORANGE, 0.0, dots=True),
    ]


def _percent(height: float) -> float:
    """A difference of logarithms as per cent."""
    return 100 * expm1(max(-5.0, min(height, 5.0)))
