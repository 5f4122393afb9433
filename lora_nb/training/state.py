"""What a stopped or killed run goes on from: one file, written whole, that knows which run it belongs to.

On disk: one line `lora_nb state 2 sha256 <64 hex digits>`, then what torch.save writes, of which the line has the sum.
"""

import errno
import hashlib
import io
import json
import os
import re
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, BinaryIO

import torch

from lora_nb import events, files, runs, settings
from lora_nb.config.training import Place
from lora_nb.declare import settings_of
from lora_nb.training import same_run
from lora_nb.training.examples import Example
from lora_nb.training.plan import RunPlan

VERSION = 2
HEAD = re.compile(rb"lora_nb state (\d+) sha256 ([0-9a-f]{64})\n")
HEAD_LENGTH = len(f"lora_nb state {VERSION} sha256 {'0' * 64}\n")
BLOCK = 1 << 20


@dataclass(frozen=True)
class Identity:
    """What makes two runs the same: settings, pictures with captions, base weights, number of processes."""

    settings: Mapping[str, Any]
    dataset: str
    base: str
    processes: int


@dataclass
class RunState:
    """Everything needed to go on. `step` optimizer steps are done; `losses` are those of the current epoch; `skipped`
    steps were left out; at `saved_steps` files were written that the run may drop again; `lengths` are (step, steps
    planned until then) of each time the run was given another length that changed its learning rates.

    Fields with a default came later: an older state lacks them.
    """

    identity: Identity
    step: int
    finished: bool
    started_at: float
    losses: list[float]
    parameters: list[torch.Tensor]
    optimizer: dict[str, Any]
    scheduler: dict[str, Any]
    scaler: dict[str, Any]
    plain_losses: list[float] = field(default_factory=list)
    seed_drawn: bool = False
    average: list[torch.Tensor] = field(default_factory=list)
    averaged_steps: int = 0
    skipped: int = 0
    saved_steps: list[int] = field(default_factory=list)
    lengths: list[list[int]] = field(default_factory=list)

    @classmethod
    def fresh(cls, identity: Identity, started_at: float) -> "RunState":
        """The state of a run of which no step is done."""
        return cls(
            identity=identity, step=0, finished=False, started_at=started_at, losses=[], parameters=[], optimizer={},
            scheduler={}, scaler={},
        )  # fmt: skip


def identity_of(plan: RunPlan, base_fingerprint: str, processes: int) -> Identity:
    """The identity of a planned run. Reads every picture's bytes."""
    same = {each.name for each in settings_of(type(plan.config)) if each.said.same_run}
    kept = {name: value for name, value in settings.to_dict(plan.config).items() if name not in same}
    kept["resolution"] = plan.resolution
    kept.pop("subsets")  # each picture's are in the fingerprint of the dataset
    return Identity(kept, _fingerprint(plan), base_fingerprint, processes)


def _fingerprint(plan: RunPlan) -> str:
    total, sums = hashlib.sha256(), {}
    for example in plan.examples:
        path = example.item.path
        sums[path] = sums.get(path) or hashlib.sha256(path.read_bytes()).hexdigest()
        seen = [path.name, sums[path], example.caption, example.item.num_repeats, *_apart(example, plan)]
        total.update(json.dumps(seen).encode())
    return total.hexdigest()


def _apart(example: Example, plan: RunPlan) -> list[Any]:
    """What sets an example apart that the settings of the run do not say: its own settings, its mask."""
    source, found = example.source, []
    if source.given or source.is_reg or source.group:
        found += [dict(sorted(source.given.items())), source.is_reg, source.group]
    mask = source.mask_of(example.item.path) if plan.reads_masks else None
    if mask:
        found.append(hashlib.sha256(mask.read_bytes()).hexdigest())
    return found


def differences(old: Identity, new: Identity) -> list[str]:
    """What changed between two runs, in words; empty for the same run."""
    changed = same_run.changed(old.settings, new.settings)
    if old.dataset != new.dataset:
        changed.append("other pictures or captions")
    if old.base != new.base:
        changed.append("another base model")
    if old.processes != new.processes:
        changed.append(f"{old.processes} -> {new.processes} GPUs")
    return changed


def state_path(place: Place) -> Path:
    """Where the state of a run lies whose names are filled in."""
    return runs.run_folder(Path(place.output_dir), place.output_name).state


class _Summed:
    """A file that hashes what is written to it."""

    def __init__(self, file: BinaryIO):
        self.file, self.sum = file, hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.sum.update(content)
        return self.file.write(content)

    def flush(self) -> None:
        self.file.flush()


