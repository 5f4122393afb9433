"""One step of a notebook: its form, the button, and the work the button starts."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import ipywidgets as W
from IPython.display import display

from lora_nb.events import Finished
from lora_nb.forms.follow import TICK, Panel, Stopped, follow, pause
from lora_nb.forms.form import Form
from lora_nb.forms.presses import Presses
from lora_nb.project import Folders
from lora_nb.shell import colab, jobs

TOKENS, WANDB_KEY = ("HF_TOKEN", "CIVITAI_TOKEN"), "WANDB_API_KEY"


class Step:
    """A form with a button. The button does `work`, which returns the sentence to end with or raises ValueError.

    A step that was shown and whose button nobody pressed is done with what its form says, as soon as a later
    step is shown: so "Run all" works, and pressing the buttons works too. `presses` brings the work of the
    buttons into the event loop of the cells.
    """

    form: Form
    by_hand = False  # whether only a person presses the button: a later cell does not

    def __init__(
        self,
        label: str,
        work: Callable[[], Awaitable[str]],
        parts: Sequence[W.Widget],
        presses: Presses,
        icon: str = "play",
    ) -> None:
        self.work, self.presses = work, presses
        self.panel = Panel()
        self.result = W.VBox(layout=W.Layout(width="100%"))
        self.button = W.Button(
            description=label,
            icon=icon,
            button_style="primary",
            layout=W.Layout(width="auto", min_width="220px"),
        )
        self.cancel = W.Button(description="Stop", icon="stop", layout=W.Layout(display="none"))
        self.button.on_click(lambda _: presses.carry_out(self.press))
        self.cancel.on_click(lambda _: presses.carry_out(self.stop))
        self.widget = W.VBox([*parts, W.HBox([self.button, self.cancel]), self.panel.widget, self.result])
        self.shown = self.due = self.done = self.stopped = self.outdated = self.idle = False
        self.job: jobs.Job | None = None
        self.task: asyncio.Task | None = None
        self.companions: tuple[Step, ...] = ()
        self.outlook: Callable[[], str] = (
            str  # what is left to do, and what comes next, once the work is done
        )
        self.changed: Callable[[], object] = lambda: None  # called when the work may have changed the dataset

    def followed_by(self, other: "Step") -> "Step":
        """`other`, shown under this step: what it does belongs to the same cell, and a person alone presses it."""
        self.widget.children += (other.widget,)
        self.companions += (other,)
        return other

    def preset(self) -> None:
        """Fill in what the project's folders already tell. Raises ValueError when there is no project yet."""

    def again(self) -> None:
        """Show what may be other than it was, when the cell runs once more; what a person filled in stays."""

    def empty(self) -> None:
        """Put the form back to its defaults."""
        self.form.reset()

    def show(self) -> None:
        """Put the step under the cell that runs; from now on a later cell sees to it that it is done."""
        self.presses.settle_here()
        if not self.works():
            self._try(self.again if self.shown else self.preset)
        self.shown, self.due = True, not self.by_hand
        display(self.widget)

    def _try(self, fill: Callable[[], None]) -> None:
        try:
            fill()
        except (ValueError, OSError) as error:
            self.panel.say(str(error), "bad")

    def press(self) -> None:
        """Begin the work, unless it is under way."""
        if not self.works():
            self.task = asyncio.ensure_future(self._work())

    def works(self) -> bool:
        """Whether the work is under way."""
        return self.task is not None and not self.task.done()

    async def settle(self) -> None:
        """Wait until the work is done; begin it when the step was shown and nobody did."""
        self.presses.settle_here()
        try:
            while self._begin_if_due() or self.works():
                await pause(TICK)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.stop()
            raise Stopped(f"Stopped: {self.button.description}. What was finished stays.") from None

    def _begin_if_due(self) -> bool:
        due = self.due and not self.done and self.task is None
        if due:
            self.press()
        return due

    def forget(self) -> None:
        """Be as new: the project is another one. Work that is under way goes on, and is told when it ends."""
        for other in self.companions:
            other.forget()
        self.due = False
        self.outdated = self.works()
        if not self.outdated:
            self._renew()

    def _renew(self) -> None:
        self.done = self.outdated = False
        self.task = None
        self.result.children = ()
        self.panel.clear()
        self.empty()
        if self.shown:
            self._try(self.preset)

    def hold(self, sentence: str) -> None:
        """Leave the work to the button; say why."""
        self.done = True
        self.panel.say(sentence, "warning")

    def stop(self) -> None:
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
            said, level = await self.work(), "good"
        except (ValueError, OSError) as error:
            said, level = str(error), "bad"
        finally:
            self.button.disabled = False
            self.panel.rest()
        self.done = level == "good"
        level = "info" if self.done and self.idle else level
        self.panel.say(said, level, self._outlook() if self.done else "")
        self.changed()
        if self.outdated:
            self._leave_behind(said, level)

    def _outlook(self) -> str:
        try:
            return self.outlook()
        except (ValueError, OSError):  # the work itself is done and said
            return ""

    def _leave_behind(self, said: str, level: str) -> None:
        """Be as new after work for an earlier project, and keep its last words."""
        self._renew()
        self.panel.say(f"In the project before: {said}", level)

    def secrets(self) -> Mapping[str, str]:
        """What a child process of this step is given of the person's keys, in its environment."""
        return hub_token()

    async def run(self, verb: str, config: Any, folders: Folders, quiet: bool = False) -> Finished:
        """What a child process said at its end; `quiet` keeps its notices out of the panel.

        Raises ValueError with its sentence when it failed or was stopped.
        """
        self.stopped = self.idle = False
        self.job = jobs.start(verb, config, folders, environment=self.secrets())
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
    """The tokens of places with models from Colab's Secrets for a child process, where the person keeps some."""
    return _kept(TOKENS)


def keys_of_runs() -> Mapping[str, str]:
    """What a training is given of Colab's Secrets: the tokens for models, and the key of what shows its figures."""
    return _kept((*TOKENS, WANDB_KEY))


def _kept(names: Sequence[str]) -> Mapping[str, str]:
    return {name: token for name in names if (token := colab.read_secret(name))}
