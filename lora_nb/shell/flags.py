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
    bare = _bare(cls)
    about = f"{bare.name} " if bare else ""
    parser = Parser(prog, f"{prog} {about}[file.toml] [--setting value ...]", cls.__doc__, allow_abbrev=False)
    words = f"{bare.said.help} (--{bare.name}); and " if bare else ""
    words = f"{words}a .toml file with settings; flags win over it".replace("%", "%%")
    parser.add_argument("given", nargs="*", metavar=f"{about}file.toml", help=words)
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
    for argument in unknown:
        if argument.startswith("-"):
            raise ValueError(_unknown(argument, cls, parser.prog))
    bare = _bare(cls)
    named = {each.name: getattr(read, each.name) for each in settings_of(cls) if each.name in read}
    file, words = _told_apart([*read.given, *unknown], bare, parser.prog)
    if words and bare.name in named:
        raise ValueError(f'{bare.name} is given twice: "{words[0]}" and "{named[bare.name]}"')
    values = presets.put_together(_names(getattr(read, "under", "")))
    if file:
        load(cls, file)  # its complaint names the file
        values |= read_table(file)
    values |= {each.name: parse(each, named[each.name]) for each in settings_of(cls) if each.name in named}
    if words:
        values[bare.name] = words if bare.many else parse(bare, words[0])
    return from_dict(cls, values), read.job_dir


def _bare(cls: type) -> Setting | None:
    """What is given without its name."""
    return next((each for each in settings_of(cls) if each.said.bare), None)


def _told_apart(words: list[str], bare: Setting | None, prog: str) -> tuple[Path | None, list[str]]:
    """The file with settings, and what is meant for the setting that needs no name, if there is one."""
    files = [word for word in words if bare is None or word.lower().endswith(".toml")]
    others = [word for word in words if word not in files]
    more = [*files[1:], *(others if bare and bare.many else others[1:])]
    if files[1:] or (others[1:] and not bare.many):
        first = f"one {bare.name}, one .toml file" if bare else "one .toml file"
        raise ValueError(
            f'"{more[0]}" is one argument too many: {first}, then --setting value (see {prog} --help)'
        )
    return Path(files[0]) if files else None, others


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.replace(";", ",").split(",") if name.strip()]


def _unknown(argument: str, cls: type, prog: str) -> str:
    name = argument.lstrip("-").partition("=")[0].replace("-", "_")
    near = nearest(cls, name)
    hint = f"did you mean --{near}?" if near else absent(name) or f"see {prog} --help"
    return f'unknown flag "{argument}"; {hint}'
