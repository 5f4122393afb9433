"""The optimizer and the schedule of its learning rates, made from a run's settings."""

import importlib

import torch

from lora_nb.config.learning import Learning
from lora_nb.config.optimizers import OPTIMIZERS, SCHEDULES, STEPS, WARMUP


def make_optimizer(config: Learning, groups: list[dict]) -> torch.optim.Optimizer:
    """The optimizer over parameter groups with their own learning rates.

    Raises ValueError when the library that has it is missing.
    """
    row = OPTIMIZERS[config.optimizer]
    try:
        cls = getattr(importlib.import_module(row.module), row.name)
    except ImportError:
        raise ValueError(f'optimizer = "{config.optimizer}" {row.needs}') from None
    return cls(groups, lr=max(config.learning_rate, config.text_encoder_lr), weight_decay=config.weight_decay)


def in_words(config: Learning) -> str:
    """The optimizer as sd-scripts writes it into a file."""
    return f"{OPTIMIZERS[config.optimizer].in_file}(weight_decay={config.weight_decay})"


def warmup_steps(config: Learning, total_steps: int) -> int:
    """Optimizer steps of slow start: a share of all steps below 1, else that many."""
    warmup = config.lr_warmup_steps
    return int(total_steps * warmup) if warmup < 1 else int(warmup)


def make_scheduler(
    config: Learning, total_steps: int, optimizer: torch.optim.Optimizer
) -> torch.optim.lr_scheduler.LRScheduler:
    """The schedule of the learning rates over the whole run."""
    row = SCHEDULES[config.lr_scheduler]
    numbers = {
        WARMUP: warmup_steps(config, total_steps),
        STEPS: total_steps,
        "num_cycles": config.lr_scheduler_num_cycles,
        "power": config.lr_scheduler_power,
    }
    make = getattr(importlib.import_module(row.module), row.name)
    return make(optimizer, **{name: numbers[name] for name in row.takes})
