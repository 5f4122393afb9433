"""Presets: settings of a run that proved good, found by name, put over one another."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_nb import settings
from lora_nb.config.training import TrainConfig

PACKAGE = Path(__file__).parent
PLACES = (PACKAGE / "configs", PACKAGE.parent / "configs")  # as installed, and in the repository
KINDS = {".": "purpose", "machines": "machine", "published": "published"}


@dataclass(frozen=True)
class Preset:
    """Settings of a run under a name. `kind` is "purpose", "machine" or "published" (what somebody else gives out)."""

    name: str
    kind: str
    title: str
    path: Path


def presets() -> tuple[Preset, ...]:
    """Every preset there is, those for a purpose first."""
    home = next((place for place in PLACES if place.is_dir()), PLACES[0])
    return tuple(
        Preset(path.stem, kind, _title(path), path)
        for folder, kind in KINDS.items()
        for path in sorted((home / folder).glob("*.toml"))
    )


def _title(path: Path) -> str:
    """The comment in the first line."""
    with open(path, encoding="utf-8") as file:
        return file.readline().removeprefix("#").strip()


def find(name: str) -> Preset:
    """The preset called `name`. Raises ValueError with the nearest one."""
    known = {preset.name: preset for preset in presets()}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(known)}"
        raise ValueError(f'unknown preset "{name}"; {hint}')
    return known[name]


def put_together(names: Sequence[str]) -> dict[str, Any]:
    """The settings of several presets by their names, the later ones over the earlier.

    Raises ValueError for a preset that is not there or holds what is no usable setting.
    """
    values: dict[str, Any] = {}
    for name in names:
        path = find(name).path
        settings.load(TrainConfig, path)
        values |= settings.read_table(path)
    return values
