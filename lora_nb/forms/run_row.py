"""A run in the list of runs: what it is at, and the buttons that make sense for it."""

from collections.abc import Callable
from dataclasses import dataclass
from html import escape

import ipywidgets as W

from lora_nb.forms import icons
from lora_nb.forms.follow import sentence
from lora_nb.forms.presses import Presses
from lora_nb.redact import redact
from lora_nb.shell import run_rows
from lora_nb.shell.run_rows import Row

Act = Callable[[str, Row], None]


@dataclass(frozen=True)
class Button:
    """A button of a row: what it does, its words, and in which states of a queued run and of another it is there."""

    act: str
    words: str
    icon: str
    tip: str
    queued: tuple[str, ...]
    others: tuple[str, ...] = ()


OVER = ("done", "failed", "cancelled")  # of a queued run
ENDED = ("done", "stopped", "failed")  # of one that never stood in the queue
WAITS = ("waiting", "paused")
LATER, EXACT = "Save its state and leave it for later; going on is exact", "Go on where it stopped"
OFF = "Take it off this list; its files stay where they are"
BUTTONS = (
    Button("up", "", "arrow-up", "Train it earlier", WAITS),
    Button("down", "", "arrow-down", "Train it later", WAITS),
    Button("pause", "Pause", "pause", LATER, ("waiting", "running"), ("running",)),
    Button("go_on", "Go on", "play", EXACT, ("paused", "failed", "cancelled"), ("stopped", "failed")),
    Button("cancel", "Cancel", "times", "Call it off; what was finished stays", (*WAITS, "running")),
    Button(
        "download", "Download", "download", "Its newest LoRA file", ("done", "cancelled", "paused"), ENDED
    ),
    Button("again", "Again", "refresh", "Put its settings into the form above, to change some", OVER, ENDED),
    Button("remove", "", "trash", OFF, (*OVER, *WAITS), ENDED),
)


class RunRow:
    """The widgets of one run. `act` is called with the name of what was pressed and the run as it was shown last."""

    def __init__(self, act: Act, presses: Presses) -> None:
        self.act, self.presses = act, presses
        self.row: Row | None = None
        self.tick = W.Checkbox(
            value=False, indent=False, tooltip="compare", layout=W.Layout(width="26px", min_width="26px")
        )
        self.words = W.HTML(layout=W.Layout(flex="1 1 300px", min_width="240px"))
        self.bar = W.IntProgress(0, 0, 1, layout=W.Layout(width="120px"))
        self.steps = W.HTML(layout=W.Layout(width="90px"))
        self.said = W.HTML(layout=W.Layout(width="100%"))
        self.buttons = {each.act: self._button(each) for each in BUTTONS}
        pressed = W.HBox(
            list(self.buttons.values()), layout=W.Layout(flex_flow="row wrap", margin="0 0 0 auto")
        )
        line = [self.tick, self.words, self.bar, self.steps, pressed]
        layout = W.Layout(flex_flow="row wrap", align_items="center", width="100%")
        self.widget = W.VBox(
            [W.HBox(line, layout=layout), self.said],
            layout=W.Layout(width="100%", border="0 solid transparent", padding="2px 0"),
        )
        self.widget.add_class("lora-nb-run")

    def _button(self, one: Button) -> W.Button:
        width = "auto" if one.words else "36px"
        button = W.Button(description=one.words, icon=one.icon, tooltip=one.tip, layout=W.Layout(width=width))
        button.on_click(lambda _: self.presses.carry_out(lambda: self.act(one.act, self.row)))
        return button

    def show(self, row: Row) -> None:
        """Be this run as it is now; only what changed is sent to the page."""
        self.row = row
        self.tick.description = ""
        self.words.value = in_words(row)
        self.bar.max = max(row.total, 1)
        self.bar.value = min(row.step, self.bar.max)
        self.bar.layout.display = self.steps.layout.display = "" if row.total else "none"
        self.steps.value = f"{row.step} / {row.total}" if row.total else ""
        level = "bad" if row.state == "failed" else "warning" if row.lost else "info"
        self.said.value = sentence(row.text, level) if row.text else ""
        for each in BUTTONS:
            there = row.state in (each.queued if row.number else each.others)
            there = there and (each.act != "download" or bool(row.files))
            self.buttons[each.act].layout.display = "" if there else "none"
        for name in ("pause", "cancel"):
            self.buttons[name].disabled = row.state == "running" and row.asked


def in_words(row: Row) -> str:
    """State, name, base and time as HTML."""
    state = f"<b>{icons.of_state(row.state)}{row.state}</b>"
    number = f"{row.number}. " if row.number else ""
    base = escape(redact(row.base or "no base"))
    when = {"waiting": "added", "running": "begun"}.get(row.state, "ended")
    return (
        f'<div style="line-height:1.35">{state} &nbsp;{number}<b>{escape(row.name)}</b>'
        f'<div style="opacity:.75;font-size:12px;overflow-wrap:anywhere">{escape(row.project)} · {base} · '
        f"{when} {run_rows.ago(row.when)}</div></div>"
    )
