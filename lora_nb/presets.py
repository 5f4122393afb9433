"""Presets: settings of a run that proved good, found by name, put over one another, saved."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomli_w

from lora_nb import files, settings
from lora_nb.config.training import TrainConfig
from lora_nb.project import LORAS, check_output_name
from lora_nb.typed import refuse_secret

PACKAGE = Path(__file__).parent
PLACES = (PACKAGE / "configs", PACKAGE.parent / "configs")  # as installed, and in the repository
OWN = "own"
FOLDER = "_presets"  # beside the projects; no project has such a name by itself
# Of one project, machine or moment, and nothing of how to train.
NOT_KEPT = {
    "train_data_dir", "output_dir", "output_name", "trigger_word", "reg_data_dir", "dataset_config", "subsets",
    "on_existing", "allow_demo_base", "network_weights", "initial_step", "source_date_epoch", "sample_prompts",
}  # fmt: skip
KINDS = {".": "purpose", "machines": "machine", "published": "published"}


@dataclass(frozen=True)
class Preset:
    """Settings of a run under a name. `kind` is "purpose", "machine" or "published" (what somebody else gives
    out) or "own" (what the person saved).
    """

    name: str
    kind: str
    title: str
    path: Path


def presets(own: Path | None = None) -> tuple[Preset, ...]:
    """Every preset there is, those for a purpose first, at the end those saved in the folder `own`."""
    home = next((place for place in PLACES if place.is_dir()), PLACES[0])
    shipped = tuple(
        Preset(path.stem, kind, _title(path), path)
        for folder, kind in KINDS.items()
        for path in sorted((home / folder).glob("*.toml"))
    )
    saved = sorted(own.glob("*.toml")) if own else ()
    return shipped + tuple(Preset(path.stem, OWN, _title(path), path) for path in saved)


def _title(path: Path) -> str:
    """The comment in the first line; the name where there is none."""
    with open(path, encoding="utf-8", errors="replace") as file:
        line = file.readline().strip()
    return line.removeprefix("#").strip() if line.startswith("#") else path.stem


def find(name: str, own: Path | None = None) -> Preset:
    """The preset called `name`, or the .toml file it names. Raises ValueError with the nearest one."""
    path = Path(name).expanduser()
    if path.suffix == ".toml" and path.is_file():
        return Preset(path.stem, OWN, _title(path), path)
    known = {preset.name: preset for preset in presets(own)}
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(known)}"
        raise ValueError(f'unknown preset "{name}"; {hint}')
    return known[name]


def put_together(names: Sequence[str], own: Path | None = None) -> dict[str, Any]:
    """The settings of several presets by their names, the later ones over the earlier.

    Raises ValueError for a preset that is not there or holds what is no usable setting.
    """
    values: dict[str, Any] = {}
    for name in names:
        path = find(name, own).path
        settings.load(TrainConfig, path)
        values |= settings.read_table(path)
    return values


def own_folder(base: Path) -> Path:
    """Where a person's presets lie: beside the projects, so that each of them has them; beside `base` elsewhere."""
    parents = [parent for parent in base.absolute().parents if parent.name == LORAS]
    return (parents[0] if parents else base.absolute()) / FOLDER


def save(name: str, config: TrainConfig, own: Path, title: str = "") -> Path:
    """The file of a new preset in the folder `own`: all settings but where things lie and what they are called.

    Raises ValueError for a name that one of the shipped presets has, that is taken, or that is no file's name.
    """
    check_output_name(name)
    if name in {preset.name for preset in presets()}:
        raise ValueError(
            f'"{name}" is a preset that comes with lora_nb and stays as it is: choose another name'
        )
    path = own / f"{name}.toml"
    if path.exists():
        raise ValueError(f"{path} is there already: choose another name, or delete that file first")
    values = {key: value for key, value in settings.to_dict(config).items() if key not in NOT_KEPT}
    for key, value in values.items():
        refuse_secret(key, str(value))
    own.mkdir(parents=True, exist_ok=True)
    files.write_text(path, f"# {' '.join((title or name).split())}\n{tomli_w.dumps(values)}")
    return path
