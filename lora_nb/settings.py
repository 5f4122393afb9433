"""The machinery of a setting: one dataclass field <-> text, TOML, bounds and choices."""

import dataclasses
import difflib
import math
import re
import tomllib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import tomli_w

from lora_nb import files, kohya
from lora_nb.redact import holds_secret, redact

Config = TypeVar("Config")

NOTHING = "none"  # TOML has no null
SEPARATORS = (";\n",)
DECLARED = "declaration"  # its key in a field's metadata
QUOTED = r'"(?:[^"]|"")*"'  # as in a CSV file and in A1111's lists
LIKE = 0.8  # below it two names are no misspelling of each other


@dataclass(frozen=True)
class Declaration:
    """What a setting's line says of it, beside its name, type and default.

    `group` is the heading it stands under; `advanced` folds it away in the form; `internal` keeps it
    out of the form (paths a form fills in by itself); `kohya` is what sd-scripts calls it, where that differs.
    `separators` are the characters between the parts of a list: of several sets the first that is in the text, so
    that the parts may hold those of the others. Where a comma is among them, "..." keeps a part together.
    """

    help: str
    min: float | None = None
    max: float | None = None
    group: str = ""
    advanced: bool = False
    internal: bool = False
    kohya: str = ""
    separators: tuple[str, ...] = SEPARATORS


def setting(default: Any, help: str, **said: Any) -> Any:
    """A dataclass field with which a `Declaration` of it travels: `help`, and what else of it is `said`."""
    return dataclasses.field(default=default, metadata={DECLARED: Declaration(help, **said)})


@dataclass(frozen=True)
class Setting:
    """One setting as every consumer (form, command line, TOML, check) reads it.

    `kind` is "int", "float", "str", "bool" or "choice"; `many` marks a tuple of that kind, `optional` one
    that may be None (an empty box, an absent TOML key).
    """

    name: str
    kind: str
    default: Any
    optional: bool
    many: bool
    choices: tuple[Any, ...]
    said: Declaration

    @property
    def commas(self) -> bool:
        """Whether commas come between the parts of a list, and "..." around a part that holds one."""
        return "," in "".join(self.said.separators)

    @property
    def expected(self) -> str:
        """What a right value is, in words."""
        if self.choices:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        words = {"int": "a whole number", "float": "a number", "str": "text", "bool": "true or false"}[
            self.kind
        ]
        if self.many:
            words = f"a list, each {words}"
        if self.said.min is not None and self.said.max is not None:
            words += f" from {_bound(self.said.min)} to {_bound(self.said.max)}"
        elif self.said.min is not None:
            words += f", {_bound(self.said.min)} or more"
        return words + (" (or nothing)" if self.optional else "")


def _bound(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:g}"


def settings_of(cls: type) -> tuple[Setting, ...]:
    """The settings a config class declares, in order."""
    hints = typing.get_type_hints(cls)
    return tuple(_read_field(field, hints[field.name]) for field in dataclasses.fields(cls))


def _read_field(field: dataclasses.Field, hint: Any) -> Setting:
    arguments = typing.get_args(hint)
    optional = isinstance(hint, types.UnionType) and type(None) in arguments
    if optional:
        hint = next(argument for argument in arguments if argument is not type(None))
    many = typing.get_origin(hint) is tuple
    if many:
        hint = typing.get_args(hint)[0]
    choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else ()
    kind = "choice" if choices else hint.__name__
    said = field.metadata[DECLARED]
    return Setting(field.name, kind, field.default, optional, many, choices, said)


def parse(setting: Setting, text: str) -> Any:
    """The value a person typed. A list is written with one of its separators between the parts. Raises ValueError."""
    text = text.strip()
    if setting.optional and text.lower() in ("", NOTHING):
        return None
    if setting.many:
        return check(setting, tuple(_parse_one(setting, part) for part in _split(setting, text) if part))
    return check(setting, _parse_one(setting, text))


def _split(setting: Setting, text: str) -> list[str]:
    quoted = QUOTED if setting.commas else "(?!)"
    bare = set(re.sub(quoted, "", text))
    between = next((each for each in setting.said.separators if bare & set(each)), setting.said.separators[0])
    part = re.compile(rf"\s*(?:({quoted})\s*(?=[{between}]|$)|([^{between}]*))(?:[{between}]|$)")
    return [
        match[1][1:-1].replace('""', '"').strip() if match[1] else match[2].strip()
        for match in part.finditer(text)
    ]


