"""The Dataset Maker notebook: from a zip of pictures to a folder of pictures with captions."""

import asyncio
import zipfile
from collections.abc import Sequence
from pathlib import Path

import ipywidgets as W
from IPython.display import display

from lora_nb import aside, captions, config, events, images, settings
from lora_nb.forms import gallery
from lora_nb.forms.follow import pause, sentence
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.uploads import Upload
from lora_nb.project import Folders

DEMO = Path(config.__file__).parent / "demo"
EXAMPLE = DEMO / "examples" / "character.zip"
DEMO_TAGGER = DEMO / "tagger"
TAGS, SENTENCES = "tags", "sentences"


class DatasetMaker:
    """The steps of the notebook. Each method shows one step, after finishing the steps shown before it."""

    def __init__(self) -> None:
        self.project = ProjectStep("Use this project", create=True)
        self.importing = ImportStep(self.project)
        self.cleaning = CleanStep(self.project)
        self.captioning = CaptionStep(self.project)
        self.trigger = TriggerStep(self.project)
        self.steps: tuple[Step, ...] = (
            self.project, self.importing, self.cleaning, self.captioning, self.trigger,
        )  # fmt: skip

    def choose_project(self) -> None:
        """Show the project form."""
        self.project.show()

    async def import_pictures(self) -> None:
        """Show the form that takes pictures from a zip, a folder or the browser."""
        await self._show(self.importing)

    async def clean(self) -> None:
        """Show the form that sets broken pictures and duplicates aside."""
        await self._show(self.cleaning)

    async def caption(self) -> None:
        """Show the form that writes tags or sentences."""
        await self._show(self.captioning)

    async def add_trigger(self) -> None:
        """Show the form that puts the trigger word first."""
        await self._show(self.trigger)

    async def look_at_tags(self) -> None:
        """Show the 50 most frequent tags, and every picture with its caption."""
        await self._finish(self.steps)
        display(W.VBox([W.HTML(_tags_html(self.project)), W.HTML(_captions_html(self.project))]))

    async def hand_over(self) -> None:
        """Write project.toml, from which LoRA Trainer presets its forms, and say what the dataset is."""
        await self._finish(self.steps)
        display(W.HTML(_handed_over(self.project, self.trigger)))

    async def _show(self, step: Step) -> None:
        await self._finish(self.steps[: self.steps.index(step)])
        step.show()
        await pause(0)

    async def _finish(self, steps: Sequence[Step]) -> None:
        for step in steps:
            await step.settle()


class ImportStep(Step):
    """Pictures into the dataset folder."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(config.ImportConfig())
        self.upload = Upload()
        super().__init__("Import the pictures", self._import, [self.form.widget, self.upload.button], icon="download")

    def show(self) -> None:
        """Preset the shipped example when the dataset is still empty."""
        if not self.shown and EXAMPLE.is_file() and not _pictures(self.project):
            self.form.write(source=str(EXAMPLE))
        super().show()

    async def _import(self) -> str:
        folders = self.project.folders()
        given = self.upload.source()
        if given is not None:
            self.form.write(source=str(given))
        wanted = self.form.read(train_data_dir=str(folders.dataset))
        end = None
        if wanted.source or not _pictures(self.project):
            end = await self.run("import", wanted, folders)
        found = images.scan(folders.dataset, verify=False)
        self.result.children = [W.HTML(gallery.thumbnails([gallery.Thumb(item.path) for item in found.items], side=96))]
        return end.text if end else f"{len(found.items)} pictures are in {folders.dataset}"


class CleanStep(Step):
    """Broken pictures and duplicates out of the dataset, and back."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(config.CurateConfig())
        self.all_back = W.Button(description="Bring everything back", icon="undo", layout=W.Layout(width="auto"))
        self.all_back.on_click(lambda _: self.bring_back(None))
        super().__init__("Find and set aside", self._clean, [self.form.widget], icon="search")

    async def _clean(self) -> str:
        folders = self.project.folders()
        end = await self.run("curate", self.form.read(train_data_dir=str(folders.dataset)), folders)
        self._redraw(folders)
        return end.text

    def bring_back(self, names: Sequence[str] | None) -> None:
        """Put these pictures, or all, back into the dataset."""
        folders = self.project.folders()
        try:
            number = aside.bring_back(folders, names)
        except (ValueError, OSError) as error:
            self.panel.say(str(error), "bad")
            return
        self._redraw(folders)
        self.panel.say(f"{number} pictures are back in the dataset.", "good")

    def _redraw(self, folders: Folders) -> None:
        raise NotImplementedError


class CaptionStep(Step):
    """Tags or sentences beside every picture."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.kind = W.ToggleButtons(
            options=[("tags (drawings, anime)", TAGS), ("sentences (photos)", SENTENCES)], style={"button_width": "auto"}
        )
        self.forms = {TAGS: Form(config.TagConfig()), SENTENCES: Form(config.CaptionConfig())}
        self.place = W.VBox([self.forms[TAGS].widget])
        self.kind.observe(self._swap, "value")
        super().__init__("Write the captions", self._caption, [self.kind, self.place], icon="tags")

    def show(self) -> None:
        """Preset the small built-in tagger for the shipped example."""
        if not self.shown and DEMO_TAGGER.is_dir() and _is_example(_pictures(self.project)):
            self.forms[TAGS].write(tagger="demo")
        super().show()

    def _swap(self, _: object) -> None:
        self.place.children = [self.forms[self.kind.value].widget]

    async def _caption(self) -> str:
        folders = self.project.folders()
        verb = {TAGS: "tag", SENTENCES: "caption"}[self.kind.value]
        wanted = self.forms[self.kind.value].read(train_data_dir=str(folders.dataset))
        end = await self.run(verb, wanted, folders)
        _remember(folders, caption_kind=self.kind.value)
        self.result.children = [W.HTML(_captions_html(self.project, most=12))]
        return end.text


class TriggerStep(Step):
    """The trigger word first in every caption."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(config.TriggerConfig())
        super().__init__("Put it first", self._apply, [self.form.widget], icon="magic")

    def show(self) -> None:
        """Preset the word used before, or the project's name."""
        if not self.shown:
            known = handover(self.project.folders())
            self.form.write(trigger_word=known.trigger_word or self.project.form.read().project.replace("/", "_"))
        super().show()

    async def _apply(self) -> str:
        folders = self.project.folders()
        wanted = self.form.read(train_data_dir=str(folders.dataset))
        end = await self.run("trigger", wanted, folders)
        _remember(folders, trigger_word=wanted.trigger_word)
        return end.text
