"""What learns: the weights of the update, the optimizer that moves them, and one step of it."""

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from lora_nb.training import divergence, state
from lora_nb.training.batches import Batch, dice
from lora_nb.training.objective import Objective
from lora_nb.training.optimizers import make_optimizer, make_scheduler
from lora_nb.training.plan import RunPlan


class Learner:
    """The weights of a run, their optimizer and its schedule."""

    def __init__(self, plan: RunPlan, objective: Objective, groups: list[dict], accelerator: Accelerator):
        """Take the parameter groups of the update, each with its name and rate."""
        learning = plan.config.learning
        self.plan, self.objective, self.accelerator = plan, objective, accelerator
        self.parameters: list[nn.Parameter] = [p for group in groups for p in group["params"]]
        self.optimizer = accelerator.prepare(make_optimizer(learning, groups))
        self.scheduler = make_scheduler(learning, plan.total_steps, self.optimizer.optimizer)

    def take_up(self, kept: state.RunState) -> None:
        """Be what was kept."""
        for parameter, values in zip(self.parameters, kept.parameters, strict=True):
            parameter.data.copy_(values)
        self.optimizer.load_state_dict(kept.optimizer)
        self.scheduler.load_state_dict(kept.scheduler)
        if self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(kept.scaler)

    def keep_in(self, kept: state.RunState) -> None:
        """Put into a state what `take_up` needs."""
        scaler = self.accelerator.scaler
        kept.parameters = [parameter.detach().cpu() for parameter in self.parameters]
        kept.optimizer = self.optimizer.state_dict()
        kept.scheduler = self.scheduler.state_dict()
        kept.scaler = scaler.state_dict() if scaler is not None else {}

    def rates(self) -> dict[str, float]:
        """The learning rate of each group, by its name."""
        return {group["name"]: group["lr"] for group in self.optimizer.param_groups}

    def step(self, batches: list[Batch], pictures: int, epoch: int, number: int) -> tuple[float, float]:
        """Step `number`, over `pictures` pictures of all processes; returns their mean losses, minimised and plain.

        Raises ValueError, in every process, when what comes of it is not finite.
        """
        learning = self.plan.config.learning
        total = self._gather_gradients(batches, pictures, epoch)
        if learning.max_grad_norm:
            self.accelerator.clip_grad_norm_(self.parameters, learning.max_grad_norm)
        self.optimizer.step()
        self.scheduler.step()
        self.optimizer.zero_grad()
        loss, plain = self.accelerator.reduce(total, "sum").tolist()
        length = nn.utils.get_total_norm(self.parameters).item()
        done = divergence.Step(number, self.plan.total_steps, loss, length)
        divergence.refuse(done, learning, self.accelerator.mixed_precision)
        return loss, plain

    def _gather_gradients(self, batches: list[Batch], pictures: int, epoch: int) -> Tensor:
        """Gradients of all processes; (2,) this process's share of the mean losses, minimised and plain."""
        total = torch.zeros(2, device=self.accelerator.device)
        for batch in batches:
            if self.plan.config.network.dropout:
                torch.manual_seed(dice(self.plan.config.seed, epoch, batch.samples[0], "dropout"))
            with self.accelerator.autocast():
                losses = self.objective.losses(batch)
                loss = losses.minimised.sum() / pictures
            self.accelerator.backward(loss)
            total += torch.stack([loss.detach(), losses.plain.sum() / pictures])
        self._share_gradients()
        return total

    def _share_gradients(self) -> None:
        """Sum the gradients of all processes; one without a batch in the last step adds zeros."""
        if self.accelerator.num_processes == 1:
            return
        for parameter in self.parameters:
            mine = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
            parameter.grad = self.accelerator.reduce(mine, "sum")
