"""The step that takes broken pictures and duplicates out of the dataset, and back."""

from collections.abc import Sequence

import ipywidgets as W

from lora_nb.config.pictures import CurateConfig
from lora_nb.dataset import aside, handover
from lora_nb.forms import gallery, review
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.undo import UndoStep
from lora_nb.pictures import findings
from lora_nb.pictures.findings import Cluster
from lora_nb.project import Folders


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
