"""A run in progress: the epochs, what is saved on the way."""

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list

from lora_nb import events, project, runs
from lora_nb.bases.base import Base
from lora_nb.lora import inject
from lora_nb.lora.lora_file import DTYPES, LoraFile
from lora_nb.patience import lasting
from lora_nb.training import checkpoints, memory_end, metadata, state
from lora_nb.training.batches import Batch, EpochDataset, steps_left, texts_vary
from lora_nb.training.clock import Clock, most_memory
from lora_nb.training.latents import Views
from lora_nb.training.learner import Learner
from lora_nb.training.log import TrainingLog
from lora_nb.training.moments import SAMPLE, SAVE, STATE, Moments
from lora_nb.training.objective import Objective
from lora_nb.training.plan import RunPlan
from lora_nb.training.prepare import encode_once, inject_lora
from lora_nb.training.preview import draw_previews, is_drawn
from lora_nb.training.validation import Validation


@dataclass
class Run:
    """A run in progress: the models, what is trained, and how far it has come."""

    plan: RunPlan
    base: Base
    accelerator: Accelerator
    tell: events.Tell
    state: state.RunState
    learner: Learner
    moments: Moments
    encoded: list[Views]
    about: dict[str, str]  # metadata every file of the run shares
    validation: Validation
    clock: Clock
    log: TrainingLog | None = None  # while it goes on

    @classmethod
    def begin(
        cls,
        plan: RunPlan,
        base: Base,
        accelerator: Accelerator,
        kept: state.RunState | None,
        tell: events.Tell,
    ) -> "Run":
        """Load the models onto the device, encode the pictures, take up `kept` if there is one."""
        config = plan.config
        clock = Clock()
        with clock.spent("encoding"):
            encoded = encode_once(plan, base, accelerator.device, tell)
        groups = inject_lora(config.network, config.learning, config.seed, base, accelerator.device)
        if config.precision.gradient_checkpointing:
            base.checkpoint_gradients()
        objective = Objective(
            config.loss,
            config.captions,
            config.learning.trains_text,
            base,
            accelerator.device,
            texts_vary(plan),
        )
        identity = state.identity_of(plan, base.fingerprint, accelerator.num_processes)
        own = runs.run_folder(Path(config.place.output_dir), config.place.output_name)
        with clock.spent("encoding"):
            validation = Validation.begin(plan, base, objective, accelerator, own, tell)
        run = cls(
            plan=plan,
            base=base,
            accelerator=accelerator,
            tell=tell,
            state=kept or state.RunState.fresh(identity, _now(config.resuming.source_date_epoch)),
            learner=Learner(plan, objective, groups, base.parts, accelerator, tell),
            moments=Moments(config, plan.epochs),
            encoded=encoded,
            about={},
            validation=validation,
            clock=clock,
        )
        facts = metadata.facts_of(plan, base, run.state.identity, run.state.started_at, accelerator)
        run.about = metadata.of_run(plan, facts) | metadata.of_lengths(plan, run.state.lengths)
        if kept:
            run.learner.take_up(kept)
        elif config.resuming.initial_step:
            run.state.step = config.resuming.initial_step
            run.learner.begin_at(run.state.step)
        return run

    def go_on(self, poll: events.Poll) -> str:
        """Train to the end, or until `poll` says stop: "done" or "stopped"."""
        main = self.accelerator.is_main_process
        with TrainingLog(self.plan, self.state.step, main, self.tell) as log:
            self.log = log
            self._catch_up()
            for epoch in range(self.state.step // self.plan.steps_per_epoch + 1, self.plan.epochs + 1):
                for batches, pictures in self.clock.each("data", self._steps_of(epoch)):
                    with self.clock.spent("step"):
                        loss, plain = self._step(batches, pictures, epoch)
                    self.state.losses.append(loss)
                    self.state.plain_losses.append(plain)
                    self.state.step += 1
                    losses = self.state.losses, self.state.plain_losses
                    log.step(epoch, self.state.step, *losses, self.learner.rates())
                    log.norms(self.state.step, self.learner.norms)
                    if self._is_at_the_end_of(epoch):
                        log.epoch(epoch, self.state.step, *losses)
                        self._end_epoch(epoch)
                    asked = self._answer(poll, epoch)
                    self._end_step(epoch)
                    if "stop" in asked:
                        self.save_state()
                        return "stopped"
        return "done"

    def _step(self, batches: list[Batch], pictures: int, epoch: int) -> tuple[float, float]:
        """The losses of the step that comes. Where memory runs out in it, the steps before it are kept."""
        try:
            return self.learner.step(batches, pictures, epoch, self.state.step + 1)
        except (RuntimeError, MemoryError) as error:
            begun = self.state.step > self.plan.config.resuming.initial_step
            if memory_end.kind_of(error) and self.learner.between and begun:
                self.save_state()
            raise

    def _steps_of(self, epoch: int) -> Iterator[tuple[list[Batch], int]]:
        """What is left of an epoch: this process's batches of each step, and the pictures of all processes in it."""
        plan, accelerator = self.plan, self.accelerator
        dataset = EpochDataset(plan, self.encoded, self.base.scale, self.base.process, epoch)
        first = self.state.step - (epoch - 1) * plan.steps_per_epoch
        return steps_left(dataset, first, accelerator.process_index, accelerator.num_processes)

    def _answer(self, poll: events.Poll, epoch: int) -> frozenset[str]:
        """Do what was asked for since the last step, and what it is time for."""
        step = self.state.step
        asked, minutes = self._as_main(lambda: (poll(), self.moments.by_minutes()))
        due = minutes | self.moments.by_steps(step)
        if SAVE in due and SAVE not in asked:  # what is asked for by hand is never dropped
            self.state.saved_steps = [*self.state.saved_steps, step]
        if {SAVE, STATE} & (due | asked):
            self.save_state()
        self._write_step(due | asked, epoch)
        return asked

    def _write_step(self, what: frozenset[str], epoch: int) -> None:
        """LoRA file and samples of the step that is done."""
        config, step = self.plan.config, self.state.step
        if SAVE in what:
            self.save_lora(project.step_file_name(config.place.output_name, step), epoch)
        if SAMPLE in what:
            self._preview(epoch)
        if step in self.state.saved_steps and self.accelerator.is_main_process:
            self.state.saved_steps, kept_all = checkpoints.drop_old_steps(
                self.plan, self.state.saved_steps, config.saving.save_last_n_steps
            )
            self._warn(kept_all)

    def _warn(self, text: str) -> None:
        if text:
            self.tell(events.Notice(text, "warning"))

    def _as_main(self, ask: Callable[[], Any]) -> Any:
        """What `ask` returns in the main process, in every process."""
        answer = [ask() if self.accelerator.is_main_process else None]
        if self.accelerator.num_processes > 1:
            broadcast_object_list(answer)
        return answer[0]

    def _is_at_the_end_of(self, epoch: int) -> bool:
        return self.state.step in (epoch * self.plan.steps_per_epoch, self.plan.total_steps)

    def _end_epoch(self, epoch: int) -> None:
        """Save the state, then write the epoch's files: a write that fails or is cut short loses nothing."""
        self.state.losses.clear()
        self.state.plain_losses.clear()
        self.save_state()
        self._write_files(epoch)

    def _end_step(self, epoch: int) -> None:
        """Check the run if it is time for it, and note after each epoch what the time went on."""
        ends = self._is_at_the_end_of(epoch)
        self._check(epoch, ends)
        if ends:
            memory = most_memory(self.accelerator.device)
            self.log.spent(events.Spent(epoch, self.state.step, self.clock.take(), memory))

    def _check(self, epoch: int, ends: bool) -> None:
        """The loss on the pictures it is checked with, of the weights that a file would hold."""
        step, first = self.state.step, self.plan.config.resuming.initial_step
        if self.validation.checks.due(step, epoch, ends, first, self.plan.total_steps):
            with self.clock.spent("checking"), self.learner.average.in_place():
                self.log.validated(self.validation.measure(epoch, step))
            self.accelerator.wait_for_everyone()

    def _catch_up(self) -> None:
        """Draw what comes before the first step; else write what is not there yet of the step the state is from."""
        step, first = self.state.step, self.plan.config.resuming.initial_step
        epoch = -(-step // self.plan.steps_per_epoch)
        self._check(epoch, self._is_at_the_end_of(epoch))
        if step == first:
            if self.plan.config.samples.sample_at_first:
                self._preview(epoch)
            return
        if self._is_at_the_end_of(epoch):
            self._write_files(epoch, anew=False)
        path = self._step_path()
        lacking = {SAVE} if step in self.state.saved_steps and not self._stands(path) else set()
        drawn = self._as_main(lambda: is_drawn(self.plan, epoch, step))
        self._write_step(
            frozenset(lacking | (self.moments.by_steps(step) & {SAMPLE} if not drawn else set())), epoch
        )

    def _step_path(self) -> Path:
        place = self.plan.config.place
        return Path(place.output_dir) / project.step_file_name(place.output_name, self.state.step)

    def _stands(self, path: Path) -> bool:
        """Whether the file of the step that is done is there already."""
        said = {"ss_session_id": self.about.get("ss_session_id"), "ss_steps": str(self.state.step)}
        mine = {} if self.plan.config.about.no_metadata else said  # no other run's files lie under its name
        return self._as_main(lambda: checkpoints.stands(path, mine))

    def _write_files(self, epoch: int, anew: bool = True) -> None:
        """LoRA file, samples and preview of a finished epoch; unless `anew`, what stands already is left as it is."""
        config = self.plan.config
        if not self.moments.saves(epoch):
            return
        name = project.lora_file_name(config.place.output_name, epoch)
        path = Path(config.place.output_dir) / name
        if anew or not self._stands(path):
            self.save_lora(name, epoch)
        if self.moments.draws(epoch) and (anew or not self._as_main(path.with_suffix(".png").exists)):
            self._preview(epoch, path)
        if self.accelerator.is_main_process:
            keep = config.saving.save_last_n_epochs
            self._warn(self._write(lambda: checkpoints.drop_old(path.parent, config.place.output_name, keep)))

    def _preview(self, epoch: int, lora_path: Path | None = None) -> None:
        """Draw the sample prompts; the first picture becomes the preview of the LoRA file."""
        if self.accelerator.is_main_process:
            with self.clock.spent("sampling"), self.learner.average.in_place():
                pictures = draw_previews(self.plan, self.base, epoch, self.state.step, self.tell)
            if lora_path and pictures:
                self._write(lambda: checkpoints.write_preview(lora_path, pictures[0]))
        self.accelerator.wait_for_everyone()

    def save_lora(self, name: str, epoch: int) -> Path:
        """Write the update as it stands under `name` in the output folder."""
        config = self.plan.config
        path = Path(config.place.output_dir) / name
        if self.accelerator.is_main_process:
            now = _now(config.resuming.source_date_epoch)
            about = self.about | metadata.of_save(config.about, epoch, self.state.step, now)
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

    def forget_models(self) -> None:
        """Free the memory of the models; only files and plan remain."""
        self.base.forget()
        self.learner, self.validation, self.encoded = None, None, []
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def close(self) -> None:
        """Write that the run is finished, and keep what more epochs would go on from."""
        if self.accelerator.is_main_process:
            self.state.finished = True
            path = state.state_path(self.plan.config.place)
            self._write(lambda: state.save_state(path, self.state))
            state.before(path).unlink(missing_ok=True)

    def files(self) -> tuple[str, ...]:
        """The LoRA files that stand in the output folder."""
        return tuple(
            str(path)
            for path in project.run_files(
                Path(self.plan.config.place.output_dir), self.plan.config.place.output_name
            )
        )


def _now(instead: int | None) -> float:
    return time.time() if instead is None else float(instead)
