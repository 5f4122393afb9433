"""The LoRA files of a run, each with what is known of it: size, epoch, step, losses, preview."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lora_nb import files, project, runs
from lora_nb.config.results import RunFiles
from lora_nb.runs import RunFolder

STEP = re.compile(r"-step(\d{6,})\.safetensors")
CHECKED = ("held_out", "probe")  # the pictures a run is checked with; it has the one or the other
EPOCH = re.compile(r"-(\d{2,})\.safetensors")


@dataclass(frozen=True)
class RunFile:
    """One LoRA file. `loss` is the mean of its epoch, `validation` that of the held-out pictures; None: not known."""

    path: Path
    size: int
    epoch: int | None
    step: int | None
    loss: float | None = None
    validation: float | None = None

    @property
    def parts(self) -> tuple[Path, ...]:
        """The file, its sidecar and its preview, as far as they are there."""
        beside = (self.path.with_suffix(f".{ending}") for ending in project.BESIDE)
        return tuple(path for path in beside if path.is_file())

    @property
    def preview(self) -> Path | None:
        return next((path for path in self.parts if path.suffix == ".png"), None)


@dataclass
class _Figures:
    """What a run's metrics.jsonl says, by step."""

    epochs: dict[int, int] = field(default_factory=dict)
    losses: dict[int, float] = field(default_factory=dict)
    validation: dict[int, float] = field(default_factory=dict)


def folder_of(config: RunFiles) -> RunFolder:
    """The folder of the run. Raises ValueError without one."""
    if not config.output_dir:
        raise ValueError("output_dir is empty: give the folder with the LoRA files")
    name = config.output_name or project.folders_of_output(Path(config.output_dir)).base.name
    return runs.run_folder(Path(config.output_dir), name)


def every(output_dir: Path, output_name: str) -> list[RunFile]:
    """The LoRA files of a run, numbered epochs first."""
    figures = _read(runs.run_folder(output_dir, output_name).metrics)
    return [_made(path, figures) for path in project.run_files(output_dir, output_name)]


def chosen(config: RunFiles) -> list[RunFile]:
    """The files that are asked for. Raises ValueError where one of them, or any, is not there."""
    own = folder_of(config)
    found = every(Path(config.output_dir), own.base.name)
    if not found:
        raise ValueError(f'{config.output_dir} holds no LoRA file of "{own.base.name}": train first')
    by_name = {file.path.name: file for file in found}
    names = [Path(name).name for name in config.lora_files]
    endings = [name if name.endswith(".safetensors") else f"{name}.safetensors" for name in names]
    if lost := [name for name in endings if name not in by_name]:
        raise ValueError(f"{config.output_dir} holds no {lost[0]}; there are {', '.join(by_name)}")
    return [by_name[name] for name in endings] or found


def _made(path: Path, figures: _Figures) -> RunFile:
    by_step, by_epoch = STEP.search(path.name), EPOCH.search(path.name)
    step = int(by_step[1]) if by_step else None
    epoch = int(by_epoch[1]) if by_epoch and not by_step else None
    if epoch is not None:
        step = figures.epochs.get(epoch)
    at = -1 if step is None else step
    return RunFile(path, path.stat().st_size, epoch, step, figures.losses.get(at), figures.validation.get(at))


def _read(metrics: Path) -> _Figures:
    found = _Figures()
    lines: Sequence[bytes] = metrics.read_bytes().splitlines() if metrics.is_file() else ()
    for line in lines:
        try:
            said: Mapping[str, Any] = files.from_json(line)
            step = int(said["step"])
        except (ValueError, KeyError, TypeError):
            continue
        if said.get("event") == "EpochLog":
            found.epochs[int(said["epoch"])] = step
            found.losses[step] = float(said["loss"])
        if said.get("event") == "Validated" and said.get("name") in CHECKED:
            found.validation[step] = float(said["loss"])
    return found
