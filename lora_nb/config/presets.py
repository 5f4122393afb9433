"""Settings of what deals with whole sets of settings: presets."""

from dataclasses import dataclass

from lora_nb.declare import setting


@dataclass(frozen=True)
class PresetsConfig:
    """The presets there are, or some of them put together into a file."""

    preset: tuple[str, ...] = setting((), "names of presets, the later ones over the earlier; empty: all are listed", separators=(";,\n",))
    output: str = setting("", "the .toml file to write their settings to; empty: they are shown")
