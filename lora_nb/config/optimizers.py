"""The optimizers and schedules there are, as data: what of which library each is. A row is a choice everywhere."""

from dataclasses import dataclass


@dataclass(frozen=True)
class OptimizerClass:
    """Where the class of an optimizer lies, and what a LoRA file calls it. `needs` is said where it is missing."""

    module: str
    name: str
    in_file: str
    needs: str = ""


OPTIMIZERS = {
    "AdamW": OptimizerClass("torch.optim", "AdamW", "torch.optim.adamw.AdamW"),
    "AdamW8bit": OptimizerClass(
        "bitsandbytes.optim",
        "AdamW8bit",
        "bitsandbytes.optim.adamw.AdamW8bit",
        'needs bitsandbytes (pip install bitsandbytes); "AdamW" learns the same',
    ),
}


@dataclass(frozen=True)
class ScheduleFunction:
    """Where the function of a schedule lies, and which numbers it takes after the optimizer, by its own names."""

    module: str
    name: str
    takes: tuple[str, ...] = ()


WARMUP, STEPS = "num_warmup_steps", "num_training_steps"
DIFFUSERS = "diffusers.optimization"
SCHEDULES = {
    "constant": ScheduleFunction(DIFFUSERS, "get_constant_schedule"),
    "constant_with_warmup": ScheduleFunction(DIFFUSERS, "get_constant_schedule_with_warmup", (WARMUP,)),
    "linear": ScheduleFunction(DIFFUSERS, "get_linear_schedule_with_warmup", (WARMUP, STEPS)),
    "cosine": ScheduleFunction(DIFFUSERS, "get_cosine_schedule_with_warmup", (WARMUP, STEPS)),
    "cosine_with_restarts": ScheduleFunction(
        DIFFUSERS, "get_cosine_with_hard_restarts_schedule_with_warmup", (WARMUP, STEPS, "num_cycles")
    ),
    "polynomial": ScheduleFunction(
        DIFFUSERS, "get_polynomial_decay_schedule_with_warmup", (WARMUP, STEPS, "power")
    ),
}
