"""The button that opens TensorBoard with all runs of the project."""

from html import escape

import ipywidgets as W

from lora_nb.config.board import TensorboardConfig
from lora_nb.events import Event, Finished, Notice
from lora_nb.forms.follow import follow
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.shell import colab, jobs
from lora_nb.shell.figure_verbs import BOARD

HEIGHT = 640


class BoardStep(Step):
    """TensorBoard in a frame, and a link to it. It is never due: only a person presses it."""

    by_hand = True

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(TensorboardConfig())
        super().__init__("Open TensorBoard", self._open, [], project.presses, icon="line-chart")
        self.button.button_style = ""
        self.cancel.description = "Close TensorBoard"
        self.cancel.layout.width = "auto"

    def stop(self) -> None:
        """Close it."""
        if self.job is not None:
            jobs.request(self.job, "stop")
            self.panel.say("Closing ...")

    async def _open(self) -> str:
        """Until it is closed the frame with it is shown. One that is open already is shown again."""
        folders = self.project.folders()
        open_one = jobs.latest(folders, "tensorboard")
        if open_one is None or not jobs.is_running(open_one):
            open_one = jobs.start("tensorboard", self.form.read(runs_dir=str(folders.runs)), folders)
        self.job = open_one
        self.cancel.layout.display = ""
        try:
            end = await follow(self.job, self._hear, self.panel.redraw)
        finally:
            self.cancel.layout.display = "none"
            self.result.children = []
        if error := jobs.last_error(self.job):
            raise ValueError(error)
        return (end or Finished("done", "TensorBoard is closed.")).text

    def _hear(self, event: Event) -> None:
        if isinstance(event, Notice) and event.text.startswith(BOARD):
            self.panel.say("TensorBoard is open.", "good")
            self.result.children = [W.HTML(frame(event.text.removeprefix(BOARD).strip()))]
        else:
            self.panel.take(event)


def frame(address: str) -> str:
    """HTML of TensorBoard, with a link to it for where a frame cannot show it."""
    address = escape(colab.reachable(address))
    style = f"width:100%;height:{HEIGHT}px;border:1px solid #8886"
    return (
        f'<div style="line-height:1.5"><a href="{address}" target="_blank" rel="noopener">Open it in a tab</a></div>'
        f'<iframe src="{address}" title="TensorBoard" style="{style}"></iframe>'
    )
