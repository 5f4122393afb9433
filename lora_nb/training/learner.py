"""What learns: the weights of the update, the optimizer that moves them, and one step of it."""

import warnings
from collections.abc import Sequence

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from lora_nb import events
from lora_nb.bases.base import Part
from lora_nb.config.optimizers import OPTIMIZERS, RELATIVE
from lora_nb.lora.max_norm import Norms, limit_norms
from lora_nb.training import divergence, state
from lora_nb.training.averages import Average
from lora_nb.training.batches import Batch, dice
from lora_nb.training.log import Rates
from lora_nb.training.objective import Objective
from lora_nb.training.optimizers import make_optimizer, make_scheduler
from lora_nb.training.plan import RunPlan

TOLD_AT = (1, 10, 100, 1000)  # a few at the beginning are usual


class Learner:
    """The weights of a run, their optimizer and its schedule.

    `between` is false while a step changes weights; `skipped` steps were left out (fp16); `norms` are the lengths of
    the layers after the last step, where limited.
    """

    def __init__(
        self,
        plan: RunPlan,
        objective: Objective,
        groups: list[dict],
        parts: Sequence[Part],
        accelerator: Accelerator,
        tell: events.Tell = events.silent,
    ):
        """Take the parameter groups of the update: each is called after its part, or that and more after a slash."""
        learning = plan.config.learning
        self.plan, self.objective, self.parts, self.accelerator = plan, objective, parts, accelerator
        self.parameters: list[nn.Parameter] = [p for group in groups for p in group["params"]]
        self.optimizer = accelerator.prepare(make_optimizer(learning, groups))
        self.scheduler = make_scheduler(learning, plan.total_steps, self.optimizer.optimizer)
        self.average = Average(learning, self.parameters, self.optimizer.optimizer)
        self.tell = tell
        self.text_stop = learning.text_stops_at(plan.total_steps)
        self.skipped, self.skipped_in_a_row = 0, 0
        self.between = True
        self.norms: Norms | None = None

    def begin_at(self, step: int) -> None:
        """Let the learning rates be those after `step` steps of the run."""
        self.scheduler.last_epoch = step - 1
        self._follow_schedule()

    def take_up(self, kept: state.RunState) -> None:
        """Be what was kept."""
        for parameter, values in zip(self.parameters, kept.parameters, strict=True):
            parameter.data.copy_(values)
        self.optimizer.load_state_dict(kept.optimizer)
        if kept.scheduler:
            self.scheduler.load_state_dict(kept.scheduler)
        else:  # the run has another length than it had
            self.begin_at(kept.step)
        self.average.take_up(kept)
        self.skipped = kept.skipped
        if self.accelerator.scaler is not None and kept.scaler:  # it was another precision
            self.accelerator.scaler.load_state_dict(kept.scaler)

    def keep_in(self, kept: state.RunState) -> None:
        """Put into a state what `take_up` needs."""
        scaler = self.accelerator.scaler
        kept.parameters = [parameter.detach().cpu() for parameter in self.parameters]
        kept.optimizer = self.optimizer.state_dict()
        kept.scheduler = self.scheduler.state_dict()
        kept.scaler = scaler.state_dict() if scaler is not None else {}
        kept.skipped = self.skipped
        self.average.keep_in(kept)

    def rates(self) -> Rates:
        """The learning rates of the step that comes; 0 where nothing is trained."""
        groups = {group["name"]: self._rate(group) for group in self.optimizer.param_groups}
        adapts = OPTIMIZERS[self.plan.config.learning.optimizer].adapts
        factor = float(self.optimizer.param_groups[0]["d"]) if adapts else None
        own = {
            part.name: [rate for name, rate in groups.items() if _part(name) == part.name]
            for part in self.parts
        }
        of_text = [rate for part in self.parts if part.reads_text for rate in own[part.name]]
        return Rates(max(own[self.parts[0].name], default=0.0), max(of_text, default=0.0), groups, factor)

    def _rate(self, group: dict) -> float:
        if not group["params"][0].requires_grad:
            return 0.0
        first = self.optimizer.state[group["params"][0]]
        if self.plan.config.learning.lr_scheduler == RELATIVE and "RMS" in first:
            return float(self.optimizer.optimizer._get_lr(group, first))
        return float(group["lr"])

    def step(self, batches: list[Batch], pictures: int, epoch: int, number: int) -> tuple[float, float]:
        """Step `number`, over `pictures` pictures of all processes; returns their mean losses, minimised and plain.

        Raises ValueError, in every process, when what comes of it is not finite.
        """
        learning = self.plan.config.learning
        if self.text_stop is not None and number > self.text_stop:
            self._hold_text()
        total = self._gather_gradients(batches, pictures, epoch)
        if learning.max_grad_norm:
            self.accelerator.clip_grad_norm_(self.parameters, learning.max_grad_norm)
        self.between = False
        self.optimizer.step()
        if limit := self.plan.config.network.scale_weight_norms:
            self.norms = limit_norms(self.parts, limit)
        self._follow_schedule()
        self.optimizer.zero_grad()
        self.average.follow()
        loss, plain = self.accelerator.reduce(total, "sum").tolist()
        length = nn.utils.get_total_norm(self.parameters).item()
        done = divergence.Step(number, self.plan.total_steps, loss, length)
        divergence.refuse(done, learning, self.accelerator.mixed_precision)
        self._count_skipped(number)
        self.between = True
        return loss, plain

    def _follow_schedule(self) -> None:
        """The rates of the next step, also where this one was left out: they follow the step's number."""
        with warnings.catch_warnings(action="ignore", category=UserWarning):  # of torch, that it was left out
            self.scheduler.step()

    def _hold_text(self) -> None:
        """What reads text stays as it is from now on, and is what a file will hold: nothing of it is left out."""
        for group in self.optimizer.param_groups:
            if _part(group["name"]) in {part.name for part in self.parts if part.reads_text}:
                for parameter in group["params"]:
                    parameter.requires_grad_(False)
        for part in self.parts:
            if part.reads_text:
                part.model.eval()

    def _gather_gradients(self, batches: list[Batch], pictures: int, epoch: int) -> Tensor:
        """Gradients of all processes; (2,) this process's share of the mean losses, minimised and plain."""
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
        return total

    def _share_gradients(self) -> None:
        """Sum the gradients of all processes; one without a batch in the last step adds zeros."""
        if self.accelerator.num_processes == 1:
            return
        for parameter in (each for each in self.parameters if each.requires_grad):
            mine = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
            parameter.grad = self.accelerator.reduce(mine, "sum")

    def _count_skipped(self, number: int) -> None:
        if not self.optimizer.step_was_skipped:
            self.skipped_in_a_row = 0
            return
        self.skipped, self.skipped_in_a_row = self.skipped + 1, self.skipped_in_a_row + 1
        divergence.refuse_skipping(number, self.skipped_in_a_row)
        if self.skipped in TOLD_AT:
            text = f"Step {number} is left out, the {self.skipped}. so far: its gradients are too large for fp16. "
            self.tell(events.Notice(text + "They are scaled down, and the training goes on."))


def _part(group: str) -> str:
    """The part of the base that a group of parameters belongs to."""
    return group.partition("/")[0]
