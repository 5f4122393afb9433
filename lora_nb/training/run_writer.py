"""What a run leaves on disk on its way: its state, LoRA files, samples and previews."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from lora_nb import events, project
from lora_nb.bases.base import Base
from lora_nb.lora import inject
from lora_nb.lora.lora_file import DTYPES, LoraFile
from lora_nb.patience import lasting
from lora_nb.training import checkpoints, metadata, state
from lora_nb.training.clock import Clock
from lora_nb.training.learner import Learner
from lora_nb.training.log import TrainingLog
from lora_nb.training.moments import SAMPLE, SAVE, Moments
from lora_nb.training.plan import RunPlan
from lora_nb.training.preview import draw_previews, preview_prompts


@dataclass
class Writer:
    """Writes the files of a run as it stands, in its main process; the other ones wait."""

    plan: RunPlan
    base: Base
    accelerator: Accelerator
    tell: events.Tell
    state: state.RunState
    learner: Learner | None
    moments: Moments
    about: dict[str, str]  # metadata every file of the run shares
    clock: Clock
    log: TrainingLog | None = None  # while the run goes on

    def write_step(self, what: frozenset[str], epoch: int) -> None:
        """LoRA file and samples of the step that is done."""
        config, step = self.plan.config, self.state.step
        if SAVE in what:
            self.save_lora(project.step_file_name(config.place.output_name, step), epoch)
        if SAMPLE in what:
            self.preview(epoch)
        if step in self.state.saved_steps and self.accelerator.is_main_process:
            self.state.saved_steps, kept_all = checkpoints.drop_old_steps(
                self.plan, self.state.saved_steps, config.saving.save_last_n_steps
            )
            self._warn(kept_all)

    def _warn(self, text: str) -> None:
        if text:
            self.tell(events.Notice(text, "warning"))

    def step_path(self) -> Path:
        place = self.plan.config.place
        return Path(place.output_dir) / project.step_file_name(place.output_name, self.state.step)

    def stands(self, path: Path) -> bool:
        """Whether the file of the step that is done is there already."""
        said = {"ss_session_id": self.about.get("ss_session_id"), "ss_steps": str(self.state.step)}
        mine = {} if self.plan.config.about.no_metadata else said  # no other run's files lie under its name
        return as_main(self.accelerator, lambda: checkpoints.stands(path, mine))

    def write_files(self, epoch: int, anew: bool = True) -> None:
        """LoRA file, samples and preview of a finished epoch; unless `anew`, what stands already is left as it is."""
        config = self.plan.config
        if not self.moments.saves(epoch):
            return
        name = project.lora_file_name(config.place.output_name, epoch)
        path = Path(config.place.output_dir) / name
        if anew or not self.stands(path):
            self.save_lora(name, epoch)
        if self.moments.draws(epoch) and (
            anew or not as_main(self.accelerator, path.with_suffix(".png").exists)
        ):
            self.preview(epoch, path)
        if self.accelerator.is_main_process:
            keep = config.saving.save_last_n_epochs
            self._warn(self._write(lambda: checkpoints.drop_old(path.parent, config.place.output_name, keep)))

    def preview(self, epoch: int, lora_path: Path | None = None) -> None:
        """Draw the sample prompts; the first picture becomes the preview of the LoRA file."""
        if self.accelerator.is_main_process:
            with self.clock.spent("sampling"), self.learner.average.in_place():
                pictures = draw_previews(self.plan, self.base, epoch, self.state.step, self._tell_drawn)
            if lora_path and pictures:
                self._write(lambda: checkpoints.write_preview(lora_path, pictures[0]))
        self.accelerator.wait_for_everyone()

    def _tell_drawn(self, event: events.Event) -> None:
        self.tell(event)
        if self.log and isinstance(event, events.Drawn):
            self.log.drawn(event, [prompt.text for prompt in preview_prompts(self.plan)])

    def save_lora(self, name: str, epoch: int) -> Path:
        """Write the update as it stands under `name` in the output folder."""
        config = self.plan.config
        path = Path(config.place.output_dir) / name
        if self.accelerator.is_main_process:
            saved_at = now(config.resuming.source_date_epoch)
            about = self.about | metadata.of_save(config.about, epoch, self.state.step, saved_at)
            dtype = DTYPES[config.precision.save_precision]
            with self.clock.spent("saving"), self.learner.average.in_place():
                file = LoraFile(inject.modules(self.base.parts), about)
                version = self.base.facts.sd_version
                self._write(lambda: checkpoints.write_checkpoint(path, file, dtype, self.plan, version))
            self.tell(events.Saved(str(path), epoch, self.state.step))
        self.accelerator.wait_for_everyone()
        return path

    def save_state(self) -> None:
        """Write what a later start goes on from."""
        if self.accelerator.is_main_process:
            with self.clock.spent("saving"):
                self.learner.keep_in(self.state)
                path = state.state_path(self.plan.config.place)
                self._write(lambda: state.save_state(path, self.state))
        self.accelerator.wait_for_everyone()

    def _write(self, write: Callable[[], Any]) -> Any:
        """Do it, also where the disk is away for a while."""
        home = project.folders_of_output(Path(self.plan.config.place.output_dir)).base
        return lasting(write, home, self.tell)

    def finish(self) -> None:
        """Write that the run is finished, and keep what more epochs would go on from."""
        if self.accelerator.is_main_process:
            self.state.finished = True
            path = state.state_path(self.plan.config.place)
            self._write(lambda: state.save_state(path, self.state))
            state.before(path).unlink(missing_ok=True)


def as_main(accelerator: Accelerator, ask: Callable[[], Any]) -> Any:
    """What `ask` returns in the main process, in every process."""
    answer = [ask() if accelerator.is_main_process else None]
    if accelerator.num_processes > 1:
        broadcast_object_list(answer)
    return answer[0]


def now(instead: int | None) -> float:
    """The unix time, or what stands for it so that equal runs give equal bytes."""
    return time.time() if instead is None else float(instead)
