"""The step that brings pictures into the dataset."""

import ipywidgets as W

from lora_nb import events
from lora_nb.config.intake import ImportConfig
from lora_nb.dataset import example, images
from lora_nb.forms import gallery, review
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.undo import UndoStep
from lora_nb.forms.uploads import NOT_ARRIVED, Upload
from lora_nb.project import Folders


class ImportStep(Step):
    """Pictures into the dataset folder."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(ImportConfig())
        self.upload = Upload()
        parts = [self.form.widget, self.upload.widget]
        super().__init__("Import the pictures", self._import, parts, project.presses, icon="download")
        self.undo = self.followed_by(UndoStep(project, self._show_pictures))

    def preset(self) -> None:
        """Name the example pictures in the project that is called after them, while it is empty."""
        empty = not review.pictures(self.project.folders())
        if self.project.is_for_the_example() and example.CHARACTER.is_file() and empty:
            self.form.write(source=str(example.CHARACTER))

    def empty(self) -> None:
        """Forget the upload too."""
        self.form.reset()
        self.upload.empty()

    async def _import(self) -> str:
        folders = self.project.folders()
        given = self.upload.take()
        source = {} if given is None else {"source": str(given)}
        wanted = self.form.read(train_data_dir=str(folders.dataset), **source)
        if not wanted.source.strip():
            return self._keep(folders)
        end = await self.run("import", wanted, folders)
        self._show_pictures(folders)
        return end.text

    def _keep(self, folders: Folders) -> str:
        """Say what was there before, as nothing came. Raises ValueError when there is nothing."""
        there = review.pictures(folders)
        if not there:
            raise ValueError(NOT_ARRIVED)
        self._show_pictures(folders)
        self.panel.take(events.Notice(_NOTHING_NEW, "warning"))
        self.panel.redraw()
        return f"{len(there)} pictures are in {folders.dataset}."

    def _show_pictures(self, folders: Folders) -> None:
        thumbs = [gallery.Thumb(item.path) for item in images.scan(folders.dataset, verify=False).items]
        self.result.children = [W.HTML(gallery.thumbnails(thumbs, side=96))]


_NOTHING_NEW = "No new pictures have arrived, and no path was given. " + NOT_ARRIVED.partition(". ")[2]
