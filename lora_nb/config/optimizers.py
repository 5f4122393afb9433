"""The optimizers and schedules there are, as data: what of which library each is. A row is a choice everywhere."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class OptimizerClass:
    """Where the class of an optimizer lies, and what a LoRA file calls it. `needs` is said where it is missing.

    `arguments` are given unless optimizer_args say otherwise; `spelt` are other libraries' names of some. `adapts`
    marks one that finds its rate itself and multiplies it by a single learning rate; `averages` one that learns at
    one place and is used at another, the average (schedule-free). `advice` is said with the usual rates of AdamW.
    """

    module: str
    name: str
    in_file: str
    needs: str = ""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    spelt: Mapping[str, str] = field(default_factory=dict)
    adapts: bool = False
    averages: bool = False
    advice: str = ""


_NO_BITS = 'needs bitsandbytes (pip install bitsandbytes); "AdamW" learns the same'
_DECOUPLED = {"decouple": "weight_decouple", "use_bias_correction": "bias_correction"}
_SHORTER = "its steps are as long as the rate says: a third to a tenth of AdamW's learning rates is usual"
_LONGER = "it does not scale its steps as AdamW does: far higher learning rates are usual, around 0.1"


def _bits(name: str, file: str, **said: Any) -> OptimizerClass:
    return OptimizerClass("bitsandbytes.optim", name, f"bitsandbytes.optim.{file}.{name}", _NO_BITS, **said)


def _more(name: str, file: str, **said: Any) -> OptimizerClass:
    module = f"pytorch_optimizer.optimizer.{file}"
    return OptimizerClass(module, name, f"{module}.{name}", "needs pytorch_optimizer (pip install pytorch_optimizer)", **said)


NESTEROV = {"momentum": 0.9, "nesterov": True}
ADAFACTOR = "Adafactor"
OPTIMIZERS = {
    "AdamW": OptimizerClass("torch.optim", "AdamW", "torch.optim.adamw.AdamW"),
    "AdamW8bit": _bits("AdamW8bit", "adamw"),
    "PagedAdamW8bit": _bits("PagedAdamW8bit", "adamw"),
    "PagedAdamW": _bits("PagedAdamW", "adamw"),
    "PagedAdamW32bit": _bits("PagedAdamW32bit", "adamw"),
    "Prodigy": _more("Prodigy", "prodigy", spelt=_DECOUPLED, adapts=True),
    "DAdaptAdam": _more("DAdaptAdam", "dadapt", spelt=_DECOUPLED, adapts=True),
    "DAdaptAdaGrad": _more("DAdaptAdaGrad", "dadapt", spelt=_DECOUPLED, adapts=True),
    "DAdaptAdan": _more("DAdaptAdan", "dadapt", spelt=_DECOUPLED, adapts=True),
    "DAdaptLion": _more("DAdaptLion", "dadapt", spelt=_DECOUPLED, adapts=True),
    "DAdaptSGD": _more("DAdaptSGD", "dadapt", spelt=_DECOUPLED, adapts=True),
    "Lion": _more("Lion", "lion", spelt={"decoupled_weight_decay": "weight_decouple"}, advice=_SHORTER),
    "Lion8bit": _bits("Lion8bit", "lion", advice=_SHORTER),
    "PagedLion8bit": _bits("PagedLion8bit", "lion", advice=_SHORTER),
    ADAFACTOR: OptimizerClass("transformers.optimization", "Adafactor", "transformers.optimization.Adafactor"),
    "CAME": _more("CAME", "came"),
    "AdamWScheduleFree": _more("ScheduleFreeAdamW", "schedulefree", averages=True),
    "RAdamScheduleFree": _more("ScheduleFreeRAdam", "schedulefree", averages=True),
    "SGDScheduleFree": _more("ScheduleFreeSGD", "schedulefree", averages=True, advice=_LONGER),
    "SGDNesterov": OptimizerClass("torch.optim", "SGD", "torch.optim.sgd.SGD", arguments=NESTEROV, advice=_LONGER),
}

# What sd-scripts, its GUIs and the libraries call some of them; big and small letters are the same everywhere.
ALSO = {
    "DAdaptation": "DAdaptAdam",
    "DAdaptAdamPreprint": "DAdaptAdam",
    "prodigyopt.Prodigy": "Prodigy",
    "pytorch_optimizer.CAME": "CAME",
    "pytorch_optimizer.Prodigy": "Prodigy",
    "transformers.optimization.Adafactor": ADAFACTOR,
    "ScheduleFreeAdamW": "AdamWScheduleFree",
    "ScheduleFreeRAdam": "RAdamScheduleFree",
    "ScheduleFreeSGD": "SGDScheduleFree",
    "schedulefree.AdamWScheduleFree": "AdamWScheduleFree",
    "schedulefree.SGDScheduleFree": "SGDScheduleFree",
}


@dataclass(frozen=True)
class ScheduleFunction:
    """Where the function of a schedule lies, and which numbers it takes after the optimizer, by its own names."""

    module: str
    name: str
    takes: tuple[str, ...] = ()


WARMUP, STEPS, DECAY, CYCLES = "num_warmup_steps", "num_training_steps", "num_decay_steps", "num_cycles"
LOWEST = ("min_lr_ratio", "min_lr_rate")  # the same by two names
DIFFUSERS, TRANSFORMERS = "diffusers.optimization", "transformers.optimization"
RELATIVE = "adafactor"
SCHEDULES = {
    "constant": ScheduleFunction(DIFFUSERS, "get_constant_schedule"),
    "constant_with_warmup": ScheduleFunction(DIFFUSERS, "get_constant_schedule_with_warmup", (WARMUP,)),
    "linear": ScheduleFunction(DIFFUSERS, "get_linear_schedule_with_warmup", (WARMUP, STEPS)),
    "cosine": ScheduleFunction(DIFFUSERS, "get_cosine_schedule_with_warmup", (WARMUP, STEPS)),
    "cosine_with_restarts": ScheduleFunction(
        DIFFUSERS, "get_cosine_with_hard_restarts_schedule_with_warmup", (WARMUP, STEPS, CYCLES)
    ),
    "polynomial": ScheduleFunction(
        DIFFUSERS, "get_polynomial_decay_schedule_with_warmup", (WARMUP, STEPS, "power")
    ),
    "inverse_sqrt": ScheduleFunction(TRANSFORMERS, "get_inverse_sqrt_schedule", (WARMUP, "timescale")),
    "cosine_with_min_lr": ScheduleFunction(
        TRANSFORMERS, "get_cosine_with_min_lr_schedule_with_warmup", (WARMUP, STEPS, "min_lr_rate")
    ),
    "warmup_stable_decay": ScheduleFunction(
        TRANSFORMERS, "get_wsd_schedule", (WARMUP, DECAY, STEPS, "min_lr_ratio")
    ),
    "piecewise_constant": ScheduleFunction(DIFFUSERS, "get_piecewise_constant_schedule"),
    "rex": ScheduleFunction("lora_nb.training.rex", "get_rex_schedule", (WARMUP, STEPS, "min_lr_ratio")),
    RELATIVE: ScheduleFunction(DIFFUSERS, "get_constant_schedule"),  # the optimizer changes its rate itself
}


def schedules_with(*taken: str) -> tuple[str, ...]:
    """The schedules that take one of these numbers."""
    return tuple(name for name, row in SCHEDULES.items() if set(taken) & set(row.takes))
