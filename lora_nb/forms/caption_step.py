"""The step that puts tags or sentences beside every picture."""

import ipywidgets as W

from lora_nb.config.captioning import CaptionConfig, TagConfig
from lora_nb.forms import review
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.undo import UndoStep
from lora_nb.project import Folders

TAGS, SENTENCES = "tags", "sentences"


class CaptionStep(Step):
    """Tags or sentences beside every picture."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.kind = W.ToggleButtons(
            options=[("tags (drawings, anime)", TAGS), ("sentences (photos)", SENTENCES)],
            style={"button_width": "auto"},
        )
        self.forms = {TAGS: Form(TagConfig()), SENTENCES: Form(CaptionConfig())}
        self.place = W.VBox([self.forms[TAGS].widget])
        self.kind.observe(lambda _: project.presses.carry_out(self._swap), "value")
        parts = [self.kind, self.place]
        super().__init__("Write the captions", self._caption, parts, project.presses, icon="tags")
        self.undo = self.followed_by(UndoStep(project, self._show_captions))

    def preset(self) -> None:
        """Choose the small built-in tagger for the shipped example."""
        if review.DEMO_TAGGER.is_dir() and review.is_example(self.project.folders()):
            self.forms[TAGS].write(tagger="demo")

    def empty(self) -> None:
        """Go back to tags, and both forms to their defaults."""
        self.kind.value = TAGS
        for form in self.forms.values():
            form.reset()

    def _swap(self) -> None:
        self.place.children = [self.forms[self.kind.value].widget]

    async def _caption(self) -> str:
        folders = self.project.folders()
        review.need_pictures(folders)
        kind = self.kind.value
        wanted = self.forms[kind].read(train_data_dir=str(folders.dataset))
        end = await self.run({TAGS: "tag", SENTENCES: "caption"}[kind], wanted, folders)
        self._show_captions(folders)
        return end.text

    def _show_captions(self, folders: Folders) -> None:
        self.result.children = [W.HTML(review.captions(folders, most=12))]
