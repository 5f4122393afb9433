"""The step that opens the dataset in FiftyOne's App, in the notebook or in a tab."""

from collections.abc import Callable
from html import escape

import ipywidgets as W

from lora_nb.config.dataset import DatasetConfig
from lora_nb.config.report import FiftyoneConfig
from lora_nb.events import Event, Finished, Notice
from lora_nb.forms import review
from lora_nb.forms.follow import follow
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.undo import UndoStep
from lora_nb.project import Folders
from lora_nb.shell import colab, jobs
from lora_nb.shell.report_verbs import HINT, OPEN

HEIGHT = 720
HOW = (
    "Select pictures and tag them <b>set aside</b>; edit the field <b>caption</b>; or tag a label of "
    "<b>tags_wd</b> with <b>remove</b>. Then press <i>Take over the decisions</i>."
)
BLOCKED = "An empty frame means that your browser blocks its cookies: open it in a tab."


class FiftyOneStep(Step):
    """FiftyOne's App on the dataset. It is never due: only a person presses it.

    `redraw` shows the dataset elsewhere as it is after the decisions were taken over.
    """

    by_hand = True

    def __init__(
        self, project: ProjectStep, redraw: Callable[[Folders], None] = lambda folders: None
    ) -> None:
        self.project, self.redraw = project, redraw
        self.form = Form(FiftyoneConfig())
        self.take = W.Button(
            description="Take over the decisions",
            icon="check",
            layout=W.Layout(width="auto", min_width="220px"),
        )
        super().__init__(
            "Open FiftyOne", self._act, [self.form.widget], project.presses, icon="external-link"
        )
        self.take.on_click(lambda _: project.presses.carry_out(self.take_over))
        self.cancel.description = "Close FiftyOne"
        self.cancel.layout.width = "auto"
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
        if self.job is not None and not self.reading:
            jobs.request(self.job, "stop")
            self.panel.say("Closing ...")

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
        """The end of the App: until then the frame with it is shown. One that is open already is shown again."""
        self.idle = False
        open_one = jobs.latest(folders, "fiftyone")
        if open_one is None or not jobs.is_running(open_one):
            open_one = jobs.start("fiftyone", self.form.read(train_data_dir=str(folders.dataset)), folders)
        self.job = open_one
        self.cancel.layout.display = ""
        try:
            end = await follow(self.job, self._hear, self.panel.redraw)
        finally:
            self.cancel.layout.display = "none"
            self.result.children = []
        if error := jobs.last_error(self.job):
            raise ValueError(error)
        self.idle = end is not None and end.status == "nothing"
        return end or Finished("done", "FiftyOne is closed.")

    def _hear(self, event: Event) -> None:
        if isinstance(event, Notice) and event.text.startswith(OPEN):
            self.panel.say("FiftyOne is open.", "good")
            self.result.children = [W.HTML(frame(event.text.removeprefix(OPEN).strip()))]
        elif not isinstance(event, Notice) or event.text != HINT:
            self.panel.take(event)
            if isinstance(event, Notice):
                self.redraw(self.project.folders())


def frame(address: str) -> str:
    """HTML of the App, with a link to it for where a frame cannot show it."""
    address = escape(colab.reachable(address))
    link = f'<a href="{address}" target="_blank" rel="noopener">Open it in a tab</a>'
    words = f'{HOW} {link}. <span style="opacity:.75">{BLOCKED}</span>'
    style = f"width:100%;height:{HEIGHT}px;border:1px solid #8886"
    return (
        f'<div class="lora-nb-fiftyone" style="line-height:1.5">{words}</div>'
        f'<iframe src="{address}" title="FiftyOne" style="{style}"></iframe>'
    )
