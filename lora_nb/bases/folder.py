"""What lies in a diffusers folder: its JSON files and its weight files."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.bases import base_file

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def component_json(name: str, folder: Path, part: str) -> dict[str, Any]:
    """The configuration of a model of base `name`, in its folder or the Hub's cache; empty where it is not known."""
    path = folder / part / "config.json"
    if not path.is_file() and HUB_ID.fullmatch(name):
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(name, f"{part}/config.json")
        path = Path(cached) if isinstance(cached, str) else path
    return read_json(path) if path.is_file() else {}


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ValueError naming a file that is none."""
    try:
        content = files.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not readable JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object")
    return content


def weight_file(folder: Path, part: str, names: Sequence[str]) -> Path:
    """The first of `names` that is there for a model. Raises ValueError."""
    path = next((folder / part / name for name in names if (folder / part / name).is_file()), None)
    if path is None:
        raise ValueError(f"{folder / part} holds no weights: {names[0]} is missing; download the base again")
    if path.suffix == ".safetensors":
        base_file.read_header(path)
    return path
