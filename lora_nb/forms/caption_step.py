"""The step that puts tags or sentences beside every picture."""

import ipywidgets as W

from lora_nb.captioning import medium, taggers
from lora_nb.config.captioning import CaptionConfig, TagConfig
from lora_nb.forms import review
from lora_nb.forms.follow import sentence
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.undo import UndoStep
from lora_nb.project import Folders

TAGS, SENTENCES = "tags", "sentences"
CAPTIONERS = (
    "Salesforce/blip-image-captioning-large",
    "florence-community/Florence-2-base",
    "florence-community/Florence-2-large",
    "Salesforce/blip2-opt-2.7b",
    "microsoft/git-large-coco",
    "HuggingFaceTB/SmolVLM-500M-Instruct",
    "Qwen/Qwen2-VL-2B-Instruct",
    "fancyfeast/llama-joycaption-beta-one-hf-llava",
)


class CaptionStep(Step):
    """Tags or sentences beside every picture."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.kind = W.ToggleButtons(
            options=[("tags (drawings, anime)", TAGS), ("sentences (photos)", SENTENCES)],
            style={"button_width": "auto"},
        )
        self.advice = W.HTML()
        self.forms = {
            TAGS: Form(TagConfig(), {"tagger": taggers.SUGGESTED}),
            SENTENCES: Form(CaptionConfig(), {"captioner": CAPTIONERS}),
        }
        self.place = W.VBox([self.forms[TAGS].widget])
        self.kind.observe(lambda _: project.presses.carry_out(self._swap), "value")
        parts = [self.advice, self.kind, self.place]
        super().__init__("Write the captions", self._caption, parts, project.presses, icon="tags")
        self.undo = self.followed_by(UndoStep(project, self._show_captions))

    def preset(self) -> None:
        """Choose what suits the pictures, and the small built-in tagger for the shipped example."""
        folders = self.project.folders()
        if review.DEMO_TAGGER.is_dir() and review.is_example(folders):
            self.forms[TAGS].write(tagger="demo")
            return
        judged = medium.judge([item.path for item in review.pictures(folders)])
        self.advice.value = sentence(judged.sentence) if judged.seen else ""
        self.kind.value = judged.captions or self.kind.value

    def empty(self) -> None:
        """Go back to tags, and both forms to their defaults."""
        self.kind.value, self.advice.value = TAGS, ""
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
