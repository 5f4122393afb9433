"""What a stopped or killed run goes on from: one file, written whole, that knows which run it belongs to."""

import hashlib
import io
import json
import pickle
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from lora_nb import files, settings
from lora_nb.plan import RunPlan

# Settings that change neither the weights nor the metadata of a file.
WITHOUT_INFLUENCE = {
    "allow_demo_base",
    "train_data_dir",
    "output_dir",
    "output_name",
    "on_existing",
    "max_data_loader_n_workers",
    "sample_prompts",
    "sample_every_n_epochs",
    "guidance",
    "grid",
    "save_state_every_n_steps",
    "save_every_n_epochs",
    "save_last_n_epochs",
}


@dataclass(frozen=True)
class Identity:
    """What makes two runs the same: settings, pictures with captions, base weights, number of processes."""

    settings: Mapping[str, Any]
    dataset: str
    base: str
    processes: int


@dataclass
class RunState:
    """Everything needed to go on. `step` optimizer steps are done; `losses` are those of the current epoch."""

    identity: Identity
    step: int
    finished: bool
    started_at: float
    losses: list[float]
    parameters: list[torch.Tensor]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    scaler: dict[str, Any]


def identity_of(plan: RunPlan, base_fingerprint: str, processes: int) -> Identity:
    """The identity of a planned run. Reads every picture's bytes."""
    kept = {
        name: value for name, value in settings.to_dict(plan.config).items() if name not in WITHOUT_INFLUENCE
    }
    kept["resolution"] = plan.resolution
    return Identity(kept, _fingerprint(plan), base_fingerprint, processes)


def _fingerprint(plan: RunPlan) -> str:
    total = hashlib.sha256()
    for item, caption in zip(plan.items, plan.captions, strict=True):
        content = hashlib.sha256(item.path.read_bytes()).hexdigest()
        total.update(json.dumps([item.path.name, content, caption, item.num_repeats]).encode())
    return total.hexdigest()


def differences(old: Identity, new: Identity) -> list[str]:
    """What changed between two runs, in words; empty for the same run."""
    names = sorted(set(old.settings) | set(new.settings))
    changed = [
        f"{name} {old.settings.get(name, 'empty')} -> {new.settings.get(name, 'empty')}"
        for name in names
        if old.settings.get(name) != new.settings.get(name)
    ]
    if old.dataset != new.dataset:
        changed.append("other pictures or captions")
    if old.base != new.base:
        changed.append("another base model")
    if old.processes != new.processes:
        changed.append(f"{old.processes} -> {new.processes} GPUs")
    return changed


def state_path(state_dir: Path, output_name: str) -> Path:
    """Where the state of run `output_name` lies."""
    return Path(state_dir) / f"{output_name}.state"


def save_state(path: Path, state: RunState) -> None:
    """Replace the state at `path`, whole or not at all."""
    buffer = io.BytesIO()
    torch.save({**state.__dict__, "identity": asdict(state.identity)}, buffer)
    files.write_bytes(path, buffer.getvalue())


def load_state(path: Path) -> RunState | None:
    """The state at `path`; None when there is none. Raises ValueError when it cannot be read."""
    if not path.exists():
        return None
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
        return RunState(**{**values, "identity": Identity(**values["identity"])})
    except (RuntimeError, EOFError, pickle.UnpicklingError, KeyError, TypeError) as error:
        raise ValueError(
            f"{path} cannot be read ({type(error).__name__}): move it away, or choose on_existing = restart"
        ) from None
