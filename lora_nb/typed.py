"""One value of a setting: checked, read from what a person typed, shown as they would type it."""

import math
import re
import tomllib
from typing import Any

import tomli_w

from lora_nb import sizes
from lora_nb.declare import Setting
from lora_nb.redact import holds_secret, redact

NOTHING = "none"  # TOML has no null
QUOTED = r'"(?:[^"]|"")*"'  # as in a CSV file and in A1111's lists


def parse(setting: Setting, text: str) -> Any:
    """The value a person typed. A list is written with one of its separators between the parts. Raises ValueError."""
    text = text.strip()
    if setting.optional and text.lower() in ("", NOTHING):
        return None
    if setting.many:
        return check(setting, tuple(_parse_one(setting, part) for part in _split(setting, text) if part))
    return check(setting, _parse_one(setting, text))


def _split(setting: Setting, text: str) -> list[str]:
    if setting.kind == "table":
        return [line.strip() for line in text.splitlines()]
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
        return _spelt(setting, text)
    if setting.kind == "bool":
        return {"true": True, "false": False}.get(text.lower(), text)
    if setting.kind in ("int", "float"):
        try:
            return {"int": int, "float": float}[setting.kind](text)
        except ValueError:
            return text
    return text


def _spelt(setting: Setting, value: Any) -> Any:
    """The choice that `value` means: by its text, by another name of it, in big or small letters; else `value`."""
    names = {str(choice): choice for choice in setting.choices}
    alike = {name.casefold(): choice for name, choice in (setting.said.also | names).items()}
    return names.get(value, alike.get(value.casefold(), value))


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def show(setting: Setting, value: Any) -> str:
    """The text `parse` reads back."""
    if value is None:
        return ""
    if setting.many:
        between = "\n" if setting.kind == "table" else ", " if setting.commas else "; "
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
        if isinstance(value, str) and all(map(_is_text, setting.choices)):
            value = _spelt(setting, value)
        if value not in setting.choices or isinstance(value, bool):
            raise wrong
        return value
    if setting.kind in ("size", "table"):
        return _check_size(setting, value, wrong) if setting.kind == "size" else _check_table(value, wrong)
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
        refuse_secret(setting.name, value)
    return value


def _check_size(setting: Setting, value: Any, wrong: ValueError) -> int | str:
    """Sizes as `lora_nb.sizes` writes them, each side within the setting's bounds."""
    if not isinstance(value, int | str) or isinstance(value, bool):
        raise wrong
    try:
        found = sizes.sizes_of(value)
    except ValueError:
        raise wrong from None
    if not all(setting.said.min <= side <= setting.said.max for size in found for side in size):
        raise wrong
    return sizes.written(found)


def _check_table(value: Any, wrong: ValueError) -> str:
    """A table on one line, without the braces. What its settings are is not looked at."""
    try:
        table = value if isinstance(value, dict) else inline_table(value)
        text = ", ".join(line for line in tomli_w.dumps(table).splitlines() if line)
        if not table or inline_table(text) != table:
            raise wrong
    except (tomllib.TOMLDecodeError, TypeError, AttributeError):
        raise wrong from None
    refuse_secret("subsets", text)
    return text


def inline_table(text: str) -> dict[str, Any]:
    """The settings of a table that is written on one line, with or without braces."""
    inner = text.strip().removeprefix("{").removesuffix("}")
    return tomllib.loads(f"table = {{{inner}}}")["table"]


def refuse_secret(name: str, text: str) -> None:
    """Raise ValueError for a token or a password: settings are kept in files."""
    if holds_secret(text):
        raise ValueError(
            f'{name} = "{redact(text)}" is not usable: it holds a token or a password, and settings are kept in files; '
            "a Hugging Face token belongs into the environment variable HF_TOKEN (on Colab: into Secrets, the key)"
        )
