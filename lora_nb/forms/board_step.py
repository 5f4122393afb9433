"""The button that opens TensorBoard with all runs of the project."""

from lora_nb.config.board import TensorboardConfig
from lora_nb.forms.form import Form
from lora_nb.forms.framed_step import FramedStep
from lora_nb.forms.project_step import ProjectStep
from lora_nb.shell.figure_verbs import BOARD


class BoardStep(FramedStep):
    """TensorBoard in a frame, and a link to it."""

    called, verb, told = "TensorBoard", "tensorboard", BOARD

    def __init__(self, project: ProjectStep) -> None:
        self.form = Form(TensorboardConfig())
        super().__init__(self._open, [], project, icon="line-chart")
        self.button.button_style = ""

    async def _open(self) -> str:
        folders = self.project.folders()
        end = await self.until_closed(self.form.read(runs_dir=str(folders.runs)), folders)
        return end.text if end else "TensorBoard is closed."
