"""The step that opens the dataset in FiftyOne's App, in the notebook or in a tab."""

from collections.abc import Callable

import ipywidgets as W

from lora_nb.config.dataset import DatasetConfig
from lora_nb.config.report import FiftyoneConfig
from lora_nb.events import Event, Finished, Notice
from lora_nb.forms import review
from lora_nb.forms.form import Form
from lora_nb.forms.framed_step import FramedStep
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.undo import UndoStep
from lora_nb.project import Folders
from lora_nb.shell import jobs
from lora_nb.shell.report_verbs import HINT, OPEN

HOW = (
    "Select pictures and tag them <b>set aside</b>; edit the field <b>caption</b>; or tag a label of "
    "<b>tags_wd</b> with <b>remove</b>. Then press <i>Take over the decisions</i>."
)
BLOCKED = "An empty frame means that your browser blocks its cookies: open it in a tab."


class FiftyOneStep(FramedStep):
    """FiftyOne's App on the dataset.

    `redraw` shows the dataset elsewhere as it is after the decisions were taken over.
    """

    called, verb, told = "FiftyOne", "fiftyone", OPEN
    height = 720

    def __init__(
        self, project: ProjectStep, redraw: Callable[[Folders], None] = lambda folders: None
    ) -> None:
        self.redraw = redraw
        self.form = Form(FiftyoneConfig())
        self.take = W.Button(
            description="Take over the decisions",
            icon="check",
            layout=W.Layout(width="auto", min_width="220px"),
        )
        super().__init__(self._act, [self.form.widget], project, icon="external-link")
        self.take.on_click(lambda _: project.presses.carry_out(self.take_over))
        row = self.widget.children[1]  # of the buttons
        row.children = (*row.children, self.take)
        self.undo = self.followed_by(UndoStep(project, redraw))
        self.reading = False

    def take_over(self) -> None:
        """Carry out what was decided: by the App that is open, else from what it left."""
        if self.job is not None and self.works() and not self.reading:
            jobs.request(self.job, "save")
        elif not self.works():
            self.reading = True
            self.press()

    def stop(self) -> None:
        """Close the App, which takes the decisions over before it ends."""
        if not self.reading:
            super().stop()

    async def _act(self) -> str:
        folders = self.project.folders()
        review.need_pictures(folders)
        try:
            end = await (self._read(folders) if self.reading else self._open(folders))
        except ValueError:
            self.result.children = [W.HTML(review.captions(folders, most=24))]
            raise
        finally:
            self.reading = False
        self.redraw(folders)
        return end.text.replace("`undo` takes this back", "The button below takes this back")

    async def _read(self, folders: Folders) -> Finished:
        return await self.run("fiftyone_decisions", DatasetConfig(str(folders.dataset)), folders)

    async def _open(self, folders: Folders) -> Finished:
        self.idle = False
        end = await self.until_closed(self.form.read(train_data_dir=str(folders.dataset)), folders)
        self.idle = end is not None and end.status == "nothing"
        return end or Finished("done", "FiftyOne is closed.")

    def hear(self, event: Event) -> None:
        """As of any such program, but no hint for a terminal; what else is told may have changed the set."""
        if isinstance(event, Notice) and event.text == HINT:
            return
        super().hear(event)
        if isinstance(event, Notice) and not event.text.startswith(OPEN):
            self.redraw(self.project.folders())

    def words(self, link: str) -> str:
        """How decisions are made there, and what to do where nothing is seen."""
        return f'{HOW} {link}. <span style="opacity:.75">{BLOCKED}</span>'
