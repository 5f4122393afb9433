"""The button that takes back the last step on the dataset."""

from collections.abc import Callable

from lora_nb.config.dataset import DatasetConfig
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.project import Folders


class UndoStep(Step):
    """Takes back the last step on the dataset, whatever it was; pressed again, the one before.

    It is never due: only a person presses it. `redraw` shows the dataset as it is then.
    """

    def __init__(self, project: ProjectStep, redraw: Callable[[Folders], None]) -> None:
        self.project, self.redraw = project, redraw
        super().__init__("Undo the last step", self._undo, [], project.presses, icon="undo")
        self.button.button_style = ""
        self.button.tooltip = (
            "Takes back what changed last: captions written, pictures imported, set aside or brought back. "
            "What you changed yourself since stays."
        )

    def empty(self) -> None:
        """Have no form to empty."""

    async def _undo(self) -> str:
        folders = self.project.folders()
        end = await self.run("undo", DatasetConfig(str(folders.dataset)), folders)
        self.redraw(folders)
        return end.text
