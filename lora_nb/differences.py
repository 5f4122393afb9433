"""What differs between two sets of a run's settings."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_nb import presets, settings, takeover, typed
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of


@dataclass(frozen=True)
class Difference:
    """One setting with its value in the one set and in the other, as people write them."""

    name: str
    label: str
    first: str
    second: str


def read(source: str, own: Path | None = None) -> Mapping[str, Any]:
    """The settings of a preset by its name, or of a file or folder as `takeover` reads it. Raises ValueError."""
    if source in {preset.name for preset in presets.presets(own)}:
        return presets.put_together([source], own)
    path = Path(source).expanduser()
    if not path.exists():
        raise ValueError(
            f"{source} is neither a preset nor a file or folder: give a preset's name, a .toml or .json with settings, "
            "a LoRA file, or a run's folder"
        )
    if path.suffix == ".toml":
        with suppress(ValueError):
            settings.load(TrainConfig, path)
            return settings.read_table(path)
    return takeover.take_over(path).values


def differences(first: Mapping[str, Any], second: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Each setting whose value differs, in the order of the form; what a set does not say counts as the default."""
    one, other = (settings.values_of(settings.from_dict(TrainConfig, given)) for given in (first, second))
    return tuple(
        Difference(
            each.name, each.label, typed.show(each, one[each.name]), typed.show(each, other[each.name])
        )
        for each in settings_of(TrainConfig)
        if one[each.name] != other[each.name]
    )
