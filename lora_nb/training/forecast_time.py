"""How long a run will take, from runs that were, or else from the arithmetic it needs: rough, and said to be.

Imports no torch. FLOPs are counted per block as 2 for each multiplication with addition; a step is the forward pass, as
much again for the gradients of what flows through frozen layers, and once more forward with checkpointing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from lora_nb import events, runs, settings
from lora_nb.bases.denoiser_blocks import Block
from lora_nb.bases.model_sizes import ModelSizes
from lora_nb.config.training import TrainConfig
from lora_nb.events import StepLog
from lora_nb.training import forecast_disk
from lora_nb.training.forecast_activations import CHUNK
from lora_nb.training.machine import Machine
from lora_nb.training.run_plan import RunPlan

DOWNLOAD = 30e6  # bytes a second, as on Colab
READING = 300e6  # of a base, from a disk
BEGIN = 20.0  # seconds until the libraries are there
SAMPLING_STEPS = 28
GRID = forecast_disk.STRENGTHS * forecast_disk.CHECKPOINTS
LAST = 50  # steps of an earlier run's log whose pace counts
VAE = 2.5e6  # FLOPs a pixel that the encoder of such a VAE takes (1.1 TFLOP at 512 x 512, both ways 2.4)


@dataclass(frozen=True)
class Duration:
    """Seconds of each stage of a run, in order; `known_from` the run whose pace is taken, "" for a rough figure."""

    stages: Mapping[str, float]
    known_from: str = ""

    @property
    def total(self) -> float:
        return sum(self.stages.values())


def forecast(plan: RunPlan, sizes: ModelSizes, machine: Machine) -> Duration | None:
    """How long a planned run takes; None where nothing is known of the machine and no run was like it."""
    work, (name, pace) = flops(plan, sizes), _known(plan, sizes)
    if not pace and not machine.flops:
        return None
    a_step = pace or work / machine.flops
    speed = work / a_step
    own = {
        "download": sizes.download / DOWNLOAD,
        "loading": BEGIN + sum(model.stored for model in sizes.models) / READING,
        "encoding": sum(VAE * w * h for w, h in plan.buckets) / speed,
        "training": a_step * plan.total_steps,
        "samples": forecast_disk.drawn(plan) * _drawing(plan, sizes) / speed,
    }
    if plan.config.samples.grid:
        own["grid"] = min(GRID, forecast_disk.STRENGTHS * plan.epochs) * _drawing(plan, sizes) / speed
    return Duration(own, name)


def flops(plan: RunPlan, sizes: ModelSizes) -> float:
    """FLOPs of an optimizer step, of the pictures of an average batch."""
    config = plan.config
    times = 3 if config.precision.gradient_checkpointing else 2
    pictures = sum(plan.repeats) / plan.steps_per_epoch
    seen = sum(plan.repeats)
    pixels = sum(w * h * n for (w, h), n in zip(plan.buckets, plan.repeats, strict=True)) / max(seen, 1)
    texts = sum(model.parameters for model in sizes.texts) * 2 * CHUNK
    return pictures * (times * forward(sizes, pixels) + (3 if config.learning.trains_text else 1) * texts)


def forward(sizes: ModelSizes, pixels: float) -> float:
    """FLOPs of the denoiser for one picture of so many pixels."""
    return sum(_of_block(block, pixels / sizes.vae_factor**2 / 4**block.level) for block in sizes.blocks)


def _of_block(block: Block, pixels: float) -> float:
    layers = sum(
        2 * layer.inner * layer.outer * layer.kernel**2 * (CHUNK if layer.reads_text else pixels)
        for layer in block.layers
        if "emb" not in layer.path
    )
    attention = 4 * pixels * (pixels + CHUNK) * block.outer if block.kind == "transformer" else 0
    return layers + attention


def _drawing(plan: RunPlan, sizes: ModelSizes) -> float:
    """FLOPs of a picture: both answers of guidance at each step, then the decoder."""
    width, height = plan.sizes[0]
    return 2 * SAMPLING_STEPS * forward(sizes, width * height) + 2 * VAE * width * height


def _known(plan: RunPlan, sizes: ModelSizes) -> tuple[str, float]:
    """The run of this project that is most like it, and the seconds one of its steps would take; ("", 0) for none."""
    own = runs.run_folder(Path(plan.config.place.output_dir), plan.config.place.output_name)
    found = sorted(own.base.parent.glob("*/run.toml"), key=lambda path: -path.stat().st_mtime)
    for path in found:
        run = runs.RunFolder(path.parent)
        pace = _pace(run.metrics)
        ratio = _likeness(plan, path, sizes) if pace else 0.0
        if ratio:
            return run.base.name, pace * ratio
    return "", 0.0


def _likeness(plan: RunPlan, path: Path, sizes: ModelSizes) -> float:
    """How much more work a step of this run is than one of that; 0 where they are of another base or precision."""
    try:
        other, _ = settings.load_known(TrainConfig, path)
    except (ValueError, OSError):
        return 0.0
    mine = plan.config
    if other.base != mine.base or other.precision.mixed_precision != mine.precision.mixed_precision:
        return 0.0
    return _relative(mine) / _relative(other) if _sides(other) == _sides(mine) else 0.0


def _sides(config: TrainConfig) -> object:
    return config.pictures.resolution


def _relative(config: TrainConfig) -> float:
    times = 3 if config.precision.gradient_checkpointing else 2
    return times * config.length.train_batch_size * config.length.gradient_accumulation_steps


def _pace(metrics: Path) -> float:
    """Seconds a step of the last steps in a log; 0 without one."""
    if not metrics.is_file():
        return 0.0
    with open(metrics, "rb") as file:
        file.seek(max(0, metrics.stat().st_size - 600 * LAST))
        found = [each for each in events.read_lines(file.read()) if isinstance(each, StepLog)]
    paces = [each.steps_per_second for each in found[-LAST:] if each.steps_per_second > 0]
    return 1 / median(paces) if paces else 0.0
