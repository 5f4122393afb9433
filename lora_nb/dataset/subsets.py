"""Folders of pictures with settings of their own, from a run's file or from a dataset file of sd-scripts."""

import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lora_nb import files, settings
from lora_nb.config.training import TrainConfig
from lora_nb.declare import Setting, settings_of
from lora_nb.typed import check, inline_table

FOLDER = ("folder", "image_dir")
TOKENS, REGULAR, MASKS, BATCH = "class_tokens", "is_reg", "conditioning_data_dir", "batch_size"
KNOWN = {each.name: each for each in settings_of(TrainConfig)}
ALSO = {BATCH: "train_batch_size"} | {
    each.said.kohya: name for name, each in KNOWN.items() if each.said.kohya
}
ONCE = {"num_repeats": 1}  # in a file of sd-scripts, where nothing is said


@dataclass(frozen=True)
class Subset:
    """A folder, the settings `given` for it alone, and what it is called where a picture has no caption.

    `masks` is another folder, in which the mask of a picture has its name; None where they lie beside the pictures.
    """

    folder: Path
    given: Mapping[str, Any] = field(default_factory=dict)
    class_tokens: str = ""
    is_reg: bool = False
    masks: Path | None = None


@dataclass(frozen=True)
class Group:
    """Subsets that share their resolution, buckets and batch size, with what is `given` for all of them."""

    given: Mapping[str, Any]
    subsets: tuple[Subset, ...]


def read_subsets(written: Sequence[str], dataset: Path) -> tuple[Subset, ...]:
    """The subsets of a run; their folders are relative to the dataset. Raises ValueError saying which is wrong."""
    found = tuple(
        _subset(inline_table(text), (dataset,), f"subsets, number {number}")
        for number, text in enumerate(written, 1)
    )
    return _refuse_twice(found, "subsets")


def read_file(path: Path) -> tuple[Group, ...]:
    """The datasets of a file of sd-scripts (dataset_config). Raises ValueError naming the file and the place in it."""
    table = _table(path)
    _refuse_unknown(table, ("general", "datasets"), str(path))
    general = _settings(
        _only_table(table.get("general", {}), path), ("subset", "dataset"), f"{path}, general"
    )
    datasets = _tables(table, "datasets", str(path))
    if not datasets:
        raise ValueError(f"{path} names no [[datasets]]: write one, with [[datasets.subsets]] in it")
    return tuple(
        _group(each, general, path, f"{path}, dataset {number}") for number, each in enumerate(datasets, 1)
    )


def _group(table: Mapping[str, Any], general: Mapping[str, Any], path: Path, where: str) -> Group:
    subsets = _tables(table, "subsets", where)
    own = _settings(
        {name: value for name, value in table.items() if name != "subsets"}, ("subset", "dataset"), where
    )
    given = {**general, **own}
    shared = {**ONCE, **_of_kind(given, "subset")}
    found = tuple(
        _subset(each, (path.absolute().parent, Path.cwd()), f"{where}, subset {number}", shared)
        for number, each in enumerate(subsets, 1)
    )
    if not found:
        raise ValueError(f"{where} has no [[datasets.subsets]]: write one with an image_dir")
    return Group(_of_kind(given, "dataset"), _refuse_twice(found, where))


def _subset(
    table: Mapping[str, Any], places: Iterable[Path], where: str, shared: Mapping[str, Any] | None = None
) -> Subset:
    named = [table[name] for name in FOLDER if name in table]
    if len(named) != 1 or not isinstance(named[0], str) or not named[0]:
        raise ValueError(f'{where}: give its folder, such as {FOLDER[0]} = "3_cat"')
    own = {name: value for name, value in table.items() if name not in (*FOLDER, TOKENS, REGULAR, MASKS)}
    masks = _folder(str(table[MASKS]), places, where) if MASKS in table else None
    tokens, regular = table.get(TOKENS, ""), table.get(REGULAR, False)
    if not isinstance(tokens, str) or not isinstance(regular, bool):
        raise ValueError(f"{where}: {TOKENS} must be text and {REGULAR} true or false")
    given = {**(shared or {}), **_settings(own, ("subset",), where)}
    return Subset(_folder(named[0], places, where), given, tokens.strip(), regular, masks)


def _folder(name: str, places: Iterable[Path], where: str) -> Path:
    tried = [place / Path(name).expanduser() for place in places]
    found = next((path for path in tried if path.is_dir()), None)
    if found is None:
        raise ValueError(f"{where}: {tried[0]} is not a folder")
    return found


def _settings(table: Mapping[str, Any], kinds: Sequence[str], where: str) -> dict[str, Any]:
    """The settings of a table by our names, checked."""
    found = {}
    for name, value in table.items():
        setting = KNOWN.get(ALSO.get(name, name))
        if setting is None or setting.said.per not in kinds:
            raise ValueError(f"{where}: {_unknown(name, kinds)}")
        try:
            found[setting.name] = check(setting, _plain(setting, value))
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
    return found


def _plain(setting: Setting, value: Any) -> Any:
    """sd-scripts writes a width and a height as a list."""
    pair = setting.kind == "size" and isinstance(value, list) and all(type(side) is int for side in value)
    return ",".join(map(str, value)) if pair else value


def _unknown(name: str, kinds: Sequence[str]) -> str:
    right = [each.name for each in KNOWN.values() if each.said.per in kinds]
    near = settings.nearest(TrainConfig, name)
    hint = (
        f'did you mean "{near}"?'
        if near in right
        else settings.absent(name) or f"known are {', '.join(right)}"
    )
    return f'unknown setting "{name}"; {hint}'


def _of_kind(given: Mapping[str, Any], kind: str) -> dict[str, Any]:
    return {name: value for name, value in given.items() if KNOWN[name].said.per == kind}


def _refuse_unknown(table: Mapping[str, Any], right: Sequence[str], where: str) -> None:
    if wrong := next((name for name in table if name not in right), ""):
        raise ValueError(f'{where}: unknown part "{wrong}"; known are {", ".join(right)}')


def _refuse_twice(found: tuple[Subset, ...], where: str) -> tuple[Subset, ...]:
    seen: set[Path] = set()
    for subset in found:
        if (place := subset.folder.resolve()) in seen:
            raise ValueError(f"{where}: {subset.folder} is named twice")
        seen.add(place)
    return found


def _tables(table: Mapping[str, Any], name: str, where: str) -> list[Mapping[str, Any]]:
    found = table.get(name, [])
    if not isinstance(found, list) or not all(isinstance(each, dict) for each in found):
        raise ValueError(f"{where}: {name} must be a list of tables, [[...]] in TOML")
    return found


def _only_table(value: Any, path: Path) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{path}: general must be a table, [general] in TOML")
    return value


def _table(path: Path) -> Mapping[str, Any]:
    try:
        text = path.read_text(encoding="utf-8-sig")
        found = files.from_json(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (FileNotFoundError, IsADirectoryError):
        raise ValueError(f"dataset_config = {path} does not exist: give a .toml or .json file") from None
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"{path} is no dataset file: it must hold [[datasets]]")
    return found
