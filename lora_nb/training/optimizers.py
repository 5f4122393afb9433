"""The optimizer and the schedule of its learning rates, made from a run's settings."""

import importlib
import inspect
from collections.abc import Callable
from typing import Any

import torch

from lora_nb.config.learning import Learning, in_steps
from lora_nb.config.optimizers import ADAFACTOR, DECAY, OPTIMIZERS, RELATIVE, SCHEDULES, STEPS, WARMUP
from lora_nb.training import arguments

NOT_ASKED = {"lr": "learning_rate", "params": "train_data_dir", "last_epoch": "on_existing"}
SET_BY = {
    WARMUP: "lr_warmup_steps",
    DECAY: "lr_decay_steps",
    STEPS: "max_train_steps",
    "num_cycles": "lr_scheduler_num_cycles",
    "power": "lr_scheduler_power",
    "timescale": "lr_scheduler_timescale",
    "min_lr_ratio": "lr_scheduler_min_lr_ratio",
    "min_lr_rate": "lr_scheduler_min_lr_ratio",
}


def make_optimizer(config: Learning, groups: list[dict]) -> torch.optim.Optimizer:
    """The optimizer over parameter groups with their own learning rates.

    Raises ValueError when the library that has it is missing, or when it does not take its arguments or these rates.
    """
    cls, given = optimizer_class(config), optimizer_arguments(config)
    _refuse_other_rates(config, groups)
    rate = None if given.get("relative_step") else max(config.rates)
    try:
        return cls(groups, lr=rate, **given)
    except (ValueError, TypeError) as error:
        raise ValueError(f"optimizer_args: {config.optimizer} does not take these: {error}") from None


def optimizer_class(config: Learning) -> type[torch.optim.Optimizer]:
    """The class in its library. Raises ValueError where the library is missing."""
    row = OPTIMIZERS[config.optimizer]
    try:
        return getattr(importlib.import_module(row.module), row.name)
    except ImportError:
        raise ValueError(f'optimizer = "{config.optimizer}" {row.needs}') from None


def optimizer_arguments(config: Learning) -> dict[str, Any]:
    """What the class is given beside the learning rate: optimizer_args overrule what else there is.

    Raises ValueError for optimizer_args that contradict another setting.
    """
    row = OPTIMIZERS[config.optimizer]
    given = arguments.read("optimizer_args", config.optimizer_args, row.spelt)
    if "weight_decay" in given and config.weight_decay not in (Learning.weight_decay, given["weight_decay"]):
        raise ValueError(
            f"weight_decay = {config.weight_decay:g}, and {given['weight_decay']} in optimizer_args: give it once"
        )
    found = {"weight_decay": config.weight_decay, **row.arguments}
    if config.optimizer == ADAFACTOR:
        found |= _of_adafactor(config, given)
    return found | given


def _of_adafactor(config: Learning, given: dict[str, Any]) -> dict[str, Any]:
    """Its own rate where lr_scheduler says so, else that of the schedule, which nothing scales."""
    relative = config.lr_scheduler == RELATIVE
    if given.get("relative_step", relative) is not relative:
        raise ValueError(
            f"optimizer_args: relative_step = {given['relative_step']} with lr_scheduler = {config.lr_scheduler}: "
            f"{ADAFACTOR} finds its own rate with lr_scheduler = {RELATIVE} (relative_step = True), and with no other"
        )
    return {"scale_parameter": relative, "relative_step": relative, "warmup_init": False}


def _refuse_other_rates(config: Learning, groups: list[dict]) -> None:
    rates = {group["lr"] for group in groups if group["lr"]}
    if OPTIMIZERS[config.optimizer].adapts and len(rates) > 1:
        found = ", ".join(f"{group['name']} {group['lr']:g}" for group in groups)
        raise ValueError(
            f"optimizer = {config.optimizer} finds one rate for all that is trained, and would pass over that these "
            f"differ: {found}; leave out what sets a part's rate apart, or take another optimizer"
        )


def try_out(config: Learning, total_steps: int) -> None:
    """Raises ValueError, before any model is loaded, for an optimizer or a schedule that cannot be made."""
    cls = optimizer_class(config)
    given = arguments.read("optimizer_args", config.optimizer_args, OPTIMIZERS[config.optimizer].spelt)
    arguments.check("optimizer_args", given, cls, NOT_ASKED)
    weight = torch.nn.Parameter(torch.zeros(2, 2))
    make_scheduler(config, total_steps, make_optimizer(config, [_group(config, weight)]))


def _group(config: Learning, weight: torch.nn.Parameter) -> dict:
    return {"name": "all", "lr": max(config.rates), "params": [weight]}


def in_words(config: Learning) -> str:
    """The optimizer as sd-scripts writes it into a file."""
    given = ",".join(f"{name}={value}" for name, value in optimizer_arguments(config).items())
    return f"{OPTIMIZERS[config.optimizer].in_file}({given})"


def warmup_steps(config: Learning, total_steps: int) -> int:
    """Optimizer steps of slow start."""
    return in_steps(config.lr_warmup_steps, total_steps)


def make_scheduler(
    config: Learning, total_steps: int, optimizer: torch.optim.Optimizer
) -> torch.optim.lr_scheduler.LRScheduler:
    """The schedule of the learning rates over the whole run. Raises ValueError for arguments it does not take."""
    row = SCHEDULES[config.lr_scheduler]
    make = getattr(importlib.import_module(row.module), row.name)
    numbers = _numbers(config, total_steps)
    taken = {name: numbers[name] for name in row.takes}
    given = arguments.read("lr_scheduler_args", config.lr_scheduler_args, {})
    arguments.check(
        "lr_scheduler_args", given, make, {**NOT_ASKED, **{name: SET_BY[name] for name in row.takes}}
    )
    if missing := arguments.lacking(taken | given, make):
        raise ValueError(
            f"lr_scheduler = {config.lr_scheduler} needs {missing[0]}: give it as lr_scheduler_args, "
            "e.g. step_rules=1:100,0.1 (the whole rate for 100 steps, then a tenth)"
        )
    return _made(make, optimizer, taken | given)


def _numbers(config: Learning, total_steps: int) -> dict[str, Any]:
    warmup, decay = warmup_steps(config, total_steps), in_steps(config.lr_decay_steps, total_steps)
    if DECAY in SCHEDULES[config.lr_scheduler].takes and warmup + decay > total_steps:
        raise ValueError(
            f"lr_warmup_steps ({warmup} steps) and lr_decay_steps ({decay}) are more than the {total_steps} steps of "
            "the run"
        )
    return {
        WARMUP: warmup,
        DECAY: decay,
        STEPS: total_steps,
        "num_cycles": config.lr_scheduler_num_cycles,
        "power": config.lr_scheduler_power,
        "timescale": config.lr_scheduler_timescale,
        "min_lr_ratio": config.lr_scheduler_min_lr_ratio,
        "min_lr_rate": config.lr_scheduler_min_lr_ratio,
    }


def _made(make: Callable, optimizer: torch.optim.Optimizer, given: dict[str, Any]) -> Any:
    try:
        return make(optimizer, **given)
    except (ValueError, TypeError, IndexError) as error:
        name = inspect.unwrap(make).__name__
        raise ValueError(f"lr_scheduler_args: {name} does not take these: {error}") from None
