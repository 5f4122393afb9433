"""Command-line flags generated from a config class."""

import argparse
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from lora_nb import presets
from lora_nb.declare import Setting, settings_of
from lora_nb.settings import absent, from_dict, load, nearest, read_table
from lora_nb.typed import parse, show

Config = TypeVar("Config")


class Parser(argparse.ArgumentParser):
    """An argument parser whose complaint is a ValueError of one sentence."""

    def error(self, message: str) -> NoReturn:
        raise ValueError(f"{message} (see {self.prog} --help)")


def build_parser(prog: str, cls: type, takes_presets: bool = False) -> Parser:
    """A parser with the TOML file, --job_dir, perhaps --preset, and one flag for each setting of `cls`."""
    parser = Parser(prog, f"{prog} [file.toml] [--setting value ...]", cls.__doc__, allow_abbrev=False)
    parser.add_argument("file", nargs="?", type=Path, help="a .toml file with settings; flags win over it")
    parser.add_argument(
        "--job_dir", type=Path, help="folder for events.jsonl, error.txt and requests of a followed job"
    )
    parser.add_argument(
        "--verbose", action="store_true", help="show what other libraries say, too (as LORA_NB_DEBUG=1 does)"
    )
    if takes_presets:
        words = "presets with commas between, the later over the earlier; file and flags win over them (see: presets)"
        parser.add_argument("--preset", dest="under", metavar="NAMES", default="", help=words)
    groups: dict[str, Any] = {}
    for setting in settings_of(cls):
        title = setting.said.group or "settings"
        if title not in groups:
            groups[title] = parser.add_argument_group(title)
        _add_flag(groups[title], setting)
    return parser


def _add_flag(group: Any, setting: Setting) -> None:
    default = show(setting, setting.default)
    words = f"{setting.said.help} [{setting.expected}; default: {default or 'empty'}]"
    optional_value = {"nargs": "?", "const": "true"} if setting.kind == "bool" else {}
    group.add_argument(
        f"--{setting.name}",
        metavar=_metavar(setting),
        default=argparse.SUPPRESS,
        help=words.replace("%", "%%"),
        **optional_value,
    )


def _metavar(setting: Setting) -> str:
    word = {"int": "N", "float": "X", "str": "TEXT", "bool": "true|false"}.get(setting.kind, "CHOICE")
    between = "," if setting.commas else ";"
    return f"'{word}{between} ...'" if setting.many else word


def read_arguments(parser: Parser, cls: type[Config], arguments: list[str]) -> tuple[Config, Path | None]:
    """The config of the file and the flags, and the job's folder. Raises ValueError for what is not usable."""
    read, unknown = parser.parse_known_args(arguments)
    if unknown:
        raise ValueError(_unknown(unknown[0], cls, parser.prog))
    values = presets.put_together(_names(getattr(read, "under", "")))
    if read.file:
        load(cls, read.file)  # its complaint names the file
        values |= read_table(read.file)
    for setting in settings_of(cls):
        if setting.name in read:
            values[setting.name] = parse(setting, getattr(read, setting.name))
    return from_dict(cls, values), read.job_dir


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.replace(";", ",").split(",") if name.strip()]


def _unknown(argument: str, cls: type, prog: str) -> str:
    if not argument.startswith("-"):
        return (
            f'"{argument}" is one argument too many: one .toml file, then --setting value (see {prog} --help)'
        )
    name = argument.lstrip("-").partition("=")[0].replace("-", "_")
    near = nearest(cls, name)
    hint = f"did you mean --{near}?" if near else absent(name) or f"see {prog} --help"
    return f'unknown flag "{argument}"; {hint}'
