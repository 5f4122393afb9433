"""Runs beside each other: their curves over one another, the settings that differ, their samples, as HTML."""

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path

from PIL import Image

from lora_nb import settings
from lora_nb.config.training import Place, TrainConfig
from lora_nb.declare import settings_of
from lora_nb.events import EpochLog, StepLog, read_lines
from lora_nb.runs import RunFolder
from lora_nb.typed import show

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 820, 260, 54, 24, 10
COLOURS = ("#2f6fde", "#c2410c", "#2e7d32", "#8e44ad", "#b0851a", "#00838f", "#c2185b", "#6d6d6d")
DASHES = ("", "7 3", "2 3", "9 3 2 3")
NOTE = (
    "Each line is the mean loss so far in its epoch, each dot a whole epoch. Losses of runs whose settings of the loss "
    "differ are no contest."
)
MOST_POINTS, MOST_RUNS, MOST_SAMPLES, SIDE = 300, 12, 6, 150
NOT_COMPARED = {each.name for each in settings_of(Place)}
STYLE = """
.lnb-compare { line-height: 1.4 }
.lnb-compare table { border-collapse: collapse }
.lnb-compare td, .lnb-compare th { padding: 2px 14px 2px 0; text-align: left; font-weight: normal; vertical-align: top; overflow-wrap: anywhere }
.lnb-compare th { opacity: .8 }
.lnb-compare svg { max-width: 100%; height: auto; display: block }
.lnb-compare svg text { fill: currentColor; font: 12px system-ui, sans-serif }
.lnb-compare .wide { overflow-x: auto }
.lnb-compare figure { margin: 0 } .lnb-compare figcaption { font-size: 11px; opacity: .8 }
"""  # noqa: E501
PAGE = """
:root { color-scheme: light dark; --ink: #1b1b1b; --paper: #ffffff }
@media (prefers-color-scheme: dark) { :root { --ink: #ececec; --paper: #17191c } }
body { margin: 0 auto; padding: 24px; max-width: 1100px; font: 15px/1.45 system-ui, sans-serif; color: var(--ink);
  background: var(--paper) }
"""


@dataclass(frozen=True)
class Told:
    """What a run left: its settings, the mean loss so far in its epoch by step, and of each epoch; its samples."""

    name: str
    config: TrainConfig
    averages: tuple[tuple[int, float], ...]
    epochs: tuple[tuple[int, float], ...]
    samples: tuple[Path, ...]

    @property
    def last(self) -> float | None:
        """The mean loss of its last finished epoch."""
        return self.epochs[-1][1] if self.epochs else None


def read(run: RunFolder) -> Told:
    """What a run left in its folder. Raises ValueError for a folder that is no run's."""
    if not run.settings.is_file():
        raise ValueError(
            f"{run.base} is no run: give folders that hold a run.toml, such as Loras/my_cat/runs/my_cat"
        )
    config, _ = settings.load_known(TrainConfig, run.settings)
    told = read_lines(run.metrics.read_bytes()) if run.metrics.is_file() else []
    steps = {each.step: each.loss_average for each in told if isinstance(each, StepLog)}
    epochs = {each.step: each.loss for each in told if isinstance(each, EpochLog)}
    pictures = sorted(run.samples.glob("*.png"), key=lambda path: _numbers(path.name))
    return Told(
        run.base.name, config, tuple(sorted(steps.items())), tuple(sorted(epochs.items())), tuple(pictures)
    )


def _numbers(name: str) -> list[int | str]:
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def read_all(folders: Sequence[Path]) -> list[Told]:
    """What some runs left. Raises ValueError for fewer than two, for more than fit on a page, for one given twice."""
    if not 2 <= len(folders) <= MOST_RUNS:
        raise ValueError(f"{len(folders)} runs are given: 2 to {MOST_RUNS} can be compared")
    places = [Path(folder).absolute() for folder in folders]
    twice = [place for place in places if places.count(place) > 1]
    if twice:
        raise ValueError(f"{twice[0]} is given twice")
    return [read(RunFolder(place)) for place in places]


def block(runs: Sequence[Told]) -> str:
    """The comparison as a part of a page."""
    parts = [curves(runs), differing(runs), pictures(runs)]
    return f'<style>{STYLE}</style><div class="lnb-compare">{"".join(parts)}</div>'


def page(runs: Sequence[Told]) -> str:
    """A whole HTML page that needs no other file, light or dark as the reader's system is."""
    title = escape(", ".join(run.name for run in runs))
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>'
    return (
        f'<!doctype html><html lang="en"><head>{head}<style>{PAGE}</style></head>'
        f"<body><h1>Runs compared</h1>{block(runs)}</body></html>\n"
    )


def curves(runs: Sequence[Told]) -> str:
    """The losses of all runs in one drawing: a line of its own colour and dashes each, its name at the legend."""
    drawn = [run for run in runs if run.averages]
    if not drawn:
        return "<p>None of these runs has logged a step yet.</p>"
    values = sorted(loss for run in drawn for _, loss in run.averages)
    low, high = values[0], values[min(len(values) - 1, int(len(values) * 0.99))]
    last = max(step for run in drawn for step, _ in run.averages)
    lines = "".join(_line(run, runs.index(run), (low, high, last)) for run in drawn)
    svg = (
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" role="img" aria-label="losses of the runs">'
        f"{_axes(low, high, last)}{lines}</svg>"
    )
    return f'<b>Loss by step</b>{svg}{_legend(runs)}<div style="opacity:.75;font-size:12px">{NOTE}</div>'


