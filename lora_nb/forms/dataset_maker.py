"""The Dataset Maker notebook: from a zip of pictures to a folder of pictures with captions."""

from collections.abc import Sequence
from functools import partial

import ipywidgets as W

from lora_nb.forms import review
from lora_nb.forms.caption_step import CaptionStep
from lora_nb.forms.clean_step import CleanStep
from lora_nb.forms.follow import sentence
from lora_nb.forms.import_step import ImportStep
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.shown import Shown
from lora_nb.forms.step import Step
from lora_nb.forms.trigger_step import TriggerStep
from lora_nb.forms.watch import Watch

# What follows each step, as its cell in the notebook is called.
NEXT = ("Pictures in", "Look and clean", "Captions", "Look at the tags", "The trigger word")


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
        self.tags, self.end = Shown(), Shown()
        self.project.followers = (*self.steps[1:], self.tags, self.end)
        self._look_ahead()
        watch = Watch()
        for step in self.steps:
            step.widget.children += (watch,)

    def _look_ahead(self) -> None:
        """Let each step end with what is left to do, and the cell that comes next."""
        for step, following in zip(self.steps, NEXT, strict=True):
            step.outlook = partial(self._outlook, following)

    def _outlook(self, following: str) -> str:
        return f'{review.left_to_do(self.project.folders())} Next: "{following}", in the cell below.'.strip()

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
        self.tags.show(
            _made(
                lambda: (
                    review.tags(self.project.folders()) + review.captions(self.project.folders(), lines=20)
                )
            )
        )

    async def hand_over(self) -> None:
        """Write project.toml, from which LoRA Trainer presets its forms, and say what the dataset is."""
        await self._finish(self.steps)
        self.end.show(_made(lambda: review.hand_over(self.project.folders())))

    async def _show(self, step: Step) -> None:
        await self._finish(self.steps[: self.steps.index(step)])
        step.show()

    async def _finish(self, steps: Sequence[Step]) -> None:
        for step in steps:
            await step.settle()


def _made(make) -> W.HTML:
    try:
        return W.HTML(make())
    except (ValueError, OSError) as error:
        return W.HTML(sentence(str(error), "bad"))
