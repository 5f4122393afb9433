"""The weights that files and samples hold: an average of those that learn, where one is kept."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from diffusers.training_utils import EMAModel
from torch import nn

from lora_nb.config.learning import Learning
from lora_nb.config.optimizers import OPTIMIZERS
from lora_nb.training.state import RunState


class Average:
    """A running average (ema_decay), or that of an optimizer which averages by itself, or none.

    The average follows over min(ema_decay, (1 + n) / (10 + n)) at step n, diffusers' rule: the first steps, in which
    little is learnt, soon count for nothing.
    """

    def __init__(
        self, learning: Learning, parameters: Sequence[nn.Parameter], optimizer: torch.optim.Optimizer
    ):
        """Take the weights, in float32, and the optimizer that moves them."""
        self.parameters, self.optimizer = parameters, optimizer
        self.by_optimizer = OPTIMIZERS[learning.optimizer].averages
        self.running = (
            EMAModel(parameters, decay=learning.ema_decay, foreach=True) if learning.ema_decay else None
        )

    def follow(self) -> None:
        """Take up what a step made of the weights."""
        if self.running:
            self.running.step(self.parameters)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within it the weights are the average; after it they have their own bits again."""
        if not self.running and not self.by_optimizer:
            yield
            return
        learning = [parameter.detach().clone() for parameter in self.parameters]
        self._put_in_place()
        try:
            yield
        finally:
            if self.by_optimizer:
                self.optimizer.train()
            for parameter, values in zip(self.parameters, learning, strict=True):
                parameter.data.copy_(values)

    def _put_in_place(self) -> None:
        if self.running:
            self.running.copy_to(self.parameters)
        else:
            self.optimizer.eval()

    def take_up(self, kept: RunState) -> None:
        """Be what was kept."""
        if self.running:
            for average, values in zip(self.running.shadow_params, kept.average, strict=True):
                average.copy_(values)
            self.running.optimization_step = kept.averaged_steps

    def keep_in(self, kept: RunState) -> None:
        """Put into a state what `take_up` needs; an optimizer keeps its average itself."""
        if self.running:
            kept.average = [values.cpu() for values in self.running.shadow_params]
            kept.averaged_steps = self.running.optimization_step
