"""The step that keeps versions of the dataset, shows what differs, and goes back to one."""

from collections.abc import Callable
from functools import partial
from html import escape

import ipywidgets as W

from lora_nb.config.versions import DiffConfig, RestoreVersionConfig, SnapshotConfig
from lora_nb.dataset import versions
from lora_nb.dataset.snapshots import Snapshot
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.forms.undo import UndoStep
from lora_nb.project import Folders
from lora_nb.shell.version_verbs import in_counts

MOST = 30
NONE_YET = "No version yet. One is kept by itself before the first change of each day."


class VersionsStep(Step):
    """Versions of the dataset. It is never due: only a person presses its buttons.

    `redraw` shows the dataset elsewhere as it is after going back.
    """

    by_hand = True

    def __init__(
        self, project: ProjectStep, redraw: Callable[[Folders], None] = lambda folders: None
    ) -> None:
        self.project, self.redraw = project, redraw
        self.form = Form(SnapshotConfig())
        self.asked: tuple[str, str] | None = None  # verb, version
        super().__init__("Keep this version", self._act, [self.form.widget], project.presses, icon="bookmark")
        self.undo = self.followed_by(UndoStep(project, self._redraw))

    def preset(self) -> None:
        """List the versions there are."""
        self._list(self.project.folders())

    def again(self) -> None:
        """List the versions there are now: other steps keep some too."""
        self._list(self.project.folders())

    def refresh(self) -> None:
        """List them anew where they are shown and nothing is under way here."""
        if self.shown and not self.works():
            self.again()

    def ask(self, verb: str, version: str) -> None:
        """Do `diff` or `restore_version` with a version, unless something is under way."""
        if not self.works():
            self.asked = (verb, version)
            self.press()

    async def _act(self) -> str:
        (verb, version), self.asked = self.asked or ("snapshot", ""), None
        folders = self.project.folders()
        place = {"train_data_dir": str(folders.dataset)}
        wanted = {
            "snapshot": lambda: self.form.read(**place),
            "diff": lambda: DiffConfig(**place, version=version),
            "restore_version": lambda: RestoreVersionConfig(**place, version=version),
        }[verb]()
        end = await self.run(verb, wanted, folders)
        if verb == "snapshot":
            self.form.reset()
        self._redraw(folders)
        return end.text.replace("`undo` takes this back", "The button below takes this back")

    def _redraw(self, folders: Folders) -> None:
        self._list(folders)
        self.redraw(folders)

    def _list(self, folders: Folders) -> None:
        known = versions.every(folders.dataset)
        rows: list[W.Widget] = [self._row(made) for made in known[:MOST]]
        more = len(known) - MOST
        if more > 0:
            rows.append(W.HTML(f'<div style="opacity:.7">and {more} older ones: `versions` lists them</div>'))
        self.result.children = rows or [W.HTML(f'<div style="opacity:.7">{NONE_YET}</div>')]

    def _row(self, made: Snapshot) -> W.HBox:
        compare = W.Button(description="What differs now", icon="columns", layout=W.Layout(width="170px"))
        back = W.Button(description="Go back to it", icon="history", layout=W.Layout(width="150px"))
        compare.tooltip, back.tooltip = (
            f"Compare {made.title} with now",
            f"The dataset as it was: {made.title}",
        )
        for button, verb in ((compare, "diff"), (back, "restore_version")):
            button.on_click(lambda _, verb=verb: self.presses.carry_out(partial(self.ask, verb, made.id)))
        words = W.HTML(_in_html(made), layout=W.Layout(flex="1 1 320px"))
        layout = W.Layout(flex_flow="row wrap", align_items="center", width="100%")
        return W.HBox([words, compare, back], layout=layout)


def _in_html(made: Snapshot) -> str:
    heading = f"<b>{escape(made.name)}</b> " if made.name else ""
    rest = ". ".join(filter(None, (made.automatic, made.note)))
    return (
        f'<div class="lora-nb-version" style="line-height:1.35">{heading}{made.made:%Y-%m-%d %H:%M} '
        f'<span style="opacity:.75">{in_counts(made)}{". " + escape(rest) if rest else ""}</span></div>'
    )
