"""A running job as the notebook shows it: a bar, its sentences, its end."""

import asyncio
import json
from collections.abc import Callable, Sequence
from html import escape
from typing import Any

import ipywidgets as W

from lora_nb import events, signs
from lora_nb.events import Finished, Notice, Progress
from lora_nb.forms import icons
from lora_nb.forms.told import told
from lora_nb.patience import is_away
from lora_nb.shell import jobs

TICK = 0.2
EDGES = {"info": "transparent", "good": "#2e7d32", "bad": "#d32f2f", "warning": "#ed6c02"}


class Stopped(RuntimeError):
    """The person interrupted the cell: shown as its sentence, without a traceback."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Panel:
    """One sentence of state, a progress bar while something runs, and the notices so far."""

    def __init__(self) -> None:
        self.state, self.ahead = W.HTML(), W.HTML()
        self.bar = W.IntProgress(0, 0, 1, layout=W.Layout(width="470px", display="none"))
        self.stage = W.HTML()
        self.notices = W.HTML()
        self._sentences: dict[str, str] = {}
        self._progress: Progress | None = None
        self.widget = W.VBox(
            [W.HBox([self.bar, self.stage]), self.notices, self.state, self.ahead],
            layout=W.Layout(width="100%"),
        )

    def clear(self) -> None:
        """Forget the last job."""
        self._sentences, self._progress = {}, None
        self.state.value = self.ahead.value = self.stage.value = self.notices.value = ""
        self.bar.layout.display = "none"

    def say(self, text: str, level: str = "info", ahead: str = "") -> None:
        """Show one sentence of state, under it what lies `ahead`; `level` is "info", "good", "warning" or "bad"."""
        self.state.value = sentence(text, level)
        self.ahead.value = ahead and sentence(ahead)

    def take(self, event: events.Event) -> None:
        """Note an event; `redraw` shows it."""
        if isinstance(event, Progress):
            self._progress = event
        elif isinstance(event, Notice):
            self._sentences[event.text] = event.level

    def quietly(self, event: events.Event) -> None:
        """Note how far the work is, and only the warnings among its sentences."""
        if not isinstance(event, Notice) or event.level == "warning":
            self.take(event)

    def redraw(self) -> None:
        """Show what was noted since."""
        if self._progress is not None:
            done, total = self._progress.done, max(self._progress.total, 1)
            self.bar.max, self.bar.value = total, min(done, total)
            self.bar.layout.display = ""
            self.stage.value = escape(self._progress.text)
        lines = "".join(sentence(text, level) for text, level in self._sentences.items())
        self.notices.value = lines and f'<div style="max-height:16em;overflow-y:auto">{lines}</div>'

    def rest(self) -> None:
        """Put the bar away: nothing runs any more."""
        self.bar.layout.display = "none"
        self.stage.value = ""


def sentence(text: str, level: str = "info") -> str:
    """One line of HTML with an edge in the colour of its level; the words are as readable as the theme's own."""
    sign, words = signs.parted(text)
    shown = (
        f'<span aria-hidden="true">{sign}</span> ' if sign and sign in signs.KNOWN else icons.of_level(level)
    )
    style = f"line-height:1.4;padding-left:8px;border-left:4px solid {EDGES[level]}"
    return f'<div class="lora-nb-{level}" style="{style}">{shown}{told(words)}</div>'


async def follow(
    job: jobs.Job, take: Callable[[events.Event], None], redraw: Callable[[], None]
) -> Finished | None:
    """What the job said at its end, or None if it ended without; every event goes to `take`.

    `redraw` is called after each bunch of events. The process may need some seconds more to leave.
    """
    offset = 0
    while True:
        running = jobs.is_running(job)
        fresh, offset = _heard(job, offset)
        for event in fresh:
            take(event)
        if fresh:
            redraw()
        if fresh and isinstance(fresh[-1], Finished):
            return fresh[-1]
        if not running:
            return None
        await pause(TICK)


def _heard(job: jobs.Job, offset: int) -> tuple[list[events.Event], int]:
    """What a job told since `offset`; nothing while its disk (Google Drive) does not answer, on which it waits too."""
    try:
        return jobs.events(job, offset)
    except OSError as error:
        if not is_away(error):
            raise
        return [], offset


async def pause(seconds: float) -> None:
    """Wait, while buttons pressed meanwhile are answered even though the cell runs."""
    await asyncio.sleep(seconds)
    kernel = _kernel()
    if hasattr(kernel, "msg_queue"):
        await _answer_widgets(kernel)


def _kernel() -> Any:
    from IPython import get_ipython

    return getattr(get_ipython(), "kernel", None)


async def _answer_widgets(kernel: Any) -> None:
    """Handle the widget messages that wait behind the running cell in ipykernel 6; later cells stay in the queue."""
    waiting = [kernel.msg_queue.get_nowait() for _ in range(kernel.msg_queue.qsize())]
    pressed = []
    for entry in waiting:
        if _is_from_widget(kernel, entry[2]):
            pressed.append(entry)
        else:
            kernel.msg_queue.put_nowait(entry)
    ident, parent = kernel._parent_ident["shell"], kernel.get_parent("shell")
    for _, dispatch, arguments in pressed:
        await dispatch(*arguments)
        kernel.set_parent(ident, parent, channel="shell")


def _is_from_widget(kernel: Any, arguments: Sequence[Any]) -> bool:
    """Whether a raw message is of the comm kind; its header is the second frame after the identities."""
    if not arguments:
        return False
    _, frames = kernel.session.feed_identities(arguments[0], copy=False)
    return json.loads(frames[1].bytes)["msg_type"] in ("comm_open", "comm_msg", "comm_close")
