"""The Dataset Maker notebook: from a pile of pictures to a folder of pictures with captions."""

from collections.abc import Sequence
from functools import partial

import ipywidgets as W

from lora_nb.forms import review
from lora_nb.forms.caption_step import CaptionStep
from lora_nb.forms.clean_step import CleanStep
from lora_nb.forms.export_step import ExportStep
from lora_nb.forms.fiftyone_step import FiftyOneStep
from lora_nb.forms.follow import sentence
from lora_nb.forms.gallery_step import GalleryStep
from lora_nb.forms.import_step import ImportStep
from lora_nb.forms.prepare_step import PrepareStep
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.report_step import ReportStep
from lora_nb.forms.shown import Shown
from lora_nb.forms.step import Step
from lora_nb.forms.tags_step import EditTagsStep
from lora_nb.forms.trigger_step import TriggerStep
from lora_nb.forms.versions_step import VersionsStep
from lora_nb.forms.watch import watch


class DatasetMaker:
    """The steps of the notebook. Each method shows one step, after finishing the steps shown before it."""

    def __init__(self) -> None:
        self.project = ProjectStep("Use this project", create=True)
        self.gallery = GalleryStep(self.project)
        self.importing = ImportStep(self.project)
        self.cleaning = CleanStep(self.project)
        self.preparing = PrepareStep(self.project)
        self.captioning = CaptionStep(self.project)
        self.editing = EditTagsStep(self.project)
        self.trigger = TriggerStep(self.project)
        self.reporting = ReportStep(self.project)
        self.versions = VersionsStep(self.project)
        self.exporting = ExportStep(self.project)
        self.fiftyone = FiftyOneStep(self.project)
        # In the order of their cells, each with what its cell in the notebook is called.
        self.titles: dict[Step, str] = {
            self.project: "Your project",
            self.importing: "Pictures in",
            self.cleaning: "Look and clean",
            self.preparing: "Prepare the pictures",
            self.captioning: "Captions",
            self.editing: "Look at the tags",
            self.trigger: "The trigger word",
            self.reporting: "Is it ready?",
        }
        self.steps: tuple[Step, ...] = tuple(self.titles)
        self.extras: tuple[Step, ...] = (self.versions, self.exporting, self.fiftyone)
        self.end = Shown()
        self.project.followers = (*self.steps[1:], *self.extras, self.gallery, self.end)
        self._join()

    def _join(self) -> None:
        """Let each step say what comes next, show the gallery what it changed, and tell of a restarted kernel."""
        titles = [*self.titles.values(), "On to the training"]
        for step, following in zip(self.steps, titles[1:], strict=True):
            step.outlook = partial(self._outlook, following)
        listening = watch()
        for step in (*self.steps, *self.extras):
            step.widget.children += (listening,)
            step.changed = self._changed

    def _changed(self) -> None:
        """Show elsewhere what a step changed: its pictures and captions, and the version that was kept before."""
        self.gallery.refresh()
        self.versions.refresh()

    def _outlook(self, following: str) -> str:
        left = review.left_to_do(self.project.folders())
        return f'{left} Next: "{following}", in a cell below.'.strip()

    def choose_project(self) -> None:
        """Show the project form."""
        self.project.show()

    async def import_pictures(self) -> None:
        """Show the form that takes pictures from the browser, a zip, a folder, an address or an image board."""
        await self._show(self.importing)

    async def look(self) -> None:
        """Show every picture with its caption: to choose, set aside, turn, crop and write by hand."""
        await self._finish(self.steps[:2])
        self.gallery.show()

    async def clean(self) -> None:
        """Show the form that sets broken pictures and duplicates aside, and finds what else may spoil a LoRA."""
        await self._show(self.cleaning)

    async def prepare(self) -> None:
        """Show the form that brings pictures to a size, a format, a background. It does nothing by itself."""
        await self._show(self.preparing)

    async def caption(self) -> None:
        """Show the form that writes tags or sentences."""
        await self._show(self.captioning)

    async def edit_tags(self) -> None:
        """Show the most frequent tags, and the form that changes many captions at once. It does nothing by itself."""
        await self._show(self.editing)

    async def add_trigger(self) -> None:
        """Show the form that puts the trigger word first."""
        await self._show(self.trigger)

    async def report(self) -> None:
        """Show what is wrong with the dataset or worth knowing, each with what mends it."""
        await self._show(self.reporting)

    async def hand_over(self) -> None:
        """Write project.toml, from which LoRA Trainer presets its forms, and say what the dataset is."""
        await self._finish(self.steps)
        self.end.show(_made(lambda: review.hand_over(self.project.folders())))

    async def keep_versions(self) -> None:
        """Show the versions of the dataset, to keep one, compare, and go back."""
        await self._show_extra(self.versions)

    async def take_out(self) -> None:
        """Show the form that takes the dataset out as one file."""
        await self._show_extra(self.exporting)

    async def open_fiftyone(self) -> None:
        """Show the form that opens the dataset in FiftyOne."""
        await self._show_extra(self.fiftyone)

    async def _show(self, step: Step) -> None:
        await self._finish(self.steps[: self.steps.index(step)])
        step.show()

    async def _show_extra(self, step: Step) -> None:
        await self._finish(self.steps)
        step.show()

    async def _finish(self, steps: Sequence[Step]) -> None:
        for step in steps:
            await step.settle()


def _made(make) -> W.HTML:
    try:
        return W.HTML(make())
    except (ValueError, OSError) as error:
        return W.HTML(sentence(str(error), "bad"))
