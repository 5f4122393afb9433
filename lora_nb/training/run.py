"""A run in progress: the step, the epochs, what is saved on the way."""

import gc
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import broadcast_object_list
from torch import nn

from lora_nb import events, project
from lora_nb.bases.base import Base
from lora_nb.lora import inject
from lora_nb.lora.lora_file import DTYPES, LoraFile
from lora_nb.lora.max_norm import Norms, limit_norms
from lora_nb.training import checkpoints, divergence, metadata, state
from lora_nb.training.batches import Batch, EpochDataset, Posterior, dice, load_batches
from lora_nb.training.log import TrainingLog
from lora_nb.training.objective import Objective
from lora_nb.training.optimizers import make_optimizer, make_scheduler
from lora_nb.training.plan import RunPlan
from lora_nb.training.prepare import encode_once, inject_lora
from lora_nb.training.preview import draw_previews


@dataclass
class Run:
    """A run in progress: the models, what is trained, and how far it has come."""

    plan: RunPlan
    base: Base
    accelerator: Accelerator
    tell: events.Tell
    state: state.RunState
    parameters: list[nn.Parameter]
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LRScheduler
    encoded: list[tuple[Posterior, ...]]
    objective: Objective
    about: dict[str, str]  # metadata every file of the run shares
    norms: Norms | None = None  # of the step before, where they are limited

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
        encoded = encode_once(plan, base, accelerator.device, tell)
        groups = inject_lora(config.network, config.learning, config.seed, base, accelerator.device)
        if config.precision.gradient_checkpointing:
            base.checkpoint_gradients()
        optimizer = accelerator.prepare(make_optimizer(config.learning, groups))
        scheduler = make_scheduler(config.learning, plan.total_steps, optimizer.optimizer)
        identity = state.identity_of(plan, base.fingerprint, accelerator.num_processes)
        learns_text = config.learning.text_encoder_lr > 0
        run = cls(
            plan=plan,
            base=base,
            accelerator=accelerator,
            tell=tell,
            state=kept or state.RunState.fresh(identity, _now(config.resuming.source_date_epoch)),
            parameters=[p for group in groups for p in group["params"]],
            optimizer=optimizer,
            scheduler=scheduler,
            encoded=encoded,
            objective=Objective(config.loss, config.captions, learns_text, base, accelerator.device),
            about={},
        )
        facts = metadata.facts_of(plan, base, run.state.identity, run.state.started_at, accelerator)
        run.about = metadata.of_run(plan, facts)
        if kept:
            run._take_up(kept)
        return run

    def _take_up(self, kept: state.RunState) -> None:
        for parameter, values in zip(self.parameters, kept.parameters, strict=True):
            parameter.data.copy_(values)
        self.optimizer.load_state_dict(kept.optimizer)
        self.scheduler.load_state_dict(kept.scheduler)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(kept.scaler)

    def go_on(self, poll: events.Poll) -> str:
        """Train to the end, or until `poll` says stop: "done" or "stopped"."""
        with TrainingLog(self.plan, self.state.step, self.accelerator.is_main_process, self.tell) as log:
            self._catch_up()
            for epoch in range(self.state.step // self.plan.steps_per_epoch + 1, self.plan.epochs + 1):
                for batches, pictures in self._steps_of(epoch):
                    loss, plain = self.step(batches, pictures, epoch)
                    self.state.losses.append(loss)
                    self.state.plain_losses.append(plain)
                    self.state.step += 1
                    losses = self.state.losses, self.state.plain_losses
                    log.step(epoch, self.state.step, *losses, self._rates())
                    log.norms(self.state.step, self.norms)
                    if self._is_at_the_end_of(epoch):
                        log.epoch(epoch, self.state.step, *losses)
                        self._end_epoch(epoch)
                    if "stop" in self._answer(poll, epoch):
                        self.save_state()
                        return "stopped"
        return "done"

    def _rates(self) -> tuple[float, float]:
        """The learning rates of the denoiser and of what reads text, 0 where nothing is trained."""
        rates = {group["name"]: group["lr"] for group in self.optimizer.param_groups}
        of_text = [rates.get(part.name, 0.0) for part in self.base.parts if part.reads_text]
        return rates.get(self.base.parts[0].name, 0.0), max(of_text, default=0.0)

    def _steps_of(self, epoch: int) -> Iterator[tuple[list[Batch], int]]:
        """What is left of an epoch: this process's batches of each step, and the pictures of all processes in it."""
        plan, accelerator = self.plan, self.accelerator
        dataset = EpochDataset(plan, self.encoded, self.base.scale, self.base.process, epoch)
        width = accelerator.num_processes * plan.config.length.gradient_accumulation_steps
        first = self.state.step - (epoch - 1) * plan.steps_per_epoch
        last = min(plan.steps_per_epoch, plan.total_steps - (epoch - 1) * plan.steps_per_epoch)
        every = [range(len(dataset))[step * width : (step + 1) * width] for step in range(first, last)]
        mine = [
            list(positions[accelerator.process_index :: accelerator.num_processes]) for positions in every
        ]
        loaded = iter(
            load_batches(
                dataset,
                [at for positions in mine for at in positions],
                plan.config.precision.max_data_loader_n_workers,
            )
        )
        for positions, own in zip(every, mine, strict=True):
            yield [next(loaded) for _ in own], sum(len(dataset.batches[at]) for at in positions)

    def step(self, batches: list[Batch], pictures: int, epoch: int) -> tuple[float, float]:
        """One optimizer step over `pictures` pictures of all processes; returns their mean losses, minimised and plain.

        Raises ValueError, in every process, when what comes of it is not finite.
        """
        total = torch.zeros(2, device=self.accelerator.device)
        for batch in batches:
            if self.plan.config.network.leaves_out:
                torch.manual_seed(dice(self.plan.config.seed, epoch, batch.samples[0], "dropout"))
            with self.accelerator.autocast():
                losses = self.objective.losses(batch)
                loss = losses.minimised.sum() / pictures
            if loss.requires_grad:  # it does not where every layer was left out
                self.accelerator.backward(loss)
            total += torch.stack([loss.detach(), losses.plain.sum() / pictures])
        self._share_gradients()
        if self.plan.config.learning.max_grad_norm:
            self.accelerator.clip_grad_norm_(self.parameters, self.plan.config.learning.max_grad_norm)
        self.optimizer.step()
        if limit := self.plan.config.network.scale_weight_norms:
            self.norms = limit_norms(self.base.parts, limit)
        self.scheduler.step()
        self.optimizer.zero_grad()
        loss, plain = self.accelerator.reduce(total, "sum").tolist()
        length = nn.utils.get_total_norm(self.parameters).item()
        done = divergence.Step(self.state.step + 1, self.plan.total_steps, loss, length)
        divergence.refuse(done, self.plan.config.learning, self.accelerator.mixed_precision)
        return loss, plain

    def _share_gradients(self) -> None:
        """Sum the gradients of all processes; one without a batch in the last step adds zeros."""
        if self.accelerator.num_processes == 1:
            return
        for parameter in self.parameters:
            mine = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
            parameter.grad = self.accelerator.reduce(mine, "sum")

    def _answer(self, poll: events.Poll, epoch: int) -> frozenset[str]:
        """Do what was asked for since the last step, and save the state when it is time."""
        asked = self._as_main(poll)
        every = self.plan.config.resuming.save_state_every_n_steps
        if "save" in asked or (every and self.state.step % every == 0):
            self.save_state()
        if "save" in asked:
            self.save_lora(project.step_file_name(self.plan.config.place.output_name, self.state.step), epoch)
        if "sample" in asked:
            self._preview(epoch)
        return asked

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

    def _catch_up(self) -> None:
        """Write what is not there yet of the epoch at whose end the state was saved."""
        epoch = -(-self.state.step // self.plan.steps_per_epoch)
        if epoch and self._is_at_the_end_of(epoch):
            self._write_files(epoch, anew=False)

    def _write_files(self, epoch: int, anew: bool = True) -> None:
        """LoRA file, samples and preview of a finished epoch; unless `anew`, what stands already is left as it is."""
        config, last = self.plan.config, epoch == self.plan.epochs
        if not last and epoch % config.saving.save_every_n_epochs:
            return
        name = project.lora_file_name(config.place.output_name, epoch)
        path = Path(config.place.output_dir) / name
        mine = {"ss_session_id": self.about["ss_session_id"], "ss_steps": str(self.state.step)}
        if anew or not self._as_main(lambda: checkpoints.stands(path, mine)):
            self.save_lora(name, epoch)
        sampled = config.samples.sample_every_n_epochs and (
            last or epoch % config.samples.sample_every_n_epochs == 0
        )
        if sampled and (anew or not self._as_main(path.with_suffix(".png").exists)):
            self._preview(epoch, path)
        if self.accelerator.is_main_process:
            kept_all = checkpoints.drop_old(
                path.parent, config.place.output_name, config.saving.save_last_n_epochs
            )
            if kept_all:
                self.tell(events.Notice(kept_all, "warning"))

    def _preview(self, epoch: int, lora_path: Path | None = None) -> None:
        """Draw the sample prompts; the first picture becomes the preview of the LoRA file."""
        if self.accelerator.is_main_process:
            pictures = draw_previews(self.plan, self.base, epoch, self.state.step, self.tell)
            if lora_path and pictures:
                checkpoints.write_preview(lora_path, pictures[0])
        self.accelerator.wait_for_everyone()

    def save_lora(self, name: str, epoch: int) -> Path:
        """Write the update as it stands under `name` in the output folder."""
        config = self.plan.config
        path = Path(config.place.output_dir) / name
        if self.accelerator.is_main_process:
            now = _now(config.resuming.source_date_epoch)
            about = self.about | metadata.of_save(config.about, epoch, self.state.step, now)
            file = LoraFile(inject.modules(self.base.parts), about)
            dtype = DTYPES[config.precision.save_precision]
            checkpoints.write_checkpoint(path, file, dtype, self.plan, self.base.facts.sd_version)
            self.tell(events.Saved(str(path), epoch, self.state.step))
        self.accelerator.wait_for_everyone()
        return path

    def save_state(self) -> None:
        """Write what a later start goes on from."""
        if self.accelerator.is_main_process:
            self.state.parameters = [parameter.detach().cpu() for parameter in self.parameters]
            self.state.optimizer = self.optimizer.state_dict()
            self.state.scheduler = self.scheduler.state_dict()
            self.state.scaler = (
                self.accelerator.scaler.state_dict() if self.accelerator.scaler is not None else {}
            )
            state.save_state(state.state_path(self.plan.config.place), self.state)
        self.accelerator.wait_for_everyone()

    def forget_models(self) -> None:
        """Free the memory of the models; only files and plan remain."""
        self.base.forget()
        self.parameters, self.optimizer, self.scheduler, self.encoded = [], None, None, []
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def close(self) -> None:
        """Write that the run is finished; what only going on would need is left out."""
        if self.accelerator.is_main_process:
            self.state.finished = True
            self.state.parameters, self.state.optimizer = [], {}
            state.save_state(state.state_path(self.plan.config.place), self.state)

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
