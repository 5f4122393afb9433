"""Arguments of a library's class or function, as people write them: "name=value"."""

import ast
import difflib
import inspect
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

LIKE = 0.6
BETWEEN = re.compile(r"[\s;]+(?=[A-Za-z_]\w*\s*=)")  # sd-scripts takes several, with spaces between
NAMED = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
WORDS = {"true": True, "false": False, "none": None}


def read(setting: str, texts: Sequence[str], spelt: Mapping[str, str]) -> dict[str, Any]:
    """The arguments in `texts`, those that are `spelt` otherwise elsewhere by their own name.

    Raises ValueError for a text without "=", and for a name that is given twice.
    """
    found: dict[str, Any] = {}
    for pair in (part for text in texts for part in BETWEEN.split(text.strip()) if part):
        name, sign, value = (part.strip() for part in pair.partition("="))
        if not sign or not name:
            raise ValueError(f'{setting}: "{pair}" is not usable: write name=value, e.g. betas=0.9,0.99')
        name = spelt.get(name, name)
        if name in found:
            raise ValueError(f"{setting}: {name} is given twice")
        found[name] = _value(value)
    return found


def _value(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return WORDS.get(text.lower(), text)


def check(setting: str, given: Mapping[str, Any], of: Callable, own: Mapping[str, str]) -> None:
    """Raises ValueError for an argument that `of` does not take, or not with this kind of value.

    `own` are the arguments for which there is a setting, with its name.
    """
    known = _parameters(of)
    for name, value in given.items():
        if name in own:
            raise ValueError(f"{setting}: {name} is the setting {own[name]}: give it there")
        if name not in known:
            raise ValueError(f"{setting}: {of.__name__} has no {name}; {_nearest(name, known.keys() - own)}")
        if not _fits(value, known[name].default):
            expected = _words(known[name].default)
            raise ValueError(f"{setting}: {name} = {value!r} is not usable: it must be {expected}")


def lacking(given: Collection[str], of: Callable) -> list[str]:
    """The arguments without which `of` cannot be called, and which are not given."""
    needed = [name for name, each in _parameters(of).items() if each.default is inspect.Parameter.empty]
    return [name for name in needed if name not in given]


def _parameters(of: Callable) -> dict[str, inspect.Parameter]:
    """What can be given by name beside the first, which is what the class or function works on."""
    found = list(inspect.signature(of).parameters.values())[1:]
    return {each.name: each for each in found if each.kind in NAMED}


def _nearest(name: str, known: Collection[str]) -> str:
    near = difflib.get_close_matches(name, sorted(known), n=1, cutoff=LIKE)
    return f'did you mean "{near[0]}"?' if near else f"it has {', '.join(sorted(known))}"


def _fits(value: Any, default: Any) -> bool:
    if isinstance(default, bool):
        return isinstance(value, bool)
    if isinstance(default, int | float):
        return isinstance(value, int | float) and not isinstance(value, bool)
    if isinstance(default, tuple | list):
        return (
            isinstance(value, tuple | list)
            and len(value) == len(default)
            and all(_fits(part, 0.0) for part in value)
        )
    return isinstance(value, str) if isinstance(default, str) else True


def _words(default: Any) -> str:
    if isinstance(default, bool):
        return "True or False"
    if isinstance(default, int | float):
        return f"a number, as {default:g} is"
    if isinstance(default, tuple | list):
        return f"{len(default)} numbers, as {','.join(map(str, default))} are"
    return f"a word, as {default} is"
