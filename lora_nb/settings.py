"""A config <-> names and values, TOML: whole, checked, with the nearest right name for a wrong one."""

import dataclasses
import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import tomli_w

from lora_nb import files, kohya
from lora_nb.declare import Setting, settings_of, slices_of
from lora_nb.typed import NOTHING, check, inline_table, parse, refuse_secret

Config = TypeVar("Config")

LIKE = 0.8  # below it two names are no misspelling of each other


def values_of(config: Any) -> dict[str, Any]:
    """Every setting of a config by its name, those of its slices among them."""
    slices = slices_of(type(config))
    own = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    inner = [values_of(own.pop(name)) for name in slices]
    return {name: value for each in (own, *inner) for name, value in each.items()}


def make(cls: type[Config], **values: Any) -> Config:
    """A config of the given settings, each with a value of its own type. Raises ValueError as its slices do."""
    if unknown := values.keys() - {setting.name for setting in settings_of(cls)}:
        raise TypeError(f"{cls.__name__} has no setting {min(unknown)}")
    own = {field.name for field in dataclasses.fields(cls)}
    parts = {name: make(slice, **_those_of(slice, values)) for name, slice in slices_of(cls).items()}
    return cls(**parts, **{name: value for name, value in values.items() if name in own})


def _those_of(cls: type, values: Mapping[str, Any]) -> dict[str, Any]:
    names = {setting.name for setting in settings_of(cls)}
    return {name: value for name, value in values.items() if name in names}


def replace(config: Config, **values: Any) -> Config:
    """The config with other values for some of its settings, in whichever slice they are."""
    return make(type(config), **{**values_of(config), **values})


def without_effect(config: Any) -> list[str]:
    """One sentence for each setting that a person set and that does nothing in this combination."""
    values = values_of(config)
    return [
        setting.said.only_with.sentence(setting.name, values)
        for setting in settings_of(type(config))
        if setting.said.only_with and _is_set(setting, values) and not setting.said.only_with.hold(values)
    ]


def _is_set(setting: Setting, values: Mapping[str, Any]) -> bool:
    return bool(values[setting.name]) and values[setting.name] != setting.default


def nearest(cls: type, name: str) -> str:
    """The setting of `cls` that a misspelt `name`, or sd-scripts' name for it, means; "" for none.

    A name that sd-scripts has and lora_nb has not leads nowhere: `absent` says what it is.
    """
    names = dict.fromkeys(kohya.ABSENT, "")
    names |= {setting.said.kohya: setting.name for setting in settings_of(cls)}
    names |= {setting.name: setting.name for setting in settings_of(cls)}
    near = difflib.get_close_matches(name, filter(None, names), n=1, cutoff=LIKE)
    return names[near[0]] if near else ""


def absent(name: str) -> str:
    """What to say of a setting of sd-scripts that lora_nb does not have; "" for any other name."""
    why = kohya.ABSENT.get(name)
    return f"sd-scripts has it and lora_nb has not: {why}" if why else ""


def from_dict(cls: type[Config], values: Mapping[str, Any]) -> Config:
    """A checked config. Raises ValueError for an unknown key (with the nearest right one) or an unusable value."""
    known = {setting.name: setting for setting in settings_of(cls)}
    for name in values:
        if name not in known:
            near = nearest(cls, name)
            hint = f'did you mean "{near}"?' if near else absent(name) or f"known are {', '.join(known)}"
            raise ValueError(f'unknown setting "{name}"; {hint}')
    return make(cls, **{name: _read(known[name], value) for name, value in values.items()})


def _read(setting: Setting, value: Any) -> Any:
    """The value in a file: a list may be one text where commas are its separators, as people write it."""
    if setting.many and isinstance(value, str) and setting.commas:
        return parse(setting, value)
    return check(setting, value)


def to_dict(config: Any) -> dict[str, Any]:
    """The settings as TOML knows them: lists for tuples, no key for None, "none" where None is not the default."""
    values = values_of(config)
    cleared = {setting.name for setting in settings_of(type(config)) if setting.default is not None}
    shown = {
        setting.name: NOTHING
        if values[setting.name] is None and setting.name in cleared
        else values[setting.name]
        for setting in settings_of(type(config))
    }
    tables = {setting.name for setting in settings_of(type(config)) if setting.kind == "table"}
    shown |= {name: tuple(inline_table(text) for text in shown[name]) for name in tables}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in shown.items() if v is not None}


def load(cls: type[Config], path: Path) -> Config:
    """The config in a TOML file. Raises ValueError naming the file for bad TOML, an unknown key or a bad value."""
    table = read_table(path)
    try:
        return from_dict(cls, table)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def load_known(cls: type[Config], path: Path) -> tuple[Config, list[str]]:
    """The config in a TOML file of any version, and a sentence for each key that is not known or not usable here.

    Raises ValueError naming the file for bad TOML.
    """
    known, kept, said = {setting.name: setting for setting in settings_of(cls)}, {}, []
    for name, value in read_table(path).items():
        try:
            if name not in known:
                raise ValueError(f'unknown setting "{name}", perhaps of a newer version of lora_nb')
            kept[name] = _read(known[name], value)
        except ValueError as error:
            said.append(f"{path}: {error}; it is passed over")
    try:
        return make(cls, **kept), said
    except ValueError as error:
        return cls(), [*said, f"{path}: {error}; it is passed over, and the defaults are taken"]


def read_table(path: Path) -> dict[str, Any]:
    """What stands in a TOML file. Raises ValueError naming one that is not there or no TOML."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path}: nested too deep") from None
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: give the path of a .toml file with settings") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: {error}") from None


def save(config: Any, path: Path, heading: str = "") -> None:
    """Write the config as TOML, whole or not at all, after a comment as `heading`.

    Raises ValueError for one that holds a token or a password.
    """
    values = to_dict(config)
    for name, value in values.items():
        refuse_secret(name, str(value))
    files.write_text(path, (f"{heading}\n" if heading else "") + tomli_w.dumps(values))
