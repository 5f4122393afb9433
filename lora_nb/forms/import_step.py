"""The step that brings pictures into the dataset."""

from collections.abc import Mapping

import ipywidgets as W

from lora_nb import events
from lora_nb.config.intake import ImportConfig, LookConfig
from lora_nb.dataset import example
from lora_nb.forms import import_summary, review
from lora_nb.forms.folder_choice import FolderChoice
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step, hub_token
from lora_nb.forms.undo import UndoStep
from lora_nb.forms.upload_widget import Upload
from lora_nb.intake import boards, import_report, subsets
from lora_nb.project import Folders
from lora_nb.redact import redact
from lora_nb.shell import colab
from lora_nb.wording import counted

NOT_ARRIVED = (
    "No pictures have arrived. Drop them above, or write into source where they are: the path of a zip or a folder, a "
    "web address, or tags of an image board."
)
_LOOK = (
    '<div style="line-height:1.3;margin-left:8px"><span style="opacity:.7">only for a source with folders called '
    "N_name: choose which come in, how often their pictures are seen, and a trigger word for each</span></div>"
)
_NOTHING_NEW = "No new pictures have arrived." + NOT_ARRIVED.partition(".")[2]


class ImportStep(Step):
    """Pictures into the dataset folder."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(ImportConfig())
        self.upload = Upload()
        self.folders = FolderChoice()
        self.look = W.Button(
            description="Look inside first", icon="search", layout=W.Layout(width="220px"),
        )  # fmt: skip
        hint = W.HTML(_LOOK, layout=W.Layout(flex="1 1 240px"))
        look = W.HBox([self.look, hint], layout=W.Layout(flex_flow="row wrap", align_items="center"))
        parts = [self.upload.widget, self.form.widget, look, self.folders.widget]
        super().__init__("Import the pictures", self._import, parts, project.presses, icon="download")
        self.looking = _LookStep(self)
        self.look.on_click(lambda _: self.presses.carry_out(self.looking.press))
        self.widget.children += (self.looking.panel.widget,)
        self.companions += (self.looking,)
        self.undo = self.followed_by(UndoStep(project, self._redraw))

    def preset(self) -> None:
        """Take what is dropped; name the example pictures in the project called after them, while it is empty."""
        self.upload.show()
        folders = self.project.folders()
        self.upload.use(folders)
        if self.project.is_for_the_example() and example.CHARACTER.is_file() and not review.pictures(folders):
            self.form.write(source=str(example.CHARACTER))

    def empty(self) -> None:
        """Forget the source and its folders; what was uploaded stays with its project."""
        self.form.reset()
        self.upload.empty()
        self.folders.clear()

    def secrets(self) -> Mapping[str, str]:
        """The token of the Hub; keys of an image board where that is the source."""
        if not boards.knows(str(self.form.fields["source"].control.value)):
            return hub_token()
        return {**hub_token(), **{name: key for name in boards.KEYS if (key := colab.read_secret(name))}}

    def wanted(self, folders: Folders) -> ImportConfig:
        """What the form says; what was uploaded comes before what was typed."""
        given = self.upload.source()
        place = {} if given is None else {"source": str(given)}
        read = self.form.read(train_data_dir=str(folders.dataset), **place)
        chosen = self.folders.read(read.source)
        return (
            self.form.read(train_data_dir=str(folders.dataset), **place, folders=chosen) if chosen else read
        )

    async def _import(self) -> str:
        folders = self.project.folders()
        wanted = self.wanted(folders)
        if not wanted.source.strip():
            return self._keep(folders)
        try:
            end = await self.run("import", wanted, folders, quiet=True)
        except ValueError as error:
            said = self.named(str(error))
            if "odd_folders" not in said:
                raise ValueError(said) from None
            await self.look_inside()
            asked = said.partition("; say odd_folders")[0]
            raise ValueError(f"{asked}. Say above how it is meant, then press again.") from None
        said = self.named(end.text) + self._typed_too()
        self.upload.clear()
        self.folders.clear()
        self._show(folders, None if self.idle else import_report.read(folders))
        return said

    def _typed_too(self) -> str:
        """A sentence on a source that was typed beside an upload: it comes with the next press."""
        typed = str(self.form.fields["source"].control.value).strip()
        return f" The next press imports {redact(typed)}." if typed and self.upload.source() else ""

    def named(self, text: str) -> str:
        """`text` with the upload by its name, in the place of where it lies."""
        given = self.upload.source()
        if given is None:
            return text
        return text.replace(str(given), given.name if given.is_file() else "What was uploaded")

    async def look_inside(self) -> str:
        """Offer the folders of the source; what was found, in a sentence."""
        folders = self.project.folders()
        wanted = self.wanted(folders)
        shared = {name: getattr(wanted, name) for name in LookConfig.__dataclass_fields__}
        end = await self.looking.run("look", LookConfig(**shared), folders, quiet=True)
        self.folders.show(wanted.source, subsets.kept(folders, wanted.source))
        return self.named(end.text)

    def _keep(self, folders: Folders) -> str:
        """Say what was there before, as nothing came. Raises ValueError when there is nothing."""
        waits = self.upload.waits()
        there = review.pictures(folders)
        if waits or not there:
            raise ValueError(waits or NOT_ARRIVED)
        self._show(folders, None)
        self.panel.take(events.Notice(_NOTHING_NEW, "warning"))
        self.panel.redraw()
        return f"{counted(len(there), 'picture is', 'pictures are')} in {folders.dataset}."

    def _redraw(self, folders: Folders) -> None:
        """Show the dataset as it is after an undo."""
        self._show(folders, None)

    def _show(self, folders: Folders, report: import_report.ImportReport | None) -> None:
        self.result.children = [W.HTML(import_summary.summary(folders, report))]


class _LookStep(Step):
    """The look into the source; a person alone presses it, by the button of the import."""

    def __init__(self, importing: ImportStep) -> None:
        self.importing = importing
        super().__init__("Look inside first", self._look, [], importing.presses)

    def empty(self) -> None:
        """Have no form to empty."""

    def secrets(self) -> Mapping[str, str]:
        """As those of the import."""
        return self.importing.secrets()

    async def _look(self) -> str:
        return await self.importing.look_inside()
