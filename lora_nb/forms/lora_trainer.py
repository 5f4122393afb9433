"""The LoRA Trainer notebook: from a folder of pictures with captions to the checkpoint and strength to use."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ipywidgets as W
from IPython.display import display

from lora_nb.events import Finished
from lora_nb.forms import review
from lora_nb.forms.follow import TICK, Stopped, follow, pause, sentence
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.shown import Shown
from lora_nb.forms.step import Step, keys_of_runs
from lora_nb.forms.train_panel import TrainPanel
from lora_nb.forms.train_steps import GridStep, SettingsStep, TryStep
from lora_nb.forms.watch import watch
from lora_nb.shell import jobs
from lora_nb.training import kept_settings

if TYPE_CHECKING:  # a notebook's first cell does not wait for what the next ones show
    from lora_nb.forms.after import After
    from lora_nb.forms.before_start import BeforeStart
    from lora_nb.forms.board_step import BoardStep
    from lora_nb.forms.runs_panel import RunsPanel

SECONDS_TO_STOP = 60


class LoraTrainer:
    """The steps of the notebook. Each method shows one step, after finishing the steps shown before it."""

    def __init__(self) -> None:
        self.project = ProjectStep("Use this project", create=False)
        self.settings = SettingsStep(self.project)
        self.grid = GridStep(self.project, self.settings)
        self.trying = TryStep(self.project, self.settings)
        self.panel = TrainPanel(self.project.presses)
        self.files = Shown()
        self.project.followers = (self.settings, self.grid, self.trying, self.panel, self.files)
        listening = watch()
        for part in (self.project, self.settings, self.grid, self.trying, self.panel):
            part.widget.children += (listening,)

    @cached_property
    def board(self) -> "BoardStep":
        """The button that opens TensorBoard; this and the next ones are made where they are first shown."""
        from lora_nb.forms.board_step import BoardStep

        return self._followed(BoardStep(self.project))

    @cached_property
    def after(self) -> "After":
        """What can be done with a run's files."""
        from lora_nb.forms.after import After

        return self._followed(After(self.project, self.settings.config))

    @cached_property
    def before(self) -> "BeforeStart":
        """The list before the start, under the form."""
        from lora_nb.forms.before_start import Acts, BeforeStart

        acts = Acts(self.settings.config, self._start)
        made = self._followed(BeforeStart(self.settings.form, acts, self.project.presses))
        self.settings.widget.children += (made.widget,)
        return made

    @cached_property
    def runs(self) -> "RunsPanel":
        """The list of runs, and the queue."""
        from lora_nb.forms.runs_panel import RunsPanel

        return self._followed(RunsPanel(self.project, self.settings.config, self.settings.load))

    def _followed(self, panel: Any) -> Any:
        """A panel that another project empties."""
        self.project.followers = (*self.project.followers, panel)
        return panel

    def choose_project(self) -> None:
        """Show the project form."""
        self.project.show()
        if not jobs.gpu_count():
            display(W.HTML(sentence(_NO_GPU, "warning")))

    async def choose_settings(self) -> None:
        """Show the form of the run, preset from Dataset Maker or the project's last run, and the list of runs."""
        await self.project.settle()
        self.settings.show()
        self.before.show()
        self.runs.show()

    async def _start(self) -> str:
        """Begin the training, which the next cell shows; what to say of it."""
        await self._job()
        return "The training runs: the next cell shows it, and it goes on when this page is closed."

    async def train(self) -> None:
        """Train with the form's settings, or follow the training that runs already; ends when it ends.

        The buttons answer meanwhile. Interrupting the cell lets the training save its state first.
        """
        await self._settle(self.project, self.settings)
        display(self.panel.widget, self.board.widget)
        try:
            if not self.settings.shown:
                self.settings.preset()
            job = await self._job()
            purpose = self.settings.config().about.purpose
            self.panel.begin(job, self.settings.run_folder().metrics, purpose, self.before.sentences)
        except (ValueError, OSError) as error:
            self.panel.panel.say(str(error), "bad")
            return
        await self._follow(job)

    async def _follow(self, job: jobs.Job) -> None:
        try:
            self._show_end(job, await follow(job, self.panel.take, self.panel.redraw))
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.panel.press_stop()
            with suppress(TimeoutError):
                await asyncio.wait_for(follow(job, self.panel.take, self.panel.redraw), SECONDS_TO_STOP)
            raise Stopped("Stopped, and what was learnt is kept: run this cell again to go on.") from None
        finally:
            self.panel.rest()

    async def _job(self) -> jobs.Job:
        """The training of this project that runs, or a new one."""
        folders = self.project.folders()
        running = jobs.latest(folders, "train")
        while running is not None and jobs.is_running(running) and jobs.finished(running):
            await pause(TICK)
        if running is not None and jobs.is_running(running):
            return running
        config = self.settings.config()
        if not review.pictures(folders):
            raise ValueError(f"{folders.dataset} holds no pictures: bring some in with Dataset Maker first")
        from lora_nb.training import ready  # a notebook's first cell is not to wait for it

        if not ready.is_free(rows := await self.before.look()):
            raise ValueError(ready.in_words(rows))
        if name := self.runs.at_work():
            raise ValueError(
                f'the queue trains "{name}" now: press "Add to the queue", and this run comes after it'
            )
        self.settings.form.write(on_existing="resume")
        kept_settings.keep_early(config)
        return jobs.start("train", config, folders, max(1, jobs.gpu_count()), keys_of_runs())

    def _show_end(self, job: jobs.Job, end: Finished | None) -> None:
        self.panel.draw_whole_curve()
        if end is not None and end.status == "stopped":
            self.panel.panel.say(end.text, "warning")
        elif end is None and self.panel.stopping:
            self.panel.panel.say(_STOPPED, "warning")
        elif error := jobs.last_error(job):
            self.panel.panel.say(error, "bad")
            return
        else:
            self.panel.panel.say(end.text if end else "Done.", "good")
        self.panel.files.value = _results([Path(file) for file in end.files] if end else [])

    async def draw_grid(self) -> None:
        """Show the form of the X/Y grid, and the newest grid there is."""
        await self._settle(self.project)
        self.grid.show()
        if self._was_stopped():
            self.grid.hold(
                "The training was stopped: press the button to draw the grid of the files there are."
            )

    def _was_stopped(self) -> bool:
        """Whether the last training was this project's, and was stopped."""
        job = self.panel.job
        return self.panel.stopping and job is not None and jobs.is_of(job, self.project.folders())

    async def try_it(self) -> None:
        """Show the form that draws pictures with the LoRA."""
        await self._settle(self.project)
        self.trying.show()

    async def download(self) -> None:
        """Show the LoRA files, each with its download, and what else can be done with them."""
        await self._settle(self.project)
        try:
            self.files.show(self.after.widget())
        except ValueError as error:
            self.files.show(W.HTML(sentence(str(error), "bad")))

    async def _settle(self, *steps: Step) -> None:
        for step in steps:
            await step.settle()


_NO_GPU = (
    "This machine shows no NVIDIA GPU: fine for the built-in demo base, days for a real one. "
    "On Colab: Runtime > Change runtime type > T4 GPU."
)
_STOPPED = "Stopped. Run this cell again to go on."


def _results(files: Sequence[Path]) -> str:
    """HTML of the LoRA files, and where the grid is shown, if one was drawn."""
    grids = [path for path in files if path.suffix == ".png"]
    loras = [path for path in files if path.suffix == ".safetensors"]
    rows = "".join(f"<li>{path}</li>" for path in loras)
    listed = f'<b>LoRA files</b><ul style="margin:0;line-height:1.4">{rows}</ul>' if loras else ""
    return listed + (sentence("Which epoch, how strong? The next cell shows the grid.") if grids else "")
