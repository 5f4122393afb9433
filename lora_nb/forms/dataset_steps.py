"""The steps of Dataset Maker that change the dataset."""

from collections.abc import Sequence
from pathlib import Path

import ipywidgets as W

from lora_nb import aside, config, images
from lora_nb.forms import gallery, review
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.uploads import Upload
from lora_nb.project import Folders

EXAMPLE_TRIGGER = "ohwx"
TAGS, SENTENCES = "tags", "sentences"


class ImportStep(Step):
    """Pictures into the dataset folder."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(config.ImportConfig())
        self.upload = Upload()
        parts = [self.form.widget, self.upload.widget]
        super().__init__("Import the pictures", self._import, parts, icon="download")

    def preset(self) -> None:
        """Offer the shipped example while the dataset is empty."""
        if review.EXAMPLE.is_file() and not review.pictures(self.project.folders()):
            self.form.write(source=str(review.EXAMPLE))

    async def _import(self) -> str:
        folders = self.project.folders()
        given = self.upload.take()
        if given is not None:
            self.form.write(source=str(given))
        wanted = self.form.read(train_data_dir=str(folders.dataset))
        there = review.pictures(folders)
        end = await self.run("import", wanted, folders) if wanted.source.strip() or not there else None
        found = images.scan(folders.dataset, verify=False)
        thumbs = [gallery.Thumb(item.path) for item in found.items]
        self.result.children = [W.HTML(gallery.thumbnails(thumbs, side=96))]
        kept = f"{len(there)} pictures are in {folders.dataset}; no other source was given."
        return end.text if end else kept


class CleanStep(Step):
    """Broken pictures and duplicates out of the dataset, and back."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(config.CurateConfig())
        self.all_back = W.Button(
            description="Bring everything back", icon="undo", layout=W.Layout(width="220px")
        )
        self.all_back.on_click(lambda _: self.bring_back(None))
        super().__init__("Find and set aside", self._clean, [self.form.widget], icon="search")

    def preset(self) -> None:
        """Show what an earlier search set aside."""
        self._redraw(self.project.folders())

    async def _clean(self) -> str:
        folders = self.project.folders()
        wanted = self.form.read(train_data_dir=str(folders.dataset))
        end = await self.run("curate", wanted, folders, quiet=True)
        self._redraw(folders)
        return end.text.replace("`restore` brings them back", "the buttons bring them back")

    def bring_back(self, names: Sequence[str] | None) -> None:
        """Put these pictures, or all, back into the dataset."""
        try:
            folders = self.project.folders()
            number = aside.bring_back(folders, names)
        except (ValueError, OSError) as error:
            self.panel.say(str(error), "bad")
            return
        self._redraw(folders)
        self.panel.say(f"{number} pictures are back in {folders.dataset}", "good")

    def _redraw(self, folders: Folders) -> None:
        """Show what the last search set aside and nobody brought back."""
        report = aside.read_report(folders)
        families = [family for cluster in report["clusters"] if (family := _family(cluster, folders))]
        broken = [entry for entry in report["broken"] if Path(entry["set_aside"]).exists()]
        shown: list[W.Widget] = []
        if broken:
            shown.append(W.HTML(review.broken(broken)))
        if families:
            shown += [W.HTML("<b>Nearly the same</b>"), gallery.families(families, self.bring_back)]
        if aside.list_aside(folders):
            shown.append(self.all_back)
        self.result.children = shown


def _family(cluster: dict, folders: Folders) -> gallery.Family | None:
    left = [copy for copy in cluster["copies"] if Path(copy["set_aside"]).exists()]
    if not left:
        return None
    copies = tuple(
        gallery.Thumb(
            Path(copy["set_aside"]), f"{Path(copy['path']).name}: {copy['distance']} of 64 bits differ"
        )
        for copy in left
    )
    names = tuple(Path(copy["set_aside"]).relative_to(folders.set_aside).as_posix() for copy in left)
    return gallery.Family(Path(cluster["kept"]), cluster["reason"], copies, names)


class CaptionStep(Step):
    """Tags or sentences beside every picture."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.kind = W.ToggleButtons(
            options=[("tags (drawings, anime)", TAGS), ("sentences (photos)", SENTENCES)],
            style={"button_width": "auto"},
        )
        self.forms = {TAGS: Form(config.TagConfig()), SENTENCES: Form(config.CaptionConfig())}
        self.place = W.VBox([self.forms[TAGS].widget])
        self.kind.observe(self._swap, "value")
        super().__init__("Write the captions", self._caption, [self.kind, self.place], icon="tags")

    def preset(self) -> None:
        """Choose the small built-in tagger for the shipped example."""
        if review.DEMO_TAGGER.is_dir() and review.is_example(self.project.folders()):
            self.forms[TAGS].write(tagger="demo")

    def _swap(self, _: object) -> None:
        self.place.children = [self.forms[self.kind.value].widget]

    async def _caption(self) -> str:
        folders = self.project.folders()
        kind = self.kind.value
        wanted = self.forms[kind].read(train_data_dir=str(folders.dataset))
        end = await self.run({TAGS: "tag", SENTENCES: "caption"}[kind], wanted, folders)
        review.remember(folders, self.project.name(), self.panel.take, caption_kind=kind)
        self.result.children = [W.HTML(review.captions(folders, most=12))]
        return end.text


class TriggerStep(Step):
    """The trigger word first in every caption."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(config.TriggerConfig())
        self.suggest = W.Button(
            description="Remove the tags that every picture has",
            layout=W.Layout(width="300px", margin="2px 0 2px 213px"),
        )
        self.suggest.on_click(lambda _: self._suggest())
        super().__init__("Put it first", self._apply, [self.form.widget, self.suggest], icon="magic")

    def preset(self) -> None:
        """Offer the word used before, or the project's name."""
        folders = self.project.folders()
        fresh = EXAMPLE_TRIGGER if review.is_example(folders) else folders.base.name
        self.form.write(trigger_word=review.handover(folders, self.panel.take).trigger_word or fresh)
        self.panel.redraw()
        if review.is_example(folders):
            self._suggest()

    def _suggest(self) -> None:
        """Fill in the tags that are the subject itself, if the captions are tags."""
        try:
            folders = self.project.folders()
            self.form.write(remove_tags=review.constant_tags(folders, self.form.read().trigger_word))
        except ValueError as error:
            self.panel.say(str(error), "bad")

    async def _apply(self) -> str:
        folders = self.project.folders()
        wanted = self.form.read(train_data_dir=str(folders.dataset))
        end = await self.run("trigger", wanted, folders)
        review.remember(folders, self.project.name(), self.panel.take)
        self.result.children = [W.HTML(review.captions(folders, most=6))]
        return end.text
