"""The steps of Dataset Maker that change the dataset."""

from collections.abc import Sequence

import ipywidgets as W

from lora_nb import events
from lora_nb.config.dataset import CaptionConfig, CurateConfig, ImportConfig, TagConfig, TriggerConfig
from lora_nb.dataset import aside, example, findings, handover, images
from lora_nb.dataset.findings import Cluster
from lora_nb.forms import gallery, review
from lora_nb.forms.follow import sentence
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.undo import UndoStep
from lora_nb.forms.uploads import NOT_ARRIVED, Upload
from lora_nb.project import Folders

TAGS, SENTENCES = "tags", "sentences"


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


class CleanStep(Step):
    """Broken pictures and duplicates out of the dataset, and back."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(CurateConfig())
        self.all_back = W.Button(
            description="Bring everything back", icon="undo", layout=W.Layout(width="220px")
        )
        self.all_back.on_click(lambda _: self._press_back(None))
        super().__init__(
            "Find and set aside", self._clean, [self.form.widget], project.presses, icon="search"
        )
        self.undo = self.followed_by(UndoStep(project, self._redraw))

    def preset(self) -> None:
        """Show what an earlier search set aside."""
        self._redraw(self.project.folders())

    async def _clean(self) -> str:
        folders = self.project.folders()
        review.need_pictures(folders)
        wanted = self.form.read(train_data_dir=str(folders.dataset))
        end = await self.run("curate", wanted, folders, quiet=True)
        self._redraw(folders)
        return end.text.replace("`restore` brings them back", "the buttons bring them back")

    def _press_back(self, names: Sequence[str] | None) -> None:
        self.presses.carry_out(lambda: self.bring_back(names))

    def bring_back(self, names: Sequence[str] | None) -> None:
        """Put these pictures, or all, back into the dataset."""
        try:
            folders = self.project.folders()
            number = aside.bring_back(folders, names)
            handover.refresh(folders, self.panel.take)
        except (ValueError, OSError) as error:
            self.panel.say(str(error), "bad")
            return
        self._redraw(folders)
        self.panel.say(f"{number} pictures are back in {folders.dataset}", "good")

    def _redraw(self, folders: Folders) -> None:
        """Show what the last search set aside and nobody brought back."""
        found = findings.read(folders)
        families = [family for cluster in found.clusters if (family := _family(cluster, folders))]
        broken = [one for one in found.broken if one.set_aside.exists()]
        shown: list[W.Widget] = []
        if broken:
            shown.append(W.HTML(review.broken(broken)))
        if families:
            shown += [W.HTML("<b>Nearly the same</b>"), gallery.families(families, self._press_back)]
        if aside.list_aside(folders):
            shown.append(self.all_back)
        self.result.children = shown


def _family(cluster: Cluster, folders: Folders) -> gallery.Family | None:
    left = [(copy, copy.set_aside) for copy in cluster.copies if copy.set_aside and copy.set_aside.exists()]
    if not left:
        return None
    copies = tuple(
        gallery.Thumb(place, f"{copy.path.name}: {copy.distance} of 64 bits differ") for copy, place in left
    )
    names = tuple(place.relative_to(folders.set_aside).as_posix() for _, place in left)
    return gallery.Family(cluster.kept, cluster.reason, copies, names)


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


class TriggerStep(Step):
    """The trigger word first in every caption."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(TriggerConfig())
        self.suggest = W.Button(
            description="Remove the tags that every picture has",
            layout=W.Layout(width="300px", margin="2px 0 2px 213px"),
        )
        self.suggest.on_click(lambda _: project.presses.carry_out(self._suggest))
        self.present = W.HTML()
        parts = [self.present, self.form.widget, self.suggest]
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

    def _name_present(self, word: str) -> None:
        """Say what another word would replace."""
        self.present.value = sentence(_REPLACES.format(word)) if word else ""

    def _suggest(self) -> None:
        """Fill in the tags that are the subject itself, if the captions are tags."""
        try:
            folders = self.project.folders()
            self.form.write(remove_tags=review.constant_tags(folders, self.form.read().trigger_word))
        except ValueError as error:
            self.panel.say(str(error), "bad")

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
