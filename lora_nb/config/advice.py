"""Settings of what says how a first run should be set."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.dataset import DatasetConfig
from lora_nb.declare import again, setting


@dataclass(frozen=True)
class AdviceConfig:
    """The settings of a run that follow from a few answers."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    purpose: Literal["character", "style", "object", "concept"] = setting("character", "what the LoRA is to learn")
    pretrained_model_name_or_path: str = setting("", 'base to train on: a name that `bases` lists, a Hugging Face id, a folder, a file, or "demo"; empty: one that suits photos or drawings, whichever the pictures are', label="base model")
    machine: str = setting("auto", "name of the preset for the machine that trains, such as t4 or 8gb; auto: this machine")
    output: str = setting("", "the .toml file to write the settings to; empty: they are shown")
