"""The declaration of a setting: one dataclass field that says all there is to say of it, and what is read from it."""

import dataclasses
import types
import typing
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NewType

from lora_nb import sizes

SEPARATORS = (";\n",)
Pixels = NewType(
    "Pixels", object
)  # the type of a setting that holds sizes of pictures, as `lora_nb.sizes` writes them
Table = NewType("Table", str)  # the type of one that holds settings of its own, as a TOML table on one line
WORDS = {
    "int": "a whole number", "float": "a number", "str": "text", "bool": "true or false", "size": sizes.WORDS,
    "table": 'settings of one folder, such as folder = "3_cat", keep_tokens = 2',
}  # fmt: skip
DECLARED, PART = "declaration", "part"  # keys in a field's metadata


@dataclass(frozen=True)
class Needs:
    """What must hold of setting `name` for another to have an effect: one of `values`, or, without any, that it is on.

    `reverse` is for the contrary: it must be off.
    """

    name: str
    values: tuple[Any, ...] = ()
    reverse: bool = False

    def hold(self, values: Mapping[str, Any]) -> bool:
        found = values[self.name]
        return (found in self.values if self.values else bool(found)) is not self.reverse

    def sentence(self, name: str, values: Mapping[str, Any]) -> str:
        """What to say of setting `name` when they do not hold."""
        if self.values:
            found, good = values[self.name], ", ".join(map(str, self.values))
            return f"{name} has no effect with {self.name} = {found}; it has one with {good}"
        return f"{name} has no effect {'with' if self.reverse else 'without'} {self.name}"


@dataclass(frozen=True)
class Either:
    """That one of several must hold for a setting to have an effect."""

    options: tuple["Needs | Either", ...]

    def hold(self, values: Mapping[str, Any]) -> bool:
        return any(option.hold(values) for option in self.options)

    def sentence(self, name: str, values: Mapping[str, Any]) -> str:
        """What to say of setting `name` when none holds."""
        said = [option.sentence(name, values) for option in self.options]
        start = f"{name} has no effect "
        return start + " and ".join(each.removeprefix(start) for each in dict.fromkeys(said))


@dataclass(frozen=True)
class Declaration:
    """What a setting's line says of it, beside its name, type and default.

    `label` is its name for people, where its own in words will not do. `group` is the heading it stands under;
    `advanced` folds it away in the form; `internal` keeps it out of the form (paths a form fills in by itself).
    `kohya` is what sd-scripts calls it, where that differs; `in_file` says whether a LoRA file names it under that
    word: "always", or "on" with None in its place while it is 0, empty or without effect. `choices` are the rows of a
    table, where a `Literal` would be a second list, and `also` what else some of them are called. `only_with` must hold
    for it to have an effect; `same_run` marks one that changes nothing of what is learnt, so that a run may go on with
    another value. `separators` are the characters between the parts of a list: of several sets the first that is in the
    text, so that the parts may hold those of the others. Where a comma is among them, "..." keeps a part together.
    `per` says that each subset of the pictures may have its own value, or each dataset of a dataset_config. `bare`
    marks what a verb is about, which stands on the command line without its name, as one types it; one of a config.
    """

    help: str
    label: str = ""
    min: float | None = None
    max: float | None = None
    group: str = ""
    advanced: bool = False
    internal: bool = False
    kohya: str = ""
    in_file: Literal["", "always", "on"] = ""
    choices: Collection[str] = ()
    also: Mapping[str, str] = dataclasses.field(default_factory=dict)
    only_with: Needs | Either | None = None
    same_run: bool = False
    separators: tuple[str, ...] = SEPARATORS
    per: Literal["", "subset", "dataset"] = ""
    bare: bool = False


def setting(default: Any, help: str, **said: Any) -> Any:
    """A dataclass field with which a `Declaration` of it travels: `help`, and what else of it is `said`."""
    return dataclasses.field(default=default, metadata={DECLARED: Declaration(help, **said)})