def _parse_one(setting: Setting, text: str) -> Any:
    if setting.choices:
        return next((choice for choice in setting.choices if str(choice) == text), text)
    if setting.kind == "bool":
        return {"true": True, "false": False}.get(text.lower(), text)
    if setting.kind in ("int", "float"):
        try:
            return {"int": int, "float": float}[setting.kind](text)
        except ValueError:
            return text
    return text


def show(setting: Setting, value: Any) -> str:
    """The text `parse` reads back."""
    if value is None:
        return ""
    if setting.many:
        between = ", " if setting.commas else "; "
        return between.join(_quoted(setting, str(part)) for part in value)
    return str(value).lower() if setting.kind == "bool" else str(value)


def _quoted(setting: Setting, part: str) -> str:
    if setting.commas and set(part) & {*"".join(setting.said.separators), '"'}:
        return '"' + part.replace('"', '""') + '"'
    return part


def check(setting: Setting, value: Any) -> Any:
    """`value` in the setting's own type. Raises ValueError naming setting, value and what would be right."""
    if setting.optional and (value is None or value == NOTHING):
        return None
    if setting.many:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{setting.name} = {value!r} is not usable: it must be {setting.expected}")
        return tuple(_check_one(setting, part) for part in value)
    return _check_one(setting, value)


def _check_one(setting: Setting, value: Any) -> Any:
    wrong = ValueError(f"{setting.name} = {redact(repr(value))} is not usable: it must be {setting.expected}")
    if setting.choices:
        if value not in setting.choices or isinstance(value, bool):
            raise wrong
        return value
    if setting.kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value).__name__ != setting.kind:
        raise wrong
    if setting.kind == "float" and not math.isfinite(value):
        raise wrong
    low, high = setting.said.min, setting.said.max
    if (low is not None and value < low) or (high is not None and value > high):
        raise wrong
    if setting.kind == "str":
        _refuse_secret(setting.name, value)
    return value


def _refuse_secret(name: str, text: str) -> None:
    """Raise ValueError for a token or a password: settings are kept in files."""
    if holds_secret(text):
        raise ValueError(
            f'{name} = "{redact(text)}" is not usable: it holds a token or a password, and settings are kept in files; '
            "a Hugging Face token belongs into the environment variable HF_TOKEN (on Colab: into Secrets, the key)"
        )


def nearest(cls: type, name: str) -> str:
    """The setting of `cls` that a misspelt `name`, or sd-scripts' name for it, means; "" for none.

    A name that sd-scripts has and lora_nb has not leads nowhere: `absent` says what it is.
    """
    names = dict.fromkeys(kohya.ABSENT, "")
    names |= {field.metadata[DECLARED].kohya: field.name for field in dataclasses.fields(cls)}
    names |= {field.name: field.name for field in dataclasses.fields(cls)}
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
    return cls(**{name: _read(known[name], value) for name, value in values.items()})


def _read(setting: Setting, value: Any) -> Any:
    """The value in a file: a list may be one text where commas are its separators, as people write it."""
    if setting.many and isinstance(value, str) and setting.commas:
        return parse(setting, value)
    return check(setting, value)


def to_dict(config: Any) -> dict[str, Any]:
    """The settings as TOML knows them: lists for tuples, no key for None, "none" where None is not the default."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
    cleared = {field.name for field in dataclasses.fields(config) if field.default is not None}
    shown = {name: NOTHING if value is None and name in cleared else value for name, value in values.items()}
    return {name: list(v) if isinstance(v, tuple) else v for name, v in shown.items() if v is not None}


def load(cls: type[Config], path: Path) -> Config:
    """The config in a TOML file. Raises ValueError naming the file for bad TOML, an unknown key or a bad value."""
    try:
        return from_dict(cls, tomllib.loads(Path(path).read_text(encoding="utf-8")))
    except RecursionError:
        raise ValueError(f"{path}: nested too deep") from None
    except FileNotFoundError:
        raise ValueError(f"{path} does not exist: give the path of a .toml file with settings") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"{path}: {error}") from None


def save(config: Any, path: Path) -> None:
    """Write the config as TOML, whole or not at all. Raises ValueError for one that holds a token or a password."""
    values = to_dict(config)
    for name, value in values.items():
        _refuse_secret(name, str(value))
    files.write_text(path, tomli_w.dumps(values))
