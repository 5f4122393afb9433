"""The step that says all that is wrong with the dataset, with a button beside each thing that one press mends."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import ipywidgets as W

from lora_nb import settings
from lora_nb.config.captioning import CaptionConfig, EditTagsConfig, TagConfig
from lora_nb.config.dataset import DatasetConfig, RecodeConfig, TriggerConfig
from lora_nb.config.pictures import CurateConfig
from lora_nb.config.report import ReportConfig
from lora_nb.forms import review
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.told import in_words
from lora_nb.forms.undo import UndoStep
from lora_nb.overview import report_page, report_record
from lora_nb.overview.report_points import Mend, Point
from lora_nb.project import Folders

CONFIGS = {
    "curate": CurateConfig, "tag": TagConfig, "caption": CaptionConfig, "trigger": TriggerConfig,
    "recode": RecodeConfig, "set_orphans_aside": DatasetConfig, "edit_tags": EditTagsConfig,
}  # fmt: skip


class ReportStep(Step):
    """The report of the dataset. `redraw` shows the dataset elsewhere as it is after a mend."""

    def __init__(
        self, project: ProjectStep, redraw: Callable[[Folders], None] = lambda folders: None
    ) -> None:
        self.project, self.redraw = project, redraw
        self.form = Form(ReportConfig())
        self.asked: Mend | None = None
        super().__init__(
            "Look at the whole set", self._act, [self.form.widget], project.presses, icon="stethoscope"
        )
        self.undo = self.followed_by(UndoStep(project, self._again))

    def mend(self, mend: Mend) -> None:
        """Do what mends a point, then look again, unless something is under way."""
        if not self.works():
            self.asked = mend
            self.press()

    async def _act(self) -> str:
        folders = self.project.folders()
        review.need_pictures(folders)
        mend, self.asked = self.asked, None
        done = await self._do(mend, folders) if mend else ""
        wanted = self.form.read(train_data_dir=str(folders.dataset))
        end = await self.run("report", wanted, folders, quiet=True)
        self._show(folders)
        return f"{done} {end.text}".strip()

    async def _do(self, mend: Mend, folders: Folders) -> str:
        config = settings.make(CONFIGS[mend.verb], train_data_dir=str(folders.dataset), **mend.settings)
        end = await self.run(mend.verb, config, folders, quiet=True)
        self.redraw(folders)
        return end.text.replace("`undo` brings", "The button below brings")

    def _again(self, folders: Folders) -> None:
        self.redraw(folders)
        self.result.children = [
            W.HTML("The dataset is another one now: press the button above to look again.")
        ]

    def _show(self, folders: Folders) -> None:
        """The points with their buttons, and the rest of the page under them."""
        found = report_record.read(folders)
        if found:
            rows = [self._row(point) for point in found.points]
            self.result.children = [*rows, W.HTML(report_page.rest(found))]

    def _row(self, point: Point) -> W.HBox:
        shown = replace(point, sentence=in_words(point.sentence), advice=in_words(point.advice))
        words = W.HTML(report_page.points([shown], mends=False), layout=W.Layout(flex="1 1 420px"))
        parts: list[W.Widget] = [words]
        if point.mend:
            button = W.Button(description=point.mend.label, icon="wrench", layout=W.Layout(width="230px"))
            button.on_click(lambda _: self.presses.carry_out(partial(self.mend, point.mend)))
            parts.append(button)
        return W.HBox(parts, layout=W.Layout(flex_flow="row wrap", align_items="center", width="100%"))
