"""The files a run leaves in its output folder: LoRA, sidecar and preview of each saved epoch."""

import json
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import torch
from PIL import Image

from lora_nb import files, project, runs
from lora_nb.config.training import Place
from lora_nb.lora.lora_file import LoraFile, read_lora, write_lora
from lora_nb.training.plan import RunPlan

EARLIER = "earlier"


def write_checkpoint(path: Path, file: LoraFile, dtype: torch.dtype, plan: RunPlan, sd_version: str) -> None:
    """Write a LoRA file and the .json A1111 reads beside it. Raises ValueError for numbers `dtype` cannot hold."""
    for name, module in file.modules.items():
        if not all(part.to(dtype).isfinite().all() for part in module.tensors.values()):
            raise ValueError(
                f"{path.name} is not written: its numbers are NaN or too large for {dtype} (first in {name}): the "
                "training has diverged; lower learning_rate"
            )
    write_lora(path, file, dtype)
    trigger, description = plan.config.captions.trigger_word, plan.config.about.metadata_description
    sidecar = {
        "description": description
        or f"Trained with lora_nb on {len({each.item.path for each in plan.learnt})} pictures.",
        "sd version": sd_version,
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


def sweep(place: Place) -> None:
    """Remove what writes that were cut short left of a run's files, where the disk allows it."""
    own, output = runs.run_folder(Path(place.output_dir), place.output_name), Path(place.output_dir)
    with suppress(OSError):
        for folder in (own.base, own.samples):
            files.sweep(folder, lambda name: True)
        files.sweep(output, lambda name: project.is_of_run(name, place.output_name))


def drop_old(output_dir: Path, output_name: str, keep: int) -> str:
    """Remove this run's numbered files except the newest `keep`; 0 keeps all.

    None goes before the newest was read back and found sound; else the result says why all stay.
    """
    found = project.lora_files(output_dir, output_name)
    old = found[:-keep] if keep else []
    if old and (fault := _fault(found[-1])):
        return f"{fault}; so the older files stay, although save_last_n_epochs = {keep}"
    for path in old:
        for part in _parts(path):
            part.unlink(missing_ok=True)
    return ""


def drop_old_steps(plan: RunPlan, steps: Sequence[int], keep: int) -> tuple[list[int], str]:
    """Remove the files of `steps`, which the run saved by itself, but those of the last `keep` steps before the newest.

    The steps whose files stay, and a sentence where all stay because the newest is not sound.
    """
    place = plan.config.place
    paths = {step: Path(place.output_dir) / project.step_file_name(place.output_name, step) for step in steps}
    old = [step for step in steps if step < max(steps) - keep] if keep else []
    if old and (fault := _fault(paths[max(steps)])):
        return list(steps), f"{fault}; so the older files stay, although save_last_n_steps = {keep}"
    for step in old:
        for part in _parts(paths[step]):
            part.unlink(missing_ok=True)
    return [step for step in steps if step not in old], ""


def _fault(path: Path) -> str:
    """What is wrong with a file that was just written, or "" when nothing is."""
    try:
        return (
            "" if has_changed_anything(path) else f"{path.name} changes nothing: every update in it is zero"
        )
    except ValueError as error:
        return str(error)


def stands(path: Path, about: Mapping[str, str]) -> bool:
    """Whether a sound LoRA file that says all of `about`, and its sidecar, are at `path`."""
    if not (path.is_file() and path.with_suffix(".json").is_file()) or _fault(path):
        return False
    return about.items() <= read_lora(path).metadata.items()


def _parts(path: Path) -> list[Path]:
    return [path.with_suffix(f".{ending}") for ending in project.BESIDE]


def set_earlier_aside(plan: RunPlan) -> Path | None:
    """Move all of an earlier run of the same name into `output/earlier/<time>`; None when there is nothing."""
    config = plan.config
    output = Path(config.place.output_dir)
    old = [part for path in project.run_files(output, config.place.output_name) for part in _parts(path)]
    own = runs.run_folder(output, config.place.output_name)
    present = [path for path in (*old, *own.contents()) if path.exists()]
    if not set(present) - {own.settings}:
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
        if not all(part.isfinite().all() for part in module.tensors.values()):
            raise ValueError(
                f"{path.name} holds NaN or infinite numbers (first in {name}): the training has diverged; "
                "lower learning_rate, or use mixed_precision = no"
            )
    return not all(module.is_zero for module in modules.values())
