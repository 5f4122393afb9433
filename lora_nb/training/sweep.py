"""Several runs of one: each with its own values of one or two settings, and a name that tells them."""

import re
from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import product
from typing import Any

from lora_nb import project, settings, typed
from lora_nb.config.training import Place, TrainConfig
from lora_nb.declare import Setting, settings_of

MOST_RUNS, MOST_SETTINGS = 50, 2
KNOWN = {each.name: each for each in settings_of(TrainConfig)}
NOT_SWEPT = {each.name for each in settings_of(Place)} | {"on_existing"}
LONGEST_VALUE = 24


def sweep(config: TrainConfig, over: Mapping[str, Sequence[Any]]) -> list[TrainConfig]:
    """The runs of every combination of values, in order, named after them: `cat_rank_8`, `cat_rank_16`.

    Raises ValueError for a setting that is unknown, says where a run lies, or has no effect in it; for one value alone.
    """
    _check(over)
    start = config.place.output_name or project.folders_of_dataset(config.place.train_data_dir).base.name
    made = []
    for values in product(*over.values()):
        chosen = dict(zip(over, values, strict=True))
        name = "_".join([start, *(f"{each}_{_shown(value)}" for each, value in chosen.items())])
        one = settings.replace(config, **chosen, output_name=name, on_existing="resume")
        idle = [text for text in settings.without_effect(one) if text.split()[0] in over]
        if idle:
            raise ValueError(f"{idle[0]}: runs that differ in it alone would be equal")
        made.append(one)
    names = [one.place.output_name for one in made]
    if len(set(names)) < len(names):
        raise ValueError(f"{max(names, key=names.count)} would be the name of two runs: give each value once")
    return made


def _check(over: Mapping[str, Sequence[Any]]) -> None:
    if not 1 <= len(over) <= MOST_SETTINGS:
        raise ValueError(f"{len(over)} settings are given: a sweep takes one or two, each with its values")
    count = 1
    for name, values in over.items():
        refuse_unfit(name)
        count *= len(values)
        if not values:
            raise ValueError(f"{name} is given no value: write {name} = value, value, ...")
    if not 1 < count <= MOST_RUNS:
        raise ValueError(f"these values make {count} runs: a sweep is of 2 to {MOST_RUNS}")


def refuse_unfit(name: str) -> None:
    """Raises ValueError for a setting that runs cannot differ in."""
    if name not in KNOWN:
        near = settings.nearest(TrainConfig, name)
        raise ValueError(
            f'unknown setting "{name}"; ' + (f'did you mean "{near}"?' if near else "see train --help")
        )
    if name in NOT_SWEPT:
        raise ValueError(
            f"{name} says where a run lies or how it is met, not how it is trained: take another setting"
        )


def read(line: str) -> tuple[str, tuple[Any, ...]]:
    """The setting and its values in a line `learning_rate = 1e-4, 2e-4`. Raises ValueError for an unusable one.

    Where the setting is itself a list, its values are parted by |.
    """
    name, sign, text = line.partition("=")
    name = name.strip()
    refuse_unfit(name)
    if not sign:
        raise ValueError(f"{name} is given no value: write {name} = value, value, ...")
    return name, tuple(typed.parse(KNOWN[name], part) for part in _parts(KNOWN[name], text))


def _parts(setting: Setting, text: str) -> list[str]:
    between = r"\|" if setting.many or ("," in text and "|" in text) else ","
    return [part.strip() for part in re.split(between, text) if part.strip()]


def change(line: str) -> tuple[str, Any]:
    """The setting and its one value in a line `rank = 8`. Raises ValueError for an unusable one."""
    name, sign, text = line.partition("=")
    name = name.strip()
    if name not in KNOWN:
        refuse_unfit(name)
    if not sign:
        raise ValueError(f"{name} is given no value: write {name} = value")
    return name, typed.parse(KNOWN[name], text)


def _shown(value: Any) -> str:
    """A value as a part of a file's name: 0.00001 for 1e-5, so that no name ends like the number of an epoch."""
    if isinstance(value, float):
        return f"{Decimal(repr(value)).normalize():f}"
    text = "_".join(str(part) for part in value) if isinstance(value, tuple) else str(value).lower()
    return re.sub(r"[^\w.-]+", "_", text)[:LONGEST_VALUE].strip("._-") or "empty"
