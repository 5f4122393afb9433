"""The samples of a run in the notebook: a row for each moment, a column for each prompt, the base's own last."""

import re
from collections import defaultdict
from html import escape
from pathlib import Path

from lora_nb.forms import gallery

NAME = re.compile(r"_e(\d+)_s(\d+)_(\d+)\.png$")
ROWS, COLUMNS, SIDE = 4, 6, 140


def draw(folder: Path, rows: int = ROWS) -> str:
    """HTML of the newest samples in a run's folder, and of its first ones to set beside them; "" without any.

    What was drawn before the first step shows what the base makes of the same prompts and seeds.
    """
    moments = read(folder)
    if not moments:
        return ""
    steps = sorted(moments, reverse=True)
    shown = [*steps[:rows], *steps[rows:][-1:]]
    body = "".join(_row(step, moments[step]) for step in shown)
    left = len(steps) - len(shown)
    more = f'<div style="opacity:.7">and {left} more in {escape(str(folder))}</div>' if left else ""
    return f'<div class="lora-nb-samples"><b>Samples</b>, each prompt with its own seed{body}{more}</div>'


def read(folder: Path) -> dict[int, tuple[int, list[Path]]]:
    """Step -> its epoch and its pictures, by the number of their prompt."""
    found: dict[int, tuple[int, list[Path]]] = defaultdict(lambda: (0, []))
    for path in sorted(folder.glob("*.png")):
        if match := NAME.search(path.name):
            epoch, step, _ = map(int, match.groups())
            found[step] = (epoch, [*found[step][1], path])
    return dict(found)


def _row(step: int, drawn: tuple[int, list[Path]]) -> str:
    epoch, paths = drawn
    said = f"step {step}, epoch {epoch}" if step else "before training: the base alone"
    tiles = gallery.thumbnails([gallery.Thumb(path) for path in paths], side=SIDE, most=COLUMNS)
    return f'<div style="padding-top:6px;line-height:1.3">{said}{tiles}</div>'
