"""One thing that is to be known before a run starts, and what the checks that find such things look at.

Imports no torch.
"""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from lora_nb.bases import model_sizes
from lora_nb.bases.model_sizes import ModelSizes
from lora_nb.config.training import TrainConfig
from lora_nb.training.machine import Machine
from lora_nb.training.run_plan import RunPlan

Harm = Literal["red", "yellow", "grey"]
HARMS: tuple[Harm, ...] = ("red", "yellow", "grey")


@dataclass(frozen=True)
class Row:
    """One thing: it stops the start (red), may spoil the run (yellow), or is worth knowing (grey).

    `kind` names the check. `mend` are settings that put it right, `label` what a button says that sets them.
    """

    kind: str
    harm: Harm
    sentence: str
    label: str = ""
    mend: tuple[tuple[str, Any], ...] = ()


@dataclass(frozen=True)
class Places:
    """Where this machine keeps what is no project's: downloads, files for a while, and a key for each of `logins`."""

    scratch: Path
    cache: Path
    logins: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Asked:
    """What the checks look at: the settings as asked for, the machine, and the plan where one can be made."""

    config: TrainConfig
    machine: Machine
    places: Places
    plan: RunPlan | None = None

    @cached_property
    def sizes(self) -> ModelSizes | None:
        """The sizes of the base; None where they cannot be told."""
        try:
            return model_sizes.sizes_of(self.config.base.pretrained_model_name_or_path)
        except (ValueError, OSError, KeyError):
            return None


def sentence_of(error: Exception) -> str:
    """An error that a person can mend, as a row says it."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename or 'A file'}: {error.strerror}"
    return str(error)


def size(count: float) -> str:
    """Bytes as a person says them."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{max(count, 1e5) / 1e6:.0f} MB"
