"""The step that brings pictures to a size, a format, a background."""

import ipywidgets as W

from lora_nb.config.pictures import PrepareConfig
from lora_nb.forms import review
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.undo import UndoStep
from lora_nb.pictures import before_after
from lora_nb.project import Folders

MOST = 8  # pairs of pictures kept in the notebook; the sheet holds more


class PrepareStep(Step):
    """Pictures brought to a size, a format, a background; it does nothing unless something is asked for."""

    by_hand = True

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(PrepareConfig())
        super().__init__(
            "Prepare the pictures", self._prepare, [self.form.widget], project.presses, icon="crop"
        )
        self.undo = self.followed_by(UndoStep(project, self._clear))

    async def _prepare(self) -> str:
        folders = self.project.folders()
        review.need_pictures(folders)
        wanted = self.form.read(train_data_dir=str(folders.dataset))
        end = await self.run("prepare", wanted, folders)
        if end.status == "done":
            self._show_sheet(folders)
        return end.text.replace("`undo` brings", "Undo brings")

    def _show_sheet(self, folders: Folders) -> None:
        sheet = folders.report / before_after.REPORT
        if sheet.is_file():
            rows = before_after.first_rows(sheet.read_text(encoding="utf-8"), MOST)
            more = f'<div style="opacity:.7">All of them: {sheet}</div>'
            self.result.children = [W.HTML(f"<b>Before and after</b>{rows}{more}")]

    def _clear(self, folders: Folders) -> None:
        self.result.children = ()
