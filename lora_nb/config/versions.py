"""Settings of a dataset's versions: kept, compared, gone back to, taken out."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.dataset import DatasetConfig, RecodeConfig
from lora_nb.declare import again, setting


@dataclass(frozen=True)
class SnapshotConfig:
    """The dataset as it is now, kept as a version."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    name: str = setting("", "what to call this version, e.g. before cropping; empty: its time")
    note: str = setting("", "a remark for yourself")
    whole: bool = setting(True, "keep the pictures' bytes too, each once: the version then outlives pictures deleted by hand. Without it they are only named, which is enough for whatever the steps here do", label="keep the pictures too", advanced=True)


@dataclass(frozen=True)
class DiffConfig:
    """What differs between a version and another, or the dataset as it is now."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    version: str = setting("", "its name, or its day or time as `versions` lists it; empty: the last one")
    other: str = setting("", "the version to compare it with; empty: the dataset as it is now")


@dataclass(frozen=True)
class RestoreVersionConfig:
    """The dataset as it was in a version."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    version: str = again(DiffConfig, "version", help="which to go back to: its name, or its day or time as `versions` lists it")


@dataclass(frozen=True)
class ExportConfig:
    """The dataset taken out, as one file for other programs."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    layout: Literal["kohya", "imagefolder", "captions", "metadata"] = setting("kohya", "kohya: a zip with N_name folders for any kohya-style trainer; imagefolder: a zip for Hugging Face datasets; captions: a zip of the .txt files alone, to edit elsewhere and bring back by Import with existing = replace; metadata: the JSON of kohya's fine-tuning scripts")
    num_repeats: int = setting(10, "repeats of pictures that lie in no N_name folder", min=1, max=1000)
    class_name: str = setting("", "the name in their N_name folder; empty: the trigger word, else the project's name")
    caption_encoding: str = again(RecodeConfig, "caption_encoding")
