"""The files a run leaves in its output folder: LoRA, sidecar and preview of each saved epoch."""

import json
import time
from pathlib import Path

import torch
from PIL import Image

from lora_nb import files, project
from lora_nb.lora_file import LoraFile, read_lora, write_lora
from lora_nb.plan import RunPlan

EARLIER = "earlier"


def write_checkpoint(path: Path, file: LoraFile, dtype: torch.dtype, plan: RunPlan) -> None:
    """Write a LoRA file and the .json A1111 reads beside it."""
    write_lora(path, file, dtype)
    trigger, description = plan.config.trigger_word, plan.config.metadata_description
    sidecar = {
        "description": description or f"Trained with lora_nb on {len(plan.items)} pictures.",
        "sd version": "SD1",
        "activation text": trigger,
        "preferred weight": 1.0,
        "negative text": "",
        "notes": "",
    }
    files.write_text(path.with_suffix(".json"), json.dumps(sidecar, ensure_ascii=False, indent=2))


def write_preview(path: Path, picture: Image.Image) -> None:
    """Write the picture A1111 shows for the LoRA file at `path`."""
    with files.replacing(path.with_suffix(".png")) as temporary:
        picture.save(temporary, "PNG")


def drop_old(output_dir: Path, output_name: str, keep: int) -> None:
    """Remove this run's numbered files except the newest `keep`; 0 keeps all."""
    for path in project.lora_files(output_dir, output_name)[: -keep or None] if keep else ():
        for part in _parts(path):
            part.unlink(missing_ok=True)


def _parts(path: Path) -> list[Path]:
    return [path.with_suffix(f".{ending}") for ending in project.BESIDE]


def set_earlier_aside(plan: RunPlan, state_file: Path) -> Path | None:
    """Move an earlier run's files of the same name into `output/earlier/<time>`; None when there are none."""
    config = plan.config
    output = Path(config.output_dir)
    old = [part for path in project.run_files(output, config.output_name) for part in _parts(path)]
    metrics = project.folders_of_output(output).metrics
    present = [path for path in (*old, state_file, metrics) if path.exists()]
    if not present:
        return None
    place = files.free_name(output / EARLIER / time.strftime("%Y%m%d-%H%M%S"))
    place.mkdir(parents=True)
    for path in present:
        path.rename(place / path.name)
    return place


def has_changed_anything(path: Path) -> bool:
    """Whether the update in a file is other than zero. Raises ValueError when it holds numbers that are none."""
    modules = read_lora(path).modules
    for name, module in modules.items():
        if not (module.down.isfinite().all() and module.up.isfinite().all()):
            raise ValueError(
                f"{path.name} holds NaN or infinite numbers (first in {name}): the training has diverged; "
                "lower learning_rate, or use mixed_precision = no"
            )
    return any(module.up.count_nonzero() for module in modules.values())