def _line(run: Told, number: int, scale: tuple[float, float, int]) -> str:
    stride = -(-len(run.averages) // MOST_POINTS)
    points = [*run.averages[:-1:stride], run.averages[-1]]
    path = " ".join(_point(step, loss, scale) for step, loss in points)
    colour, dash = _look(number)
    dots = "".join(
        '<circle cx="{}" cy="{}" r="3.5" fill="{}"><title>{}: {:.4f}</title></circle>'.format(
            *_point(step, loss, scale).split(","), colour, escape(run.name), loss
        )
        for step, loss in run.epochs
    )
    return f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}"/>{dots}'


def _look(number: int) -> tuple[str, str]:
    return COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]


def _point(step: int, loss: float, scale: tuple[float, float, int]) -> str:
    low, high, last = scale
    share = (high - min(loss, high)) / max(high - low, 1e-9)
    return (
        f"{LEFT + (WIDTH - LEFT - 8) * step / max(last, 1):.1f},{TOP + (HEIGHT - BOTTOM - TOP) * share:.1f}"
    )


def _axes(low: float, high: float, last: int) -> str:
    floor, right = HEIGHT - BOTTOM, WIDTH - 8
    return (
        f'<path d="M{LEFT} {TOP}V{floor}H{right}" fill="none" stroke="currentColor" opacity=".4"/>'
        f'<text x="2" y="{TOP + 8}">{high:.3f}</text><text x="2" y="{floor}">{low:.3f}</text>'
        f'<text x="{LEFT}" y="{HEIGHT - 6}">0</text>'
        f'<text x="{right}" y="{HEIGHT - 6}" text-anchor="end">step {last}</text>'
    )


def _legend(runs: Sequence[Told]) -> str:
    rows = []
    for number, run in enumerate(runs):
        colour, dash = _look(number)
        sign = (
            '<svg width="34" height="10" style="display:inline-block" aria-hidden="true">'
            f'<line x1="0" y1="5" x2="34" y2="5" stroke="{colour}" stroke-width="3" stroke-dasharray="{dash}"/></svg>'
        )
        end = f"{run.last:.4f} in the last epoch" if run.last is not None else "no epoch finished"
        rows.append(f"<tr><td>{sign}</td><td>{escape(run.name)}</td><td>{end}</td></tr>")
    return f"<table>{''.join(rows)}</table>"


def differences(runs: Sequence[Told]) -> dict[str, list[str]]:
    """Each setting in which the runs differ, with its value in each as a person types it."""
    values = [settings.values_of(run.config) for run in runs]
    found = {}
    for each in settings_of(TrainConfig):
        if each.name not in NOT_COMPARED and len({repr(one[each.name]) for one in values}) > 1:
            found[each.name] = [show(each, one[each.name]) or "empty" for one in values]
    return found


def differing(runs: Sequence[Told]) -> str:
    """The settings that differ as a table, a column for each run."""
    labels = {each.name: each.label for each in settings_of(TrainConfig)}
    rows = [
        f"<tr><th>{escape(labels[name])}</th>{''.join(f'<td>{escape(text)}</td>' for text in texts)}</tr>"
        for name, texts in differences(runs).items()
    ]
    if not rows:
        return "<p><b>Settings</b>: these runs have the same.</p>"
    head = "".join(f"<th>{escape(run.name)}</th>" for run in runs)
    return f"<p><b>Settings that differ</b></p>{_wide(f'<th></th>{head}', rows)}"


def pictures(runs: Sequence[Told]) -> str:
    """The newest samples of each run, a column for each, the last drawn first."""
    if not any(run.samples for run in runs):
        return "<p><b>Samples</b>: none was drawn.</p>"
    head = "".join(f"<th>{escape(run.name)}</th>" for run in runs)
    newest = [list(reversed(run.samples))[:MOST_SAMPLES] for run in runs]
    rows = []
    for at in range(max(map(len, newest))):
        cells = "".join(f"<td>{_picture(each[at]) if at < len(each) else ''}</td>" for each in newest)
        rows.append(f"<tr>{cells}</tr>")
    return f"<p><b>Samples</b>, the newest first</p>{_wide(head, rows)}"


def _wide(head: str, rows: Sequence[str]) -> str:
    """A table that scrolls sideways by itself."""
    return f'<div class="wide"><table><tr>{head}</tr>{"".join(rows)}</table></div>'


def _picture(path: Path) -> str:
    name = escape(path.stem)
    try:
        with Image.open(path) as picture:
            small = picture.convert("RGB")
    except (OSError, ValueError):
        return f"<figure>cannot be read<figcaption>{name}</figcaption></figure>"
    small.thumbnail((2 * SIDE, 2 * SIDE))
    content = io.BytesIO()
    small.save(content, "JPEG", quality=85)
    data = base64.b64encode(content.getvalue()).decode()
    image = f'<img alt="{name}" width="{SIDE}" src="data:image/jpeg;base64,{data}">'
    return f"<figure>{image}<figcaption>{name}</figcaption></figure>"
