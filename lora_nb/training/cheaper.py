"""The next cheaper plan of a run that does not fit: what takes less memory and learns the same, cheapest in time first.

Imports no torch.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

from lora_nb import settings
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of

Memory = Literal["GPU", "RAM"]
EIGHT_BIT = {"AdamW": "AdamW8bit", "Lion": "Lion8bit"}  # bitsandbytes rounds the two moments to 8 bits


@dataclass(frozen=True)
class Rung:
    """A way to take less memory: which other values it gives some settings (none where it is taken already).

    `frees` says of which memory; `same` marks one that changes no bit of what is learnt; `words` say what it costs.
    """

    name: str
    frees: tuple[Memory, ...]
    values: Callable[[TrainConfig], dict[str, Any]]
    words: str
    same: bool = False


def _one_picture_at_a_time(config: TrainConfig) -> dict[str, Any]:
    return {"vae_batch_size": 1} if config.caching.vae_batch_size > 1 else {}


def _latents_on_disk(config: TrainConfig) -> dict[str, Any]:
    return {} if config.caching.cache_latents_to_disk else {"cache_latents_to_disk": True}


def _no_workers(config: TrainConfig) -> dict[str, Any]:
    return {"max_data_loader_n_workers": 0} if config.precision.max_data_loader_n_workers else {}


def _half_precision(config: TrainConfig) -> dict[str, Any]:
    """Where "no" was asked for; on a GPU "auto" is half precision already."""
    return {"mixed_precision": "auto"} if config.precision.mixed_precision == "no" else {}


def _bf16(config: TrainConfig) -> dict[str, Any]:
    """On a CPU "auto" is float32, and fp16 has no fast arithmetic there."""
    return {"mixed_precision": "bf16"} if config.precision.mixed_precision in ("no", "auto") else {}


def _checkpointing(config: TrainConfig) -> dict[str, Any]:
    return {} if config.precision.gradient_checkpointing else {"gradient_checkpointing": True}


def _smaller_batch(config: TrainConfig) -> dict[str, Any]:
    """Half the batch and twice as many of them per step, or what divides it best; datasets of a file have their own."""
    size, per_step = config.length.train_batch_size, config.length.gradient_accumulation_steps
    if size == 1 or config.pictures.dataset_config:
        return {}
    smaller = max(part for part in range(1, size) if size % part == 0)
    times = per_step * (size // smaller)
    most = next(s.said.max for s in settings_of(TrainConfig) if s.name == "gradient_accumulation_steps")
    if most is not None and times > most:
        return {}
    return {"train_batch_size": smaller, "gradient_accumulation_steps": times}


def _eight_bits(config: TrainConfig) -> dict[str, Any]:
    other = EIGHT_BIT.get(config.learning.optimizer)
    return {"optimizer": other} if other and find_spec("bitsandbytes") else {}


# In this order: what costs no time, what costs time and changes nothing, what changes last bits, what changes more.
LADDER = (
    Rung("workers", ("RAM",), _no_workers, "batches are prepared by the training itself", same=True),
    Rung("latents", ("RAM",), _latents_on_disk, "encoded pictures lie on this machine's own disk", same=True),
    Rung("encoding", ("GPU", "RAM"), _one_picture_at_a_time, "pictures are encoded one by one"),
    Rung("precision", ("GPU",), _half_precision, "half precision, which loses next to nothing"),
    Rung("checkpointing", ("GPU", "RAM"), _checkpointing, "a third slower, the same result", same=True),
    Rung("batch", ("GPU", "RAM"), _smaller_batch, "as many pictures in each step, in smaller parts"),
    Rung("optimizer", ("GPU",), _eight_bits, "the optimizer's memory in 8 bits"),
    Rung("bf16", ("RAM",), _bf16, "bf16, which is slow on most CPUs"),
)  # fmt: skip


def cheaper(config: TrainConfig, memory: Memory = "GPU") -> TrainConfig | None:
    """The next plan that takes less of `memory` at the same effective batch; None where none is left.

    Call it again on what it returns for the plan after that one. `changed` says what it changed.
    """
    return next((plan for _, plan in steps(config, memory)), None)


def steps(config: TrainConfig, memory: Memory = "GPU") -> Iterator[tuple[Rung, TrainConfig]]:
    """Each single rung that can be taken from `config`, with the plan it leads to, the cheapest first."""
    for rung in LADDER:
        values = rung.values(config) if memory in rung.frees else {}
        if values:
            yield rung, settings.replace(config, **values)


def changed(before: TrainConfig, after: TrainConfig) -> str:
    """What differs between a plan and a cheaper one, in words: the settings with their new values, and why.

    "" for two plans that are the same.
    """
    old, new = settings.values_of(before), settings.values_of(after)
    told = {name: f"{name} = {_said(new[name])}" for name in old if old[name] != new[name]}
    words, at = [], before
    for rung in LADDER:
        names = [name for name in rung.values(at) if name in told]
        if names:
            words.append(f"{', '.join(told.pop(name) for name in names)} ({rung.words})")
    return "; ".join(words + list(told.values()))


def _said(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


LAST = (
    "nothing cheaper is left that learns the same: take a smaller resolution, a lower rank, text_encoder_lr = 0, or a "
    "smaller base"
)
