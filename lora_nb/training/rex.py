"""The REX schedule (Chen et al., REX: Revisiting Budgeted Training with an Improved Schedule, 2022)."""

from functools import partial

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR


def get_rex_schedule(
    optimizer: Optimizer,
    num_warmup_steps: int,
    num_training_steps: int,
    min_lr_ratio: float = 0.0,
    d: float = 0.5,
) -> LambdaLR:
    """A rate that stays high for long and then falls ever faster, from 1 to `min_lr_ratio`, after a linear slow start.

    With z the share of the way that is done it is (1 - z) / (1 - d + d (1 - z)); the paper has d = 1/2. At 0 it is
    linear.
    """
    factor = partial(_factor, warmup=num_warmup_steps, steps=num_training_steps, lowest=min_lr_ratio, bend=d)
    return LambdaLR(optimizer, factor)


def _factor(step: int, warmup: int, steps: int, lowest: float, bend: float) -> float:
    if step < warmup:
        return step / warmup
    left = max(0.0, 1 - (step - warmup) / max(1, steps - warmup))
    return lowest + (1 - lowest) * left / (1 - bend + bend * left)
