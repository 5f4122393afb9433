"""What stands against starting a run, as rows with a button where one press mends, and the button that starts it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import ipywidgets as W

from lora_nb.config.training import TrainConfig
from lora_nb.forms.follow import pause, sentence
from lora_nb.forms.form import Form
from lora_nb.forms.presses import Presses
from lora_nb.forms.told import in_words
from lora_nb.wording import first_line

if TYPE_CHECKING:  # the list is made of what a notebook's first cell is not to wait for
    from lora_nb.training.machine import Machine
    from lora_nb.training.ready_row import Harm, Row

QUIET = 0.7  # seconds without a change before the list is made anew
LEVELS = {"red": "bad", "yellow": "warning", "grey": "info"}
LOOKING = "Looking at the settings, the pictures and the machine ..."
NOT_LOOKED = (
    "What stands against the start could not be looked at ({}: {}). Look again; if it stays so, the training may start "
    "all the same and says what is wrong."
)
NOT_STARTED = "It could not be started ({}: {}). Press the button to try again."


@dataclass(frozen=True)
class Acts:
    """What the list asks of the notebook: the settings as they stand (ValueError for bad ones), and to start."""

    config: Callable[[], TrainConfig]
    start: Callable[[], Awaitable[str]]


class BeforeStart:
    """The list, made anew in a thread when the form has changed and rests; the button is off while a row is red."""

    def __init__(self, form: Form, acts: Acts, presses: Presses) -> None:
        self.form, self.acts, self.presses = form, acts, presses
        self.rows: tuple[Row, ...] | None = None
        self.machine: Machine | None = None
        self.task: asyncio.Task | None = None
        self.changes = 0
        self.listed = W.VBox(layout=W.Layout(width="100%"))
        self.said = W.HTML(layout=W.Layout(flex="1 1 320px"))
        self.button = W.Button(
            description="Start training", icon="play", button_style="primary", disabled=True,
            layout=W.Layout(width="auto", min_width="220px"),
        )  # fmt: skip
        self.again = W.Button(description="Look again", icon="refresh", layout=W.Layout(width="auto"))
        self.button.on_click(lambda _: presses.carry_out(self.press))
        self.again.on_click(lambda _: presses.carry_out(self.touch))
        for field in form.fields.values():
            field.control.observe(lambda _: presses.carry_out(self.touch), "value")
        line = W.HBox(
            [self.button, self.again, self.said], layout=W.Layout(flex_flow="row wrap", width="100%")
        )
        heading = W.HTML("<b>Before the start</b>")
        self.widget = W.VBox([heading, self.listed, line], layout=W.Layout(width="100%", display="none"))

    def show(self) -> None:
        """Be seen, and look."""
        self.widget.layout.display = ""
        self.touch()

    def forget(self) -> None:
        """Be as new: the project is another one."""
        self.changes += 1
        self.rows, self.listed.children = None, ()
        self.widget.layout.display = "none"
        self.button.disabled = True

    def touch(self) -> None:
        """Make the list anew as soon as nothing has changed for a moment; a list that is under way is made again."""
        self.changes += 1
        if self.widget.layout.display == "none":
            return
        self._wait(LOOKING)
        if (self.task is None or self.task.done()) and _has_loop():
            self.task = asyncio.ensure_future(self._look())

    async def _look(self) -> None:
        seen = -1
        while seen != self.changes:
            seen = self.changes
            await asyncio.sleep(QUIET)
            if seen == self.changes:
                rows = await self.look()
        self._take(rows)

    async def look(self) -> "tuple[Row, ...]":
        """The list as it is now, made in a thread: disks, headers and a Hub that is slow to answer hold nobody up."""
        try:
            return await self._rows()
        except Exception as error:  # whatever it is, the button must not be left at "Looking"
            return (_row("look", "yellow", NOT_LOOKED.format(type(error).__name__, first_line(error))),)

    async def _rows(self) -> "tuple[Row, ...]":
        try:
            config = self.acts.config()
        except (ValueError, OSError) as error:
            return (_row("settings", "red", str(error)),)
        from lora_nb.shell import this_machine

        logins = this_machine.logins(config)  # Colab is asked for its Secrets here, where it can answer
        return await asyncio.to_thread(self._listed, config, logins)

    @property
    def sentences(self) -> frozenset[str]:
        """What stands in the list now."""
        return frozenset(row.sentence.rstrip(".") for row in self.rows or ())

    def _listed(self, config: TrainConfig, logins: tuple[str, ...]) -> "tuple[Row, ...]":
        from lora_nb.shell import this_machine
        from lora_nb.training import ready

        self.machine = this_machine.look(self.machine)
        return ready.look(config, self.machine, this_machine.places(logins))

    def press(self) -> None:
        """Start, where nothing is against it."""
        if not self.button.disabled and (self.task is None or self.task.done()):
            self.task = asyncio.ensure_future(self._start())

    async def _start(self) -> None:
        self._wait("Starting ...")
        try:
            self.said.value = sentence(await self.acts.start(), "good")
        except Exception as error:  # as above
            known = isinstance(error, ValueError | OSError)
            words = str(error) if known else NOT_STARTED.format(type(error).__name__, first_line(error))
            self.said.value = sentence(words, "bad")
            self.button.disabled, self.button.tooltip = False, ""

    def mend(self, row: "Row") -> None:
        """Fill in what puts a row right."""
        self.form.write(**dict(row.mend))
        self.touch()

    def _wait(self, words: str) -> None:
        self.button.disabled, self.button.tooltip = True, words
        self.said.value = sentence(words)

    def _take(self, rows: "tuple[Row, ...]") -> None:
        from lora_nb.training import ready

        self.rows, words, free = rows, ready.in_words(rows), ready.is_free(rows)
        self.listed.children = [self._row(row) for row in rows]
        self.button.disabled, self.button.tooltip = not free, in_words(words)
        self.said.value = sentence(words, "info" if free else "bad")

    def _row(self, row: "Row") -> W.HBox:
        words = W.HTML(sentence(row.sentence, LEVELS[row.harm]), layout=W.Layout(flex="1 1 420px"))
        parts: list[W.Widget] = [words]
        if row.mend:
            tip = in_words(", ".join(f"{name} = {value}" for name, value in row.mend))
            button = W.Button(
                description=row.label, icon="wrench", tooltip=tip, layout=W.Layout(width="auto")
            )
            button.on_click(lambda _: self.presses.carry_out(partial(self.mend, row)))
            parts.append(button)
        return W.HBox(parts, layout=W.Layout(flex_flow="row wrap", align_items="center", width="100%"))

    async def settle(self) -> None:
        """Wait until the list is made."""
        while self.task is not None and not self.task.done():
            await pause(QUIET / 4)


def _row(kind: str, harm: "Harm", words: str) -> "Row":
    from lora_nb.training.ready_row import Row

    return Row(kind, harm, words)


def _has_loop() -> bool:
    """Whether anything can be carried out later: not where a script fills in a form without a cell."""
    try:
        return bool(asyncio.get_running_loop())
    except RuntimeError:
        return False
