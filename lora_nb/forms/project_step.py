"""The first step of both notebooks: which project, and where its folders lie."""

from html import escape
from pathlib import Path

import ipywidgets as W

import lora_nb
from lora_nb import project
from lora_nb.config.project import ProjectConfig
from lora_nb.forms.form import Form
from lora_nb.forms.presses import Presses
from lora_nb.forms.shown import Follower
from lora_nb.forms.step import Step
from lora_nb.project import Folders
from lora_nb.shell import colab

FIRST_PROJECT = "my_character"
EXAMPLE_PROJECT = "example"


class ProjectStep(Step):
    """The project form. `folders()` is the project the form names, made on disk when `create` is set.

    Naming another project later makes the `followers` forget what they showed.
    """

    def __init__(self, label: str, create: bool) -> None:
        self.create = create
        self.chosen: Path | None = None
        self.followers: tuple[Follower, ...] = ()
        self.form = Form(ProjectConfig())
        self.example = W.Button(
            description="Try it with the example pictures",
            icon="picture-o",
            layout=W.Layout(width="300px", margin="2px 0 2px 213px", display="" if create else "none"),
        )
        parts = [self.form.widget, self.example, W.HTML(which_version())]
        super().__init__(label, self._choose, parts, Presses(), icon="folder-open")
        self.example.on_click(lambda _: self.presses.carry_out(self.choose_example))

    def preset(self) -> None:
        """Offer the projects there are, the last one worked on first; a name to change where there is none."""
        names = project.existing(colab.mount_drive())
        self.form = Form(ProjectConfig(), {"project": names} if names else None)
        self.form.write(project=next(iter(names), FIRST_PROJECT))
        self.widget.children = [self.form.widget, *self.widget.children[1:]]
        for field in self.form.fields.values():
            field.control.observe(lambda _: self.presses.carry_out(self._follow_name), "value")

    def choose_example(self) -> None:
        """Take the project that the example pictures are for."""
        self.form.write(project=EXAMPLE_PROJECT)
        self.press()

    def _follow_name(self) -> None:
        """Forget the project before when the form names another one."""
        try:
            folders = self.folders()
        except (ValueError, OSError):
            return  # the field says what is wrong with the name
        if self.chosen not in (None, folders.base):
            self.chosen = folders.base
            self.done, self.task = False, None
            self.panel.clear()
            for follower in self.followers:
                follower.forget()

    async def _choose(self) -> str:
        folders = self.folders()
        self.chosen = folders.base
        if self.create:
            folders.create()
        elif not folders.dataset.is_dir():
            raise ValueError(f"{folders.dataset} does not exist: make the dataset in Dataset Maker first")
        return f"{self.name()}: everything lies in {folders.base}"

    def name(self) -> str:
        """The project's name."""
        return self.form.read().project

    def folders(self) -> Folders:
        """The named project's folders. Raises ValueError for an unusable name or a Drive that is not there."""
        config = self.form.read()
        root = Path(config.root).expanduser() if config.root else colab.mount_drive()
        return project.project_folders(root, config.project)

    def is_for_the_example(self) -> bool:
        """Whether this is the project that the example pictures are for."""
        return self.name() == EXAMPLE_PROJECT


def which_version() -> str:
    """HTML of the version that this notebook runs, and where it lies."""
    place = escape(str(Path(lora_nb.__file__).parent))
    return f'<small style="opacity:.7">lora_nb {escape(lora_nb.__version__)}, from {place}</small>'
