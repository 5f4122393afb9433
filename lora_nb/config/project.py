"""Settings of a project, and what its dataset tells the trainer."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.declare import setting


@dataclass(frozen=True)
class ProjectConfig:
    """Where the pictures and the results live."""

    project: str = setting("", "a short name for what you train; letters, digits, - and _ (e.g. my_cat)")
    root: str = setting("", "folder that holds Loras/; empty: your Drive on Colab, the current folder elsewhere", advanced=True)


@dataclass(frozen=True)
class Handover:
    """What Dataset Maker learnt and LoRA Trainer presets, kept in project.toml."""

    project: str = setting("", "name of the project")
    trigger_word: str = setting("", "the word that calls the LoRA")
    caption_kind: Literal["", "tags", "sentences"] = setting("", "what the captions are")
    images: int = setting(0, "pictures in the dataset", min=0)
    captioned: int = setting(0, "pictures with a caption", min=0)
    medium: Literal["", "photos", "drawings"] = setting("", "what most of the pictures are, as far as it can be told")
