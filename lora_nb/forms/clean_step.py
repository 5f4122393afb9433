"""The step that takes what spoils a LoRA out of the dataset, and back."""

from collections.abc import Awaitable, Callable, Sequence

import ipywidgets as W

from lora_nb import settings
from lora_nb.config.pictures import CheckConfig, CurateConfig, KeepOtherConfig, PrepareConfig
from lora_nb.dataset import aside, handover
from lora_nb.declare import settings_of
from lora_nb.forms import finding_rows, review
from lora_nb.forms.finding_rows import Acts
from lora_nb.forms.form import Form
from lora_nb.forms.histogram import histogram
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.undo import UndoStep
from lora_nb.pictures import findings
from lora_nb.pictures.findings import Copy, Finding
from lora_nb.project import Folders
from lora_nb.wording import counted


class CleanStep(Step):
    """Broken pictures and duplicates out of the dataset, and back; what else may spoil a LoRA, with its button."""

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.form = Form(CheckConfig())
        self.all_back = W.Button(
            description="Bring everything back", icon="undo", layout=W.Layout(width="220px")
        )
        self.all_back.on_click(lambda _: self._press_back(None))
        self.only_look = W.Button(
            description="Only look, move nothing", layout=W.Layout(width="220px", align_self="flex-start")
        )
        self.only_look.on_click(lambda _: self._press_for(self._look))
        self.acts = Acts(self._press_mend, self._press_keep, self._press_back)
        self.wanted: Callable[[], Awaitable[str]] | None = None
        super().__init__("Find and set aside", self._do, [self.form.widget], project.presses, icon="search")
        self.widget.children = (*self.widget.children[:-2], self.only_look, *self.widget.children[-2:])
        self.undo = self.followed_by(UndoStep(project, self._redraw))

    def preset(self) -> None:
        """Show what an earlier search found."""
        self._redraw(self.project.folders())

    def again(self) -> None:
        """Show what is left of what was found: other steps may have moved some of it."""
        self._redraw(self.project.folders())

    def _press_for(self, work: Callable[[], Awaitable[str]]) -> None:
        """Begin other work than the large button's, unless some is under way."""

        def begin() -> None:
            if not self.works():
                self.wanted = work
                self.press()

        self.presses.carry_out(begin)

    async def _do(self) -> str:
        work, self.wanted = self.wanted or self._clean, None
        return await work()

    async def _clean(self) -> str:
        """Set broken pictures and copies aside, then look at the others."""
        folders = self.project.folders()
        review.need_pictures(folders)
        wanted = self.form.read(train_data_dir=str(folders.dataset))
        values = settings.values_of(wanted)
        copies = CurateConfig(**{each.name: values[each.name] for each in settings_of(CurateConfig)})
        end = await self.run("curate", copies, folders, quiet=True)
        said = end.text.replace("`restore` brings them back", "the buttons bring them back")
        if not review.pictures(folders):
            return said
        return f"{said} {await self._check(wanted, folders)}".replace("; nothing was moved", "")

    async def _look(self) -> str:
        folders = self.project.folders()
        review.need_pictures(folders)
        return await self._check(self.form.read(train_data_dir=str(folders.dataset)), folders)

    async def _check(self, wanted: CheckConfig, folders: Folders) -> str:
        end = await self.run("check", wanted, folders, quiet=True)
        self._redraw(folders)
        return end.text

    def _press_keep(self, copy: Copy) -> None:
        self._press_for(lambda: self._keep(copy))

    async def _keep(self, copy: Copy) -> str:
        folders = self.project.folders()
        name = copy.path.relative_to(folders.dataset.absolute()).as_posix()
        end = await self.run("keep_other", KeepOtherConfig(str(folders.dataset), name), folders)
        self._redraw(folders)
        return end.text.replace("`undo` takes it back", "Undo takes it back")

    def _press_mend(self, found: Sequence[Finding]) -> None:
        if found[0].action == "crop":
            self._press_for(lambda: self._crop(found[0]))
        else:
            self.presses.carry_out(lambda: self.set_aside(found))

    async def _crop(self, found: Finding) -> str:
        """Cut a picture of an extreme shape to twice as long as wide, at most, where there is most to see."""
        folders = self.project.folders()
        name = found.pictures[0].relative_to(folders.dataset.absolute()).as_posix()
        item = next(one for one in review.pictures(folders) if one.path.absolute() == found.pictures[0])
        short = min(item.width, item.height)
        size = f"{min(item.width, 2 * short)}x{min(item.height, 2 * short)}"
        end = await self.run("prepare", PrepareConfig(str(folders.dataset), (name,), size), folders)
        self._redraw(folders)
        return end.text

    def set_aside(self, found: Sequence[Finding]) -> None:
        """Take the pictures of these findings out of the dataset, in one step."""

        def act(folders: Folders) -> str:
            reasons = {
                path: f"{finding_rows.label_of(one)}: {one.sentence}"
                for one in found
                for path in one.pictures
            }
            number = aside.set_aside(folders, list(reasons.items()))
            return (
                f"{counted(number, 'picture')} set aside in {folders.set_aside}; the buttons bring them back."
            )

        self._act(act)

    def _press_back(self, names: Sequence[str] | None) -> None:
        self.presses.carry_out(lambda: self.bring_back(names))

    def bring_back(self, names: Sequence[str] | None) -> None:
        """Put these pictures, or all, back into the dataset."""
        self._act(
            lambda folders: (
                f"{counted(aside.bring_back(folders, names), 'picture is', 'pictures are')} back in {folders.dataset}"
            )
        )

    def _act(self, act: Callable[[Folders], str]) -> None:
        """Do what a button does at once, show what is left, and say it."""
        try:
            folders = self.project.folders()
            said = act(folders)
            handover.refresh(folders, self.panel.take)
        except (ValueError, OSError) as error:
            self.panel.say(str(error), "bad")
            return
        self._redraw(folders)
        self.panel.say(said, "good")

    def _redraw(self, folders: Folders) -> None:
        """Show what the last search found and nobody decided on."""
        found = findings.read(folders)
        clusters = [finding_rows.cluster(one, folders.set_aside, self.acts) for one in found.clusters]
        families = [one for one in clusters if one is not None]
        broken = [one for one in found.broken if (one.set_aside or one.path).exists()]
        others = sorted(found.others, key=lambda one: -one.harm)
        others = [one for one in others if all(path.exists() for path in one.pictures)]
        shown: list[W.Widget] = []
        if broken:
            shown.append(W.HTML(review.broken(broken)))
        if families:
            shown += [W.HTML("<b>Nearly the same</b>"), *families]
        if found.distances and (drawn := histogram(found.distances)):
            shown.append(W.HTML(drawn))
        if others:
            shown += [W.HTML("<b>Worth mending</b>"), *finding_rows.rows(others, self.acts)]
        if aside.list_aside(folders):
            shown.append(self.all_back)
        self.result.children = shown
