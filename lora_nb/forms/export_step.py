"""The step that takes the dataset out as one file."""

from pathlib import Path

from lora_nb.config.versions import ExportConfig
from lora_nb.forms import download, review
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.shell import colab


class ExportStep(Step):
    """The dataset as a file to carry away. It is never due: only a person presses it."""

    by_hand = True

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(ExportConfig())
        super().__init__("Take it out", self._export, [self.form.widget], project.presses, icon="archive")

    async def _export(self) -> str:
        folders = self.project.folders()
        review.need_pictures(folders)
        end = await self.run("export", self.form.read(train_data_dir=str(folders.dataset)), folders)
        path = Path(end.files[0])
        self.result.children = [] if colab.is_colab() else [download.link(path)]
        return f"{end.text} {colab.offer_download(path)}" if colab.is_colab() else end.text
