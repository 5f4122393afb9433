"""Settings of what deals with whole sets of settings: presets, and those taken over from elsewhere."""

from dataclasses import dataclass

from lora_nb.declare import setting


@dataclass(frozen=True)
class PresetsConfig:
    """The presets there are, or some of them put together into a file."""

    preset: tuple[str, ...] = setting((), "names of presets, the later ones over the earlier; empty: all are listed", separators=(";,\n",))
    output: str = setting("", "the .toml file to write their settings to; empty: they are shown")
    folder: str = setting("", "folder with presets of your own, such as Loras/_presets; empty: only those that come with lora_nb")


@dataclass(frozen=True)
class SavePresetConfig:
    """Settings kept under a name, to be filled in for another run."""

    name: str = setting("", "what to call it")
    source: str = setting("", "where the settings are: a preset's name, a .toml or .json, a LoRA file (.safetensors), or the folder of a run")
    folder: str = setting("Loras/_presets", "folder that keeps your own presets")
    title: str = setting("", "what it is for, in a few words; empty: its name")


@dataclass(frozen=True)
class CompareSettingsConfig:
    """What differs between two sets of settings."""

    first: str = setting("", "a preset's name, a .toml or .json with settings, a LoRA file, or the folder of a run")
    second: str = setting("", "the other one")
    folder: str = setting("", "folder with presets of your own, such as Loras/_presets")


@dataclass(frozen=True)
class ImportSettingsConfig:
    """Settings of another trainer, of a LoRA file or of an earlier run, taken over as those of a run here."""

    source: str = setting("", "a .toml or .json of sd-scripts or kohya_ss, a LoRA file (.safetensors), or the folder of a run")
    output: str = setting("", "the .toml file to write them to; empty: they are shown")
