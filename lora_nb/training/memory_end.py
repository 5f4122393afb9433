"""A training that memory has run out on: what would take less, and whether the run goes on with that by itself."""

import torch

from lora_nb.config.training import TrainConfig
from lora_nb.events import Notice, Tell
from lora_nb.training import cheaper, state


class OutOfMemory(ValueError):
    """Memory has run out; the message says on what, and what would take less."""


def kind_of(error: BaseException) -> cheaper.Memory | None:
    """Which memory an error says has run out; None for any other error."""
    if isinstance(error, torch.OutOfMemoryError):
        return "GPU"
    full = isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error)
    return "RAM" if full else None


def next_plan(config: TrainConfig, memory: cheaper.Memory, alone: bool, tell: Tell) -> TrainConfig:
    """The plan to go on with, told. Raises OutOfMemory where none is left, or nobody gave leave for one.

    `config` has its names filled in; where several processes train (not `alone`) none goes on by itself.
    """
    step = _last_step(config)
    plan = _cheaper(config, memory, begun=step > 0)
    kept = f"step {step} is kept, and the run goes on after it" if step else "nothing was learnt yet"
    what = "The GPU has" if memory == "GPU" else "The machine has"
    if plan is None:
        raise OutOfMemory(
            f"{what} too little memory for these settings, and none of the ways to take less is left: lower resolution "
            f"or rank, close what else uses it, or take a machine with more; {kept}."
        )
    words = cheaper.changed(config, plan)
    if config.resuming.on_out_of_memory == "stop" or not alone:
        leave = ', or let on_out_of_memory = "cheaper" do that by itself' if alone else ""
        raise OutOfMemory(
            f"{what} too little memory for these settings; {kept}. Set {words}{leave}, and start again."
        )
    tell(Notice(f"{what} too little memory for these settings; {kept}, with {words}.", "warning"))
    return plan


def _last_step(config: TrainConfig) -> int:
    kept = state.load_newest(state.state_path(config.place))
    return kept.step if kept is not None and not kept.finished else 0


def _cheaper(config: TrainConfig, memory: cheaper.Memory, begun: bool) -> TrainConfig | None:
    """The next cheaper plan; for a run that has begun, one that its state can be gone on from with."""
    for _, plan in cheaper.steps(config, memory):
        if not begun or plan.learning == config.learning:
            return plan
    return None
