"""What sd-scripts' settings files, its GUI's and its LoRA files say, in the words of its command line."""

import json
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from lora_nb.kohya_defaults import CONVOLUTIONS, KINDS, OF_KINDS, OF_THE_GUI
from lora_nb.kohya_import import MEANT

OF_METADATA = {
    "batch_size_per_device": "train_batch_size",
    "num_epochs": "max_train_epochs",
    "sd_model_name": "pretrained_model_name_or_path",
    "debiased_estimation": "debiased_estimation_loss",
}
NO_SETTING = {"max_train_steps"}  # it was counted from the epochs
HANDLED = {"network_args", "network_module", "optimizer", "resolution", "zero_terminal_snr", "network_alpha"}
NOISES = {  # what the GUI's choice leaves unused
    "Original": ("multires_noise_iterations", "multires_noise_discount"),
    "Multires": ("noise_offset", "adaptive_noise_scale"),
}


def flatten(table: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of a --config_file: its sections are there for the reader only."""
    flat: dict[str, Any] = {}
    for name, value in table.items():
        flat |= value if isinstance(value, dict) else {name: value}
    return flat


def from_gui(table: Mapping[str, Any]) -> dict[str, Any]:
    """What the GUI saves, in the words of sd-scripts; what is off and is nowhere else is left out."""
    given = {name: value for name, value in table.items() if value or name in MEANT}
    given |= {OF_THE_GUI[name]: given.pop(name) for name in OF_THE_GUI if name in given}
    given["algo"] = _kind(given)
    if isinstance(given.get("sample_prompts"), str):
        given["sample_prompts"] = given["sample_prompts"].splitlines()
    if not (_number(given.get("unet_lr")) or _number(given.get("text_encoder_lr"))):
        given["unet_lr"] = given["text_encoder_lr"] = None
    for step in (_length, _shares, _noise):
        step(given)
    return given | _flags(str(given.pop("additional_parameters", "") or ""))


def _kind(given: dict[str, Any]) -> str:
    """The kind of network; numbers of one that is not chosen go."""
    named = given.pop("LoRA_type", "Standard")
    kind = KINDS.get(named, named)
    others = [name for name, kinds in OF_KINDS.items() if kind not in kinds]
    for name in (*others, *(CONVOLUTIONS if kind == "lora" else ())):
        given.pop(name, None)
    return kind


def _length(given: dict[str, Any]) -> None:
    """The GUI's epochs count where neither steps nor the most epochs are given."""
    epochs = given.pop("epoch", None)
    if not (_number(given.get("max_train_epochs")) or _number(given.get("max_train_steps"))):
        given["max_train_epochs"] = epochs


def _number(value: Any) -> float:
    with suppress(TypeError, ValueError):
        return float(value)
    return 0.0


def _shares(given: dict[str, Any]) -> None:
    """The GUI counts these in percent of all steps."""
    warmup = _number(given.pop("lr_warmup", 0)) / 100
    if not _number(given.get("lr_warmup_steps")):
        given["lr_warmup_steps"] = warmup
    stop = max(_number(given.pop(f"stop_text_encoder_training{end}", 0)) for end in ("", "_pct"))
    if stop:
        given["stop_text_encoder_training"] = stop / 100


def _noise(given: dict[str, Any]) -> None:
    """The GUI keeps numbers of the kind of noise that is not chosen."""
    for name in NOISES.get(given.pop("noise_offset_type", None), ()):
        given.pop(name, None)


def _flags(text: str) -> dict[str, Any]:
    """What stands in the GUI's box for more flags: --name value, --name=value, --name."""
    found = re.findall(r"--([\w-]+)(?:[ =](?!--)(\"[^\"]*\"|'[^']*'|\S+))?", text)
    return {name.replace("-", "_"): value.strip("\"'") or True for name, value in found}


def from_metadata(given: Mapping[str, str]) -> dict[str, Any]:
    """What metadata says of settings, without ss_, in the words of sd-scripts; facts of the run are left out."""
    named = {
        OF_METADATA.get(name, name): _value(value) for name, value in given.items() if name not in NO_SETTING
    }
    made = {name: value for name, value in named.items() if name in MEANT or name in HANDLED}
    if optimizer := re.fullmatch(r"(?:[\w.]+\.)?(\w+)(?:\((.*)\))?", str(made.pop("optimizer", ""))):
        made["optimizer_type"] = optimizer[1]
        made["optimizer_args"] = re.split(r",(?=\w+=)", optimizer[2] or "") if optimizer[2] else None
    if isinstance(made.get("network_args"), dict):
        made["network_args"] = [f"{name}={value}" for name, value in made["network_args"].items()]
    made["resolution"] = str(made.get("resolution") or "").strip("()") or None
    folders = named.get("dataset_dirs")
    if isinstance(folders, dict) and len(folders) == 1:
        made["num_repeats"] = next(iter(folders.values())).get("n_repeats")
    return made


def _value(text: str) -> Any:
    if text in ("None", "True", "False", ""):
        return {"True": True, "False": False}.get(text)
    with suppress(ValueError):
        return json.loads(text)
    return text
