"""The step that puts the trigger word first in every caption."""

import ipywidgets as W

from lora_nb.captioning import suggestions
from lora_nb.captioning.triggers import Triggers
from lora_nb.config.captioning import SuggestConfig
from lora_nb.config.dataset import TriggerConfig
from lora_nb.dataset import example, handover
from lora_nb.dataset.captions import join_tags
from lora_nb.forms import review
from lora_nb.forms.follow import sentence
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.undo import UndoStep
from lora_nb.project import Folders


class TriggerStep(Step):
    """The trigger word first in every caption."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(TriggerConfig())
        self.bind = Form(SuggestConfig(features=False))
        self.suggest = W.Button(
            description="Suggest tags for the trigger word to stand for",
            layout=W.Layout(width="340px", margin="2px 0 2px 213px"),
        )
        self.suggest.on_click(lambda _: project.presses.carry_out(self._suggest))
        self.present, self.meaning = W.HTML(), W.HTML()
        parts = [self.present, self.form.widget, self.bind.widget, self.suggest, self.meaning]
        super().__init__("Put it first", self._apply, parts, project.presses, icon="magic")
        self.undo = self.followed_by(UndoStep(project, self._show_captions))

    def preset(self) -> None:
        """Offer the word used before, or the project's name."""
        folders = self.project.folders()
        before = handover.read(folders, self.panel.take).trigger_word
        fresh = example.TRIGGER if review.is_example(folders) else folders.base.name
        self.form.write(trigger_word=before or fresh)
        self._name_present(before)
        self.panel.redraw()
        if review.is_example(folders):
            self._suggest()

    def empty(self) -> None:
        """Put both forms back to their defaults."""
        self.form.reset()
        self.bind.reset()
        self.meaning.value = ""

    def _name_present(self, word: str) -> None:
        """Say what another word would replace."""
        self.present.value = sentence(_REPLACES.format(word)) if word else ""

    def _suggest(self) -> None:
        """Fill in the tags that are the subject itself, if the captions are tags."""
        try:
            folders, asked = self.project.folders(), self.bind.read()
            texts = [item.caption or "" for item in review.pictures(folders)]
            words = join_tags([self.form.read().trigger_word, Triggers.read(folders).all])
        except ValueError as error:
            self.panel.say(str(error), "bad")
            return
        found = suggestions.to_bind(texts, words, asked.share, asked.features)
        self.form.write(remove_tags=tuple(each.tag for each in found))
        counts = ", ".join(f"{each.tag} ({each.count})" for each in found)
        said = f"Of {len(texts)} pictures: {counts}. {suggestions.MEANING}" if found else _NONE
        self.meaning.value = sentence(said)

    async def _apply(self) -> str:
        folders = self.project.folders()
        review.need_pictures(folders)
        wanted = self.form.read(train_data_dir=str(folders.dataset))
        end = await self.run("trigger", wanted, folders)
        self._show_captions(folders)
        return end.text

    def _show_captions(self, folders: Folders) -> None:
        self._name_present(handover.read(folders).trigger_word)
        self.result.children = [W.HTML(review.captions(folders, most=6))]


_REPLACES = 'The captions begin with "{}" now: another word takes its place.'
_NONE = "No tag is in so many pictures: nothing is suggested. A smaller share finds more."