def again(cls: type, name: str, **said: Any) -> Any:
    """Setting `name` of `cls` in another config, where only what is `said` differs."""
    field = next(field for field in dataclasses.fields(cls) if field.name == name)
    declared = dataclasses.replace(field.metadata[DECLARED], **said)
    return dataclasses.field(default=field.default, metadata={DECLARED: declared})


def part(slice: type, group: str = "", same_run: bool = False) -> Any:
    """A dataclass field that holds a slice of the settings, with what is said of all in it that say nothing else."""
    return dataclasses.field(default=slice(), metadata={PART: {"group": group, "same_run": same_run}})


def needs(name: str, *values: Any) -> Needs:
    """That setting `name` is on, or has one of `values`."""
    return Needs(name, values)


def either(*options: Needs | Either) -> Either:
    """That one of these holds."""
    return Either(options)


def unless(name: str) -> Needs:
    """That setting `name` is off."""
    return Needs(name, reverse=True)


@dataclass(frozen=True)
class Setting:
    """One setting as every consumer (form, command line, TOML, check) reads it.

    `kind` is "int", "float", "str", "bool", "choice", "size" or "table"; `many` marks a tuple of that kind, `optional`
    one that may be None (an empty box, an absent TOML key).
    """

    name: str
    kind: str
    default: Any
    optional: bool
    many: bool
    choices: tuple[Any, ...]
    said: Declaration

    @property
    def label(self) -> str:
        """What people call it."""
        return self.said.label or self.name.replace("_", " ")

    @property
    def others_call_it(self) -> str:
        """Its name in files and flags, with sd-scripts' where that is another."""
        return f"{self.name} (sd-scripts: {self.said.kohya})" if self.said.kohya else self.name

    @property
    def commas(self) -> bool:
        """Whether commas come between the parts of a list, and "..." around a part that holds one."""
        return "," in "".join(self.said.separators)

    @property
    def expected(self) -> str:
        """What a right value is, in words."""
        if self.choices:
            return "one of " + ", ".join(str(choice) for choice in self.choices)
        words = WORDS[self.kind]
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
    """The settings a config class declares, itself and in its slices; those of one group stand together."""
    found = tuple(_read(cls))
    groups = list(dict.fromkeys(setting.said.group for setting in found))
    return tuple(sorted(found, key=lambda setting: groups.index(setting.said.group)))


def slices_of(cls: type) -> Mapping[str, type]:
    """The slices a config class is made of, by the name of their field."""
    hints = typing.get_type_hints(cls)
    return {field.name: hints[field.name] for field in dataclasses.fields(cls) if PART in field.metadata}


def _read(cls: type) -> Iterator[Setting]:
    hints, slices = typing.get_type_hints(cls), slices_of(cls)
    for field in dataclasses.fields(cls):
        if field.name in slices:
            yield from (_under(field, each) for each in _read(slices[field.name]))
        else:
            yield _read_field(field, hints[field.name])


def _under(field: dataclasses.Field, setting: Setting) -> Setting:
    """The setting of a slice with what its field says of all."""
    all_of_it, own = field.metadata[PART], setting.said
    said = dataclasses.replace(
        own, group=own.group or all_of_it["group"], same_run=own.same_run or all_of_it["same_run"]
    )
    return dataclasses.replace(setting, said=said)


def _read_field(field: dataclasses.Field, hint: Any) -> Setting:
    arguments = typing.get_args(hint)
    optional = typing.get_origin(hint) in (types.UnionType, typing.Union) and type(None) in arguments
    if optional:
        hint = next(argument for argument in arguments if argument is not type(None))
    many = typing.get_origin(hint) is tuple
    if many:
        hint = typing.get_args(hint)[0]
    said = field.metadata[DECLARED]
    choices = typing.get_args(hint) if typing.get_origin(hint) is Literal else tuple(said.choices)
    kind = "choice" if choices else "size" if hint is Pixels else "table" if hint is Table else hint.__name__
    return Setting(field.name, kind, field.default, optional, many, choices, said)
