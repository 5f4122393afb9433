"""A run in progress: epoch after epoch, step after step."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from accelerate import Accelerator

from lora_nb import events, project, runs
from lora_nb.bases.base import Base
from lora_nb.training import memory_end, metadata, state
from lora_nb.training.batches import Batch, EpochDataset, steps_left, texts_vary
from lora_nb.training.clock import Clock, most_memory
from lora_nb.training.latents import Views
from lora_nb.training.learner import Learner
from lora_nb.training.letting_go import give_back
from lora_nb.training.log import TrainingLog
from lora_nb.training.moments import SAMPLE, SAVE, STATE, Moments
from lora_nb.training.objective import Objective
from lora_nb.training.plan import RunPlan
from lora_nb.training.prepare import encode_once, inject_lora
from lora_nb.training.preview import is_drawn
from lora_nb.training.run_writer import Writer, as_main, now
from lora_nb.training.validation import Validation


@dataclass
class Run:
    """A run in progress: the models, what is trained, and how far it has come."""

    writer: Writer
    encoded: list[Views]
    validation: Validation
    log: TrainingLog | None = None  # while it goes on

    def __post_init__(self) -> None:
        for name in ("plan", "base", "accelerator", "tell", "state", "learner", "moments", "clock"):
            setattr(self, name, getattr(self.writer, name))

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
        begun = kept or state.RunState.fresh(identity, now(config.resuming.source_date_epoch))
        facts = metadata.facts_of(plan, base, begun.identity, begun.started_at, accelerator)
        writer = Writer(
            plan=plan,
            base=base,
            accelerator=accelerator,
            tell=tell,
            state=begun,
            learner=Learner(plan, objective, groups, base.parts, accelerator, tell),
            moments=Moments(config, plan.epochs),
            about=metadata.of_run(plan, facts) | metadata.of_lengths(plan, begun.lengths),
            clock=clock,
        )
        run = cls(writer, encoded, validation)
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
            self.log = self.writer.log = log
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
                    log.norms(epoch, self.state.step, self.learner.norms)
                    if self._is_at_the_end_of(epoch):
                        log.epoch(epoch, self.state.step, *losses)
                        self._end_epoch(epoch)
                    asked = self._answer(poll, epoch)
                    self._end_step(epoch)
                    if "stop" in asked:
                        self.writer.save_state()
                        return "stopped"
        return "done"

    def _step(self, batches: list[Batch], pictures: int, epoch: int) -> tuple[float, float]:
        """The losses of the step that comes. Where memory runs out in it, the steps before it are kept."""
        try:
            return self.learner.step(batches, pictures, epoch, self.state.step + 1)
        except (RuntimeError, MemoryError) as error:
            begun = self.state.step > self.plan.config.resuming.initial_step
            if memory_end.kind_of(error) and self.learner.between and begun:
                self.writer.save_state()
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
        asked, minutes = as_main(self.accelerator, lambda: (poll(), self.moments.by_minutes()))
        due = minutes | self.moments.by_steps(step)
        if SAVE in due and SAVE not in asked:  # what is asked for by hand is never dropped
            self.state.saved_steps = [*self.state.saved_steps, step]
        if {SAVE, STATE} & (due | asked):
            self.writer.save_state()
        self.writer.write_step(due | asked, epoch)
        return asked

    def _is_at_the_end_of(self, epoch: int) -> bool:
        return self.state.step in (epoch * self.plan.steps_per_epoch, self.plan.total_steps)

    def _end_epoch(self, epoch: int) -> None:
        """Save the state, then write the epoch's files: a write that fails or is cut short loses nothing."""
        self.state.losses.clear()
        self.state.plain_losses.clear()
        self.writer.save_state()
        self.writer.write_files(epoch)

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
                self.writer.preview(epoch)
            return
        if self._is_at_the_end_of(epoch):
            self.writer.write_files(epoch, anew=False)
        path = self.writer.step_path()
        lacking = {SAVE} if step in self.state.saved_steps and not self.writer.stands(path) else set()
        drawn = as_main(self.accelerator, lambda: is_drawn(self.plan, epoch, step))
        self.writer.write_step(
            frozenset(lacking | (self.moments.by_steps(step) & {SAMPLE} if not drawn else set())), epoch
        )

    def forget_models(self) -> None:
        """Free the memory of the models; only files and plan remain."""
        self.base.forget()
        self.learner, self.writer.learner, self.validation, self.encoded = None, None, None, []
        give_back()

    def files(self) -> tuple[str, ...]:
        """The LoRA files that stand in the output folder."""
        return tuple(
            str(path)
            for path in project.run_files(
                Path(self.plan.config.place.output_dir), self.plan.config.place.output_name
            )
        )
