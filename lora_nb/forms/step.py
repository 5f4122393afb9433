"""One step of a notebook: its form, the button, and the work the button starts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import ipywidgets as W
from IPython.display import display

from lora_nb import colab, jobs
from lora_nb.events import Finished
from lora_nb.forms.follow import TICK, Panel, Stopped, follow, pause
from lora_nb.project import Folders


class Step:
    """A form with a button. The button does `work`, which returns the sentence to end with or raises ValueError.

    A step that was shown and whose button nobody pressed is done with what its form says, as soon as a later
    step is shown: so "Run all" works, and pressing the buttons works too. Work is done in the kernel's own
    event loop, without threads.
    """

    def __init__(
        self, label: str, work: Callable[[], Awaitable[str]], parts: Sequence[W.Widget], icon: str = "play"
    ) -> None:
        self.work = work
        self.panel = Panel()
        self.result = W.VBox(layout=W.Layout(width="100%"))
        self.button = W.Button(
            description=label,
            icon=icon,
            button_style="primary",
            layout=W.Layout(width="auto", min_width="220px"),
        )
        self.cancel = W.Button(description="Stop", icon="stop", layout=W.Layout(display="none"))
        self.button.on_click(self.press)
        self.cancel.on_click(self.stop)
        self.widget = W.VBox([*parts, W.HBox([self.button, self.cancel]), self.panel.widget, self.result])
        self.shown = self.done = self.stopped = self.idle = False
        self.job: jobs.Job | None = None
        self.task: asyncio.Task | None = None

    def preset(self) -> None:
        """Fill in what the project's folders already tell. Raises ValueError when there is no project yet."""

    def show(self) -> None:
        """Put the step under the cell that runs."""
        if not self.shown:
            try:
                self.preset()
            except (ValueError, OSError) as error:
                self.panel.say(str(error), "bad")
        self.shown = True
        display(self.widget)

    def press(self, _: Any = None) -> asyncio.Task:
        """Begin the work, unless it is under way."""
        if self.task is None or self.task.done():
            self.task = asyncio.ensure_future(self._work())
        return self.task

    async def settle(self) -> None:
        """Wait until the work is done; begin it when the step was shown and nobody did."""
        if self.shown and not self.done and self.task is None:
            self.press()
        try:
            while self.task is not None and not self.task.done():
                await pause(TICK)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.stop()
            raise Stopped(f"Stopped: {self.button.description}. What was finished stays.") from None

    def forget(self) -> None:
        """Be as new: the project is another one."""
        if self.task is None or self.task.done():
            self.shown = self.done = False
            self.task = None
            self.result.children = ()
            self.panel.clear()

    def hold(self, sentence: str) -> None:
        """Leave the work to the button; say why."""
        self.done = True
        self.panel.say(sentence, "warning")

    def stop(self, _: Any = None) -> None:
        """End the work; what is finished stays."""
        if self.job is not None:
            self.stopped = True
            jobs.stop(self.job)
            self.panel.say("Stopping ...")

    async def _work(self) -> None:
        self.button.disabled = True
        self.panel.clear()
        self.panel.say("Working ...")
        try:
            sentence = await self.work()
        except (ValueError, OSError) as error:
            self.panel.say(str(error), "bad")
        else:
            self.done = True
            self.panel.say(sentence, "info" if self.idle else "good")
        finally:
            self.button.disabled = False
            self.panel.rest()

    async def run(self, verb: str, config: Any, folders: Folders, quiet: bool = False) -> Finished:
        """What a child process said at its end; `quiet` keeps its notices out of the panel.

        Raises ValueError with its sentence when it failed or was stopped.
        """
        self.stopped = self.idle = False
        self.job = jobs.start(verb, config, folders, environment=hub_token())
        self.cancel.layout.display = ""
        try:
            end = await follow(self.job, self.panel.quietly if quiet else self.panel.take, self.panel.redraw)
        finally:
            self.cancel.layout.display = "none"
        if end is None and self.stopped:
            raise ValueError("Stopped. What was finished stays; press the button to go on.")
        if error := jobs.last_error(self.job):
            raise ValueError(error)
        self.idle = end is not None and end.status == "nothing"
        return end or Finished("done", "")


def hub_token() -> Mapping[str, str]:
    """HF_TOKEN from Colab's Secrets for a child process, where the person keeps one."""
    token = colab.read_secret("HF_TOKEN")
    return {"HF_TOKEN": token} if token else {}
