"""Which settings make another run of it, and with other values of which a begun run goes on. Imports no torch."""

import math
from collections.abc import Mapping
from typing import Any

from lora_nb import settings
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of

# Settings that change nothing of what is learnt: a run goes on with other values for them.
WITHOUT_INFLUENCE = {each.name for each in settings_of(TrainConfig) if each.said.same_run}
LENGTH = ("max_train_epochs", "max_train_steps")  # a run may be gone on with to another (`relaid`)
# What a run may go on with otherwise so that it fits into memory; what is learnt changes by rounding alone.
MEMORY = ("gradient_checkpointing", "mixed_precision", "vae_batch_size", "cache_latents_to_disk")
BATCH = ("train_batch_size", "gradient_accumulation_steps")  # the same where their product is
DEFAULTS = settings.to_dict(TrainConfig())


def value_of(name: str, values: Mapping[str, Any]) -> Any:
    """A setting of a run; one that an older version did not know has its default."""
    return values.get(name, DEFAULTS.get(name, "empty"))


def changed(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """What differs between the settings of two runs, in words; empty for the same run.

    Another length is none, nor what only takes less memory: the same pictures in a step, in more parts.
    """
    names = sorted((set(old) | set(new)) - WITHOUT_INFLUENCE - {*LENGTH, *MEMORY})
    before, after = ({name: value_of(name, values) for name in (*names, *BATCH)} for values in (old, new))
    if math.prod(before[name] for name in BATCH) == math.prod(after[name] for name in BATCH):
        before |= {name: after[name] for name in BATCH}
    return [f"{name} {before[name]} -> {after[name]}" for name in names if before[name] != after[name]]
