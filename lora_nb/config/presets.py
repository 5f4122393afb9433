"""Settings of what deals with whole sets of settings: presets, and those taken over from elsewhere."""

from dataclasses import dataclass

from lora_nb.declare import setting


@dataclass(frozen=True)
class PresetsConfig:
    """The presets there are, or some of them put together into a file."""

    preset: tuple[str, ...] = setting((), "names of presets, the later ones over the earlier; empty: all are listed", separators=(";,\n",))
    output: str = setting("", "the .toml file to write their settings to; empty: they are shown")


@dataclass(frozen=True)
class ImportSettingsConfig:
    """Settings of another trainer, of a LoRA file or of an earlier run, taken over as those of a run here."""

    source: str = setting("", "a .toml or .json of sd-scripts or kohya_ss, a LoRA file (.safetensors), or the folder of a run")
    output: str = setting("", "the .toml file to write them to; empty: they are shown")
