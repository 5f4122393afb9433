"""The settings of a run from elsewhere: sd-scripts, its GUI, a LoRA file, an earlier run."""

import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lora_nb import files, kohya_import
from lora_nb.kohya_files import flatten, from_gui, from_metadata
from lora_nb.kohya_import import OURS, Reading

OWN = "lora_nb_settings"  # in the metadata of a file that was made here
RUN_FILE = "run.toml"
OWN_HEADING = "# lora_nb run"
GUI_KEYS = {"LoRA_type", "max_resolution", "lr_warmup"}
DATASET_KEYS = {"general", "datasets"}


@dataclass(frozen=True)
class Taken:
    """What was taken over: our settings by name, what was not with the reason, and what to know of it."""

    source: str
    values: Mapping[str, Any]
    passed: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def take_over(path: Path) -> Taken:
    """The settings in a .toml or .json of sd-scripts or its GUI, a .safetensors LoRA file, or the folder of a run.

    Raises ValueError with one sentence for what holds no settings.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        path = path / RUN_FILE
    if not path.is_file():
        raise ValueError(
            f"{path} does not exist: give a .toml or .json with settings, a LoRA file, or a run's folder"
        )
    if path.suffix.lower() == ".safetensors":
        return _of_metadata(read_metadata(path), path)
    table = read_any(path)
    if _is_own(path):
        return _of_own(table, str(path))
    if GUI_KEYS & table.keys():
        return _made(kohya_import.translate(from_gui(table)), f"{path}, saved by the GUI of sd-scripts")
    return _of_scripts(table, path)


def read_any(path: Path) -> dict[str, Any]:
    """The table in a TOML or JSON file. Raises ValueError naming it."""
    try:
        text = path.read_text(encoding="utf-8-sig")
        table = files.from_json(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(f"{path} is not readable as settings: {error}") from None
    if not isinstance(table, dict) or not table:
        raise ValueError(f"{path} holds no settings")
    return table


def read_metadata(path: Path) -> dict[str, str]:
    """What a .safetensors file says of itself. Raises ValueError for one that is none."""
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if length < 100_000_000 else b""
    try:
        found = files.from_json(text).get("__metadata__") or {}
    except (ValueError, AttributeError):
        raise ValueError(f"{path} is not a readable .safetensors file") from None
    return {str(key): str(value) for key, value in found.items()}


def _of_scripts(table: Mapping[str, Any], path: Path) -> Taken:
    if DATASET_KEYS & table.keys() and isinstance(table.get("datasets"), list):
        return _of_dataset(table, path)
    flat = flatten(table)
    named = flat.get("sample_prompts")
    if isinstance(named, str):
        flat["sample_prompts"] = _prompts(named, path)
    reading = kohya_import.translate(flat)
    if isinstance(named, str) and named and not flat["sample_prompts"]:
        reading.pass_over(
            "sample_prompts", "it names a .txt file with prompts, which is not here or is empty"
        )
    return _made(reading, f"{path}, of sd-scripts")


def _of_dataset(table: Mapping[str, Any], path: Path) -> Taken:
    """A dataset file: the run reads it itself; one folder's settings are as well those of the run."""
    datasets = table["datasets"]
    subsets = [(dataset, subset) for dataset in datasets for subset in dataset.get("subsets", [])]
    if len(subsets) != 1:
        reading = kohya_import.translate({"dataset_config": str(path)}, defaults=False)
        return _made(reading, f"{path}, a dataset of {len(subsets)} folders")
    dataset, subset = subsets[0]
    own = {name: value for name, value in dataset.items() if name != "subsets"}
    given = {"num_repeats": 1, **table.get("general", {}), **own, **subset}
    given = {
        {"image_dir": "train_data_dir", "batch_size": "train_batch_size"}.get(k, k): v
        for k, v in given.items()
    }
    return _made(kohya_import.translate(given, defaults=False), f"{path}, a dataset of one folder")


def _prompts(named: str, path: Path) -> list[str]:
    """The lines of a file with prompts, beside the settings or where the current folder leads."""
    found = next((each for each in (path.parent / named, Path(named)) if each.is_file()), None)
    if found is None or found.suffix.lower() != ".txt":
        return []
    lines = [line.strip() for line in found.read_text(encoding="utf-8-sig").splitlines()]
    return [line for line in lines if line and not line.startswith("#")]


def _of_metadata(found: Mapping[str, str], path: Path) -> Taken:
    if OWN in found:
        with suppress(ValueError):
            return _of_own(files.from_json(found[OWN]), f"{path}, made by lora_nb")
    given = {name.removeprefix("ss_"): value for name, value in found.items() if name.startswith("ss_")}
    if not given:
        raise ValueError(f"{path} says nothing of its settings")
    return _made(kohya_import.translate(from_metadata(given), defaults=False), f"{path}, made by sd-scripts")


def _is_own(path: Path) -> bool:
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.readline().startswith(OWN_HEADING)


def _of_own(table: Mapping[str, Any], source: str) -> Taken:
    reading = Reading({})
    for name, value in table.items():
        if name in OURS:
            reading.put(name, name, value)
        else:
            reading.pass_over(name, "this version does not have it")
    return _made(reading, source)


def _made(reading: Reading, source: str) -> Taken:
    return Taken(source, reading.values, reading.passed, tuple(reading.notes))
