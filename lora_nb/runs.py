"""The folder of a run: where its things lie, and which runs and grids there are."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_nb import files, project
from lora_nb.project import Folders

LORA_NAME = re.compile(r"<lora:([^:>]+)")


@dataclass(frozen=True)
class RunFolder:
    """Where the things of one run lie. `base` is `runs/<output_name>`; no other run writes there.

    LoRA files, sidecars and previews lie in the output folder. The sheets of grids lie in `base` itself.
    """

    base: Path

    @property
    def settings(self) -> Path:
        return self.base / "run.toml"

    @property
    def state(self) -> Path:
        return self.base / project.state_file_name(self.base.name)

    @property
    def metrics(self) -> Path:
        return self.base / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        return self.base / "tensorboard"

    @property
    def wandb(self) -> Path:
        """What wandb keeps of the run, and in run.json which of its runs it is."""
        return self.base / "wandb"

    @property
    def samples(self) -> Path:
        return self.base / "samples"

    @property
    def of_base(self) -> Path:
        """What the base drew by itself before the training, as latents."""
        return self.base / "of_base.safetensors"

    @property
    def lock(self) -> Path:
        return self.base / "run.lock"

    @property
    def holder(self) -> Path:
        return self.base / "run.lock.json"

    def contents(self) -> list[Path]:
        """What lies in the folder beside its lock; an empty folder counts for nothing."""
        found = sorted(self.base.iterdir()) if self.base.is_dir() else []
        filled = [path for path in found if not path.is_dir() or any(path.iterdir())]
        return [path for path in filled if path not in (self.lock, self.holder)]


def run_folder(output_dir: Path, output_name: str) -> RunFolder:
    """The folder of the run that writes `output_name` into `output_dir`.

    It lies in the project of an output folder called "output", in any other output folder itself.
    """
    return RunFolder(project.folders_of_output(output_dir).runs / output_name)


def newest(folders: Folders) -> RunFolder | None:
    """The run of a project that was started last."""
    found = [RunFolder(path.parent) for path in folders.runs.glob("*/run.toml")]
    return max(found, key=lambda run: run.settings.stat().st_mtime, default=None)


def inside(path: str, folders: Folders) -> str:
    """`path` relative to the project where it lies in it, so that the project can be moved; else as it is."""
    full = Path(os.path.abspath(path)) if path else Path()
    return full.relative_to(folders.base).as_posix() if full.is_relative_to(folders.base) else path


def grid_file_name(number: int) -> str:
    """`grid.png`, `grid-2.png`, ...; beside each lie its legend (.json) and the folder of its pictures."""
    return "grid.png" if number == 1 else f"grid-{number}.png"


def grids(folder: Path) -> list[Path]:
    """The sheets of the grids in `folder`, in the order they were drawn."""
    return project.numbered(folder, grid_file_name)


def newest_grid(folder: Path, loras: Sequence[Path]) -> Path | None:
    """The newest grid that compares any of `loras`, if it is newer than they are.

    A prompt may call any LoRA file: which of them a grid compares is told by its legend.
    """
    newest = max((path.stat().st_mtime for path in loras), default=float("inf"))
    calls = {path.stem for path in loras}
    own = [
        path
        for path in grids(folder)
        if path.stat().st_mtime >= newest and calls & compared(path.with_suffix(".json"))
    ]
    return max(own, key=lambda path: path.stat().st_mtime, default=None)


def compared(legend: Path) -> set[str]:
    """The names of the LoRA files that a grid calls; none without a readable legend."""
    try:
        pictures = files.from_json(legend.read_bytes())["pictures"]
        return {name for picture in pictures for name in LORA_NAME.findall(picture["prompt"])}
    except (OSError, ValueError, KeyError, TypeError):
        return set()
