"""A planned run made to fit the machine: its memory forecast, and the cheaper plans tried until it does.

Imports no torch.
"""

from dataclasses import dataclass, replace

from lora_nb import settings
from lora_nb.training import cheaper
from lora_nb.training.cheaper import Memory
from lora_nb.training.forecast_memory import Need, forecast
from lora_nb.training.machine import Machine
from lora_nb.training.run_plan import RunPlan

WORTH = 0.995  # what a rung leaves of a need for it to be worth its price


@dataclass(frozen=True)
class Fit:
    """What a plan takes, what the machine has too little of, and the first cheaper plan that fits.

    `values` are the settings that make it so, `words` what they cost; empty where it fits, or nothing does.
    """

    need: Need
    short: tuple[Memory, ...]
    after: Need | None = None
    values: tuple[tuple[str, object], ...] = ()
    words: str = ""


def fit(plan: RunPlan, machine: Machine) -> Fit:
    """Whether a plan fits, and what would. Raises ValueError for a base that cannot be measured from outside."""
    need = _forecast(plan, machine)
    short = lacking(need, machine)
    if not short:
        return Fit(need, ())
    at, after = plan, need
    while short_now := lacking(after, machine):
        found = _cheaper(at, after, short_now[0], machine)
        if found is None:
            return Fit(need, short)
        at, after = found
    before, then = settings.values_of(plan.config), settings.values_of(at.config)
    values = tuple((name, then[name]) for name in before if before[name] != then[name])
    return Fit(need, short, after, values, cheaper.changed(plan.config, at.config))


def _cheaper(plan: RunPlan, need: Need, memory: Memory, machine: Machine) -> tuple[RunPlan, Need] | None:
    """The first rung that really frees some of a memory in this plan; None where none does."""
    for _, config in cheaper.steps(plan.config, memory):
        then = replace(plan, config=config)
        after = _forecast(then, machine)
        if _amount(after, memory) < WORTH * _amount(need, memory):
            return then, after
    return None


def _amount(need: Need, memory: Memory) -> int:
    return need.gpu if memory == "GPU" else need.ram


def lacking(need: Need, machine: Machine) -> tuple[Memory, ...]:
    """Which memory is too small."""
    found: list[Memory] = ["GPU"] if need.gpu > machine.gpu_usable and machine.gpu else []
    return (*found, "RAM") if need.ram > machine.ram_usable else tuple(found)


def _forecast(plan: RunPlan, machine: Machine) -> Need:
    return forecast(plan, machine.precision(plan.config.precision.mixed_precision), bool(machine.gpu))
