"""The first step of both notebooks: which project, and where its folders lie."""

from pathlib import Path

from lora_nb import colab, project
from lora_nb.config import ProjectConfig
from lora_nb.forms.form import Form
from lora_nb.forms.step import Step
from lora_nb.project import Folders

FIRST_PROJECT = "my_character"


class ProjectStep(Step):
    """The project form. `folders()` is the project the form names, made on disk when `create` is set.

    Choosing another project later makes the `followers` forget what they showed.
    """

    def __init__(self, label: str, create: bool) -> None:
        self.create = create
        self.chosen: Path | None = None
        self.followers: tuple[Step, ...] = ()
        self.form = Form(ProjectConfig())
        super().__init__(label, self._choose, [self.form.widget], icon="folder-open")

    def preset(self) -> None:
        """Offer the projects there are, the newest first; a new name where a dataset is to be made."""
        names = existing_projects(colab.mount_drive())
        self.form = Form(ProjectConfig(), {"project": names} if names else None)
        self.form.write(project=FIRST_PROJECT if self.create or not names else names[0])
        self.widget.children = [self.form.widget, *self.widget.children[1:]]

    async def _choose(self) -> str:
        folders = self.folders()
        if self.create:
            folders.create()
        elif not folders.dataset.is_dir():
            raise ValueError(f"{folders.dataset} does not exist: make the dataset in Dataset Maker first")
        if self.chosen not in (None, folders.base):
            for step in self.followers:
                step.forget()
        self.chosen = folders.base
        return f"{self.name()}: everything lies in {folders.base}"

    def name(self) -> str:
        """The project's name."""
        return self.form.read().project

    def folders(self) -> Folders:
        """The chosen project's folders. Raises ValueError for an unusable name or a Drive that is not there."""
        config = self.form.read()
        root = Path(config.root).expanduser() if config.root else colab.mount_drive()
        return project.project_folders(root, config.project)


def existing_projects(root: Path) -> list[str]:
    """The names of the projects under `root`, the last one worked on first."""
    found = {path.parent: path.stat().st_mtime for path in root.glob("Loras/*/dataset")}
    return [folder.name for folder in sorted(found, key=found.get, reverse=True)]
