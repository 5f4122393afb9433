"""What there is of a run when it is done, and what can be done with it: downloaded, copied, described, published."""

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as W

from lora_nb import runs
from lora_nb.config.results import CardConfig, CopyConfig, InspectConfig, PackConfig, PushConfig
from lora_nb.config.training import TrainConfig
from lora_nb.forms import download
from lora_nb.forms.follow import sentence
from lora_nb.forms.form import Form
from lora_nb.forms.project_step import ProjectStep
from lora_nb.forms.step import Step
from lora_nb.results import run_files
from lora_nb.results.run_files import RunFile

TO_DISK = (".zip", ".md")


class ResultStep(Step):
    """One thing that can be done with the files of a run. Only a person presses it."""

    by_hand = True

    def __init__(
        self,
        verb: str,
        label: str,
        config: Any,
        project: ProjectStep,
        run: Callable[[], TrainConfig],
        icon: str,
    ) -> None:
        self.verb, self.project, self.run_config, self.form = verb, project, run, Form(config)
        super().__init__(label, self._do, [self.form.widget], project.presses, icon=icon)

    async def _do(self) -> str:
        folders = self.project.folders()
        end = await self.run(self.verb, self.form.read(**self._place()), folders)
        said = W.HTML()
        made = [Path(file) for file in end.files if file.endswith(TO_DISK)]
        offers = [download.offer(path, said, self.presses) for path in made]
        self.result.children = [*offers, said] if offers else []
        return end.text

    def _place(self) -> dict[str, str]:
        """Which run it is, for a verb that asks for it."""
        if self.verb == "inspect":
            return {}
        place = self.run_config().place
        return {"output_dir": place.output_dir, "output_name": place.output_name}


class After:
    """The files of a run with size, epoch and losses, each with its download, and the steps on them."""

    def __init__(self, project: ProjectStep, run: Callable[[], TrainConfig]) -> None:
        self.project, self.run = project, run
        said = (
            ("pack", "Put all into one zip", PackConfig(), "file-archive-o"),
            ("copy", "Copy", CopyConfig(), "copy"),
            ("inspect", "Look inside", InspectConfig(), "search"),
            ("card", "Write a model card", CardConfig(), "id-card-o"),
            ("push", "Put on Hugging Face", PushConfig(), "cloud-upload"),
        )
        self.steps = {
            verb: ResultStep(verb, label, config, project, run, icon) for verb, label, config, icon in said
        }

    def forget(self) -> None:
        """Be as new: the project is another one."""
        for step in self.steps.values():
            step.forget()

    def widget(self) -> W.Widget:
        """All of it. Raises ValueError for a bad setting of the run."""
        place = self.run().place
        found = run_files.every(Path(place.output_dir), place.output_name)
        if not found:
            return W.VBox([W.HTML(sentence("There are no LoRA files yet: train first.", "warning"))])
        self.steps["inspect"].form.write(lora=str(max(found, key=lambda file: file.step or 0).path))
        said = W.HTML()
        rows = [self._row(file, said) for file in found]
        own = runs.run_folder(Path(place.output_dir), place.output_name)
        lies = sentence(f"They lie in {place.output_dir}; what else belongs to the run in {own.base}.")
        return W.VBox([*rows, said, W.HTML(lies), *self._folded()], layout=W.Layout(width="100%"))

    def _row(self, file: RunFile, said: W.HTML) -> W.HBox:
        offered = download.offer(file.path, said, self.project.presses)
        words = W.HTML(f'<span style="white-space:nowrap">{escape(in_words(file))}</span>')
        return W.HBox([offered, words], layout=W.Layout(align_items="center", flex_flow="row wrap"))

    def _folded(self) -> Sequence[W.Widget]:
        """Each step behind a button with its name."""
        shown: list[W.Widget] = []
        for step in self.steps.values():
            inside = W.VBox([step.widget], layout=W.Layout(display="none", padding="0 0 12px 20px"))
            opener = W.ToggleButton(
                description=f"{step.button.description} ...",
                icon=step.button.icon,
                layout=W.Layout(width="240px"),
            )
            opener.observe(_opening(inside), "value")
            shown += [opener, inside]
        return shown


def _opening(inside: W.VBox) -> Callable[[dict], None]:
    def open_or_close(change: dict) -> None:
        inside.layout.display = "" if change["new"] else "none"

    return open_or_close


def in_words(file: RunFile) -> str:
    """`9.4 MB, epoch 3, step 240, mean loss 0.0912, on the pictures it is checked with 0.1034`, as far as known."""
    parts = [f"{file.size / 1e6:.1f} MB"]
    parts += [f"epoch {file.epoch}"] * (file.epoch is not None)
    parts += [f"step {file.step}"] * (file.step is not None)
    if file.loss is not None:
        parts.append(f"mean loss {file.loss:.4f}")
    if file.validation is not None:
        parts.append(f"on the pictures it is checked with {file.validation:.4f}")
    return ", ".join(parts)
