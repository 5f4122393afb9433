"""A running training as the notebook shows it, and the buttons that reach it."""

import time
from collections.abc import Callable
from pathlib import Path

import ipywidgets as W

from lora_nb.events import Drawn, Event, Finished, Notice, Progress, Saved, StepLog
from lora_nb.forms import sample_table
from lora_nb.forms.curve import SHOWN, Losses
from lora_nb.forms.follow import Panel
from lora_nb.forms.presses import Presses
from lora_nb.shell import jobs

STOP, SAVE, SAMPLE = "stop", "save", "sample"
SECONDS_BETWEEN_CURVES = 0.5


class TrainPanel:
    """Step math, bar, loss curve and newest samples of one training; stop, save now and sample now."""

    def __init__(self, presses: Presses | None = None) -> None:
        self.presses = presses or Presses()
        self.panel = Panel()
        self.numbers, self.curve, self.samples, self.files = W.HTML(), W.HTML(), W.HTML(), W.HTML()
        self.stop = self._button("Stop", "stop", self.press_stop)
        self.save = self._button("Save now", "save", lambda: self._ask(SAVE, "Saving after this step ..."))
        self.sample = self._button(
            "Sample now", "image", lambda: self._ask(SAMPLE, "Drawing after this step ...")
        )
        self.buttons = W.HBox([self.stop, self.save, self.sample])
        self.widget = W.VBox(
            [self.panel.widget, self.buttons, self.numbers, self.curve, self.samples, self.files],
            layout=W.Layout(width="100%"),
        )
        self.job: jobs.Job | None = None
        self.stopping = False
        self.rest()

    def _button(self, label: str, icon: str, act: Callable[[], None]) -> W.Button:
        button = W.Button(description=label, icon=icon)
        button.on_click(lambda _: self.presses.carry_out(act))
        return button

    def begin(
        self, job: jobs.Job, metrics: Path, purpose: str = "", said: frozenset[str] = frozenset()
    ) -> None:
        """Forget the last training and show this one; `metrics` holds the losses from before an interruption.

        `said` are warnings that stand elsewhere in the page, without their full stop: they are not said again.
        """
        self.said = said
        self.job, self.metrics, self.stopping = job, metrics, False
        self.losses, self.drawn, self.step = Losses(purpose), {}, None
        self.newest_drawn: tuple[str, ...] = ()
        self._curve_at = 0.0
        self._clear()
        self.resting = False
        for button in self.buttons.children:
            button.disabled = False
        self.panel.say("Loading the base and reading the pictures ...")

    def _clear(self) -> None:
        self.panel.clear()
        self.numbers.value = self.curve.value = self.samples.value = self.files.value = ""

    def forget(self) -> None:
        """Be as new: the project is another one. A training that is followed is followed on."""
        if self.resting:
            self.job, self.stopping = None, False
            self._clear()

    def rest(self) -> None:
        """Nothing runs: the buttons have nothing to reach."""
        self.resting = True
        for button in self.buttons.children:
            button.disabled = True
        self.panel.rest()

    def take(self, event: Event) -> None:
        """Note an event; `redraw` shows it."""
        if isinstance(event, StepLog):
            if self.step is None and event.step > 1:
                self.losses.read(self.metrics)
            self.step = event
            self.panel.take(Progress("Training", event.step, event.total_steps))
        if isinstance(event, SHOWN):
            self.losses.add(event)
        elif isinstance(event, Drawn):
            self.newest_drawn = event.paths
            self.drawn.update(dict.fromkeys(event.paths, event))
        elif isinstance(event, Saved):
            self.panel.take(
                Notice(f"{Path(event.path).name} is saved (epoch {event.epoch}, step {event.step})")
            )
        elif not isinstance(event, Finished) and not self._is_said(event):
            self.panel.take(event)

    def _is_said(self, event: Event) -> bool:
        return isinstance(event, Notice) and event.level == "warning" and event.text.rstrip(".") in self.said

    def redraw(self) -> None:
        """Show what was noted since."""
        self.panel.redraw()
        if self.step is not None:
            self.numbers.value = in_numbers(self.step)
            if not self.stopping:
                self.panel.say("Training ...")
        if time.monotonic() - self._curve_at > SECONDS_BETWEEN_CURVES:
            self.draw_curve()
        if self.newest_drawn:
            self.newest_drawn = ()
            self._draw_samples()

    def draw_curve(self) -> None:
        """Bring the loss curve up to date."""
        self._curve_at = time.monotonic()
        self.curve.value = self.losses.draw()

    def draw_whole_curve(self) -> None:
        """The curve of a training that ended, also of one that had ended before it was looked at."""
        if not self.losses.steps:
            self.losses.read(self.metrics)
        self.draw_curve()

    def _draw_samples(self) -> None:
        newest = next((path for path, event in self.drawn.items() if event.kind == "sample"), None)
        self.samples.value = sample_table.draw(Path(newest).parent) if newest else ""

    def press_stop(self) -> None:
        """Ask for a stop that loses nothing; before the first step, and while the grid is drawn, end at once."""
        if self.job is None:
            return
        training = self.step is not None and self.step.step < self.step.total_steps
        if training and not self.stopping:
            jobs.request(self.job, STOP)
            self.panel.say("Stopping after this step; what was learnt is kept ...")
        else:
            jobs.stop(self.job)
            self.panel.say("Stopping ...")
        self.stopping = True

    def _ask(self, name: str, words: str) -> None:
        if self.job is not None:
            jobs.request(self.job, name)
            self.panel.say(words)


def in_numbers(step: StepLog) -> str:
    """One line of HTML about where the training is."""
    left = in_words(step.eta_seconds)
    plain = ""
    if step.plain is not None and step.plain != step.loss:
        plain = f" · plain error {step.plain:.4f}, average {step.plain_average:.4f}"
    return (
        f'<div class="lora-nb-numbers" style="line-height:1.5">step <b>{step.step}</b> of {step.total_steps} · '
        f"epoch {step.epoch} · {step.steps_per_second:.2f} steps/s · {left} left · "
        f"loss {step.loss:.4f}, average {step.loss_average:.4f}{plain}</div>"
    )


def in_words(seconds: float) -> str:
    """`about 3 min 20 s`; `?` for a time not known yet."""
    if not 0 <= seconds < float("inf"):
        return "?"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"about {hours} h {minutes} min"
    return f"about {minutes} min {rest} s" if minutes else f"about {rest} s"
