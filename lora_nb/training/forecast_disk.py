"""How many bytes a run will write, and where: files, state, pictures, encoded pictures, the base.

Imports no torch.
"""

import shutil
from dataclasses import dataclass
from pathlib import Path

from lora_nb import runs
from lora_nb.bases.model_sizes import ModelSizes
from lora_nb.config.training import TrainConfig
from lora_nb.training import forecast_memory, forecast_network
from lora_nb.training.forecast_latents import latent_bytes
from lora_nb.training.run_plan import RunPlan

SAVED = {"fp16": 2, "bf16": 2, "fp32": 4}
A_PIXEL = 1.6  # bytes of a PNG of a photo; 3 at most
HEADER = 150_000  # names, shapes and what a LoRA file says of its run; its .json
A_STEP = 900  # metrics.jsonl and TensorBoard
STRENGTHS, CHECKPOINTS = 5, 10  # a grid has about so many columns and rows


@dataclass(frozen=True)
class Writes:
    """Bytes that a run writes to one place, and what they are."""

    place: Path
    what: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        return sum(count for _, count in self.what)

    @property
    def free(self) -> int:
        """Bytes that are free there: of a mounted Drive, of its quota."""
        return shutil.disk_usage(existing(self.place)).free


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that is there."""
    folder = folder.absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def forecast(plan: RunPlan, sizes: ModelSizes, scratch: Path, cache: Path) -> tuple[Writes, ...]:
    """What a planned run writes: into its project, the machine's `scratch` and the `cache` of downloads.

    Places on one disk come as one. A file that is replaced is there twice for a moment.
    """
    output = Path(plan.config.place.output_dir)
    found = [(output, each) for each in _of_project(plan, forecast_network.parameters(plan.config, sizes))]
    if plan.config.caching.cache_latents_to_disk:
        found.append((scratch, ("encoded pictures", sum(latent_bytes(plan, sizes.vae_factor)))))
    if sizes.download:
        found.append((cache, ("the base", sizes.download)))
    by_disk: dict[int, list] = {}
    for place, each in found:
        by_disk.setdefault(existing(place).stat().st_dev, [place]).append(each)
    return tuple(Writes(place, tuple(what)) for place, *what in by_disk.values())


def _of_project(plan: RunPlan, weights: int) -> list[tuple[str, int]]:
    config = plan.config
    own = runs.run_folder(Path(config.place.output_dir), config.place.output_name)
    state = weights * forecast_memory.state_bytes(config)
    there = own.state.stat().st_size if own.state.exists() else 0
    files = lora_files(plan)
    pictures = _picture(plan)
    found = [
        ("LoRA files", files * (weights * SAVED[config.precision.save_precision] + HEADER)),
        ("the state, old and new", 2 * state - there),
        ("samples", int(pictures * (drawn(plan) + files))),
        ("figures", A_STEP * plan.total_steps),
    ]
    if config.samples.grid:
        found.append(("the grid", int(2 * pictures * STRENGTHS * min(files, CHECKPOINTS))))
    return [(name, count) for name, count in found if count > 0]


def lora_files(plan: RunPlan) -> int:
    """How many LoRA files the run keeps; those by the minute are not known."""
    saving = plan.config.saving
    every = (
        max(1, plan.epochs // saving.save_n_epoch_ratio)
        if saving.save_n_epoch_ratio
        else saving.save_every_n_epochs
    )
    epochs = -(-plan.epochs // every)
    if saving.save_last_n_epochs:
        epochs = min(epochs, saving.save_last_n_epochs)
    if not saving.save_every_n_steps:
        return epochs
    steps = plan.total_steps
    if saving.save_last_n_steps:
        steps = min(steps, saving.save_last_n_steps)
    return epochs + -(-steps // saving.save_every_n_steps)


def drawn(plan: RunPlan) -> int:
    """How many samples are drawn; those by the minute are not known."""
    samples = plan.config.samples
    times = -(-plan.epochs // samples.sample_every_n_epochs) if samples.sample_every_n_epochs else 0
    times += plan.total_steps // samples.sample_every_n_steps if samples.sample_every_n_steps else 0
    return (times + samples.sample_at_first) * max(1, len(samples.sample_prompts))


def _picture(plan: RunPlan) -> float:
    width, height = plan.sizes[0]
    return A_PIXEL * width * height


def asked_of(config: TrainConfig) -> str:
    """The settings that make it less, in words."""
    return f"save_last_n_epochs (now {config.saving.save_last_n_epochs}) says how many files are kept"