def save_state(path: Path, state: RunState) -> None:
    """Replace the state at `path` once the new one is proven; the one before stays beside it (`before`).

    The new one is read back from the disk and summed before it takes the name. Raises ValueError for weights that are
    no numbers, OSError where the disk keeps other bytes than it was given; both leave what was there.
    """
    if not all(values.isfinite().all() for values in state.parameters):
        raise ValueError(f"{path} was not written: the weights hold NaN or infinite numbers")
    with files.replacing(path, before(path)) as temporary:
        _write(temporary, state)
        if not _is_sound(temporary):
            raise OSError(errno.EIO, "what was written cannot be read back", str(path))


def before(path: Path) -> Path:
    """Where the state lies that was the newest before the one at `path`."""
    return path.with_name(path.name + ".old")


def _write(path: Path, state: RunState) -> None:
    with open(path, "wb") as file:
        file.write(b"\0" * HEAD_LENGTH)
        summed = _Summed(file)
        torch.save({**state.__dict__, "identity": asdict(state.identity)}, summed)
        file.seek(0)
        file.write(f"lora_nb state {VERSION} sha256 {summed.sum.hexdigest()}\n".encode())
        file.flush()
        os.fsync(file.fileno())


def _is_sound(path: Path) -> bool:
    with open(path, "rb") as file:
        match = HEAD.match(file.read(HEAD_LENGTH))
        return bool(match) and _rest_of(file).encode() == match[2]


def _rest_of(file: BinaryIO) -> str:
    """The sum of what is left of a file."""
    found = hashlib.sha256()
    while block := file.read(BLOCK):
        found.update(block)
    return found.hexdigest()


def load_state(path: Path) -> RunState | None:
    """The state at `path`; None when there is none. Raises ValueError when it is damaged or of a newer version."""
    if not path.exists():
        return None
    with open(path, "rb") as file:
        head = file.read(HEAD_LENGTH)
        values = _read_before_sums(path) if head[:2] == b"PK" else _read(path, head, file)
    try:
        return _known(RunState, {**values, "identity": _known(Identity, values["identity"])})
    except (KeyError, TypeError):
        raise _damaged(path) from None


def load_newest(path: Path, tell: events.Tell = events.silent) -> RunState | None:
    """The state at `path`, or, where that is damaged or gone, the one before it, which is told.

    Raises ValueError when it is damaged and there is no sound one before it, or when it is of a newer version.
    """
    damage = None
    try:
        if found := load_state(path):
            return found
    except Damaged as error:
        damage = error
    older = _one_before(path)
    if older is None and damage is not None:
        raise damage
    if older is not None:
        wrong = "is damaged" if damage else "is not there (a save was cut short)"
        text = (
            f"{path} {wrong}; the state before it is sound, and the run goes on from that: step {older.step}."
        )
        tell(events.Notice(text, "warning"))
    return older


def _one_before(path: Path) -> RunState | None:
    try:
        return load_state(before(path))
    except ValueError:
        return None


def set_damaged_aside(path: Path) -> None:
    """Let the next state not push out the sound one before a damaged one at `path`, which gets another name."""
    if before(path).exists():
        try:
            load_state(path)
        except Damaged:
            os.replace(path, path.with_name(path.name + ".damaged"))


def _known(cls: type, values: Mapping[str, Any]) -> Any:
    """An instance of the values that this version knows; a newer one may have written more."""
    names = {each.name for each in fields(cls)}
    return cls(**{name: value for name, value in values.items() if name in names})


def _read(path: Path, head: bytes, file: BinaryIO) -> dict[str, Any]:
    match = HEAD.match(head)
    if match and int(match[1]) > VERSION:
        raise ValueError(f"{path} was written by a newer version of lora_nb: update lora_nb to go on from it")
    if not match or _rest_of(file).encode() != match[2]:
        raise _damaged(path)
    file.seek(HEAD_LENGTH)
    return torch.load(file, map_location="cpu", weights_only=True)


def _read_before_sums(path: Path) -> dict[str, Any]:
    """A state of version 1: torch.save's zip alone, whose own sums torch itself does not look at."""
    content = io.BytesIO(path.read_bytes())
    # The bytes are in memory, so whatever is raised is damage and no disk's; a broken zip or pickle raises anything.
    try:
        with zipfile.ZipFile(content) as archive:
            broken = archive.testzip()
        content.seek(0)
        values = torch.load(content, map_location="cpu", weights_only=True)
    except Exception:
        raise _damaged(path) from None
    if broken or not isinstance(values, dict):
        raise _damaged(path)
    return values


class Damaged(ValueError):
    """A state that cannot be read."""


def _damaged(path: Path) -> Damaged:
    return Damaged(
        f"{path} is damaged and cannot be read (half a copy, or a fault of the disk): the run cannot go on from it; "
        'put an unharmed copy in its place, or begin anew with on_existing = "restart", which sets it aside'
    )
