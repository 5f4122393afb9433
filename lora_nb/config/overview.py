"""Settings of what is done to chosen pictures of a dataset, by hand or by a filter."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.dataset import DatasetConfig
from lora_nb.declare import again, setting


@dataclass(frozen=True)
class ListConfig:
    """The pictures of a dataset, with their captions."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    filter: str = setting("", 'which: a word, tag:"long hair", tokens:>75, size:<512, folder:5_cat, finding:copy, is:aside, is:captionless, with AND, OR, NOT and *; empty: every picture')
    number: int = setting(1000, "how many at most", min=1)


@dataclass(frozen=True)
class EditCaptionConfig:
    """The caption of one picture."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    name: str = setting("", "the picture, as `list` prints it")
    text: str = setting("", "the new caption; nothing in it empties it")


@dataclass(frozen=True)
class SetAsideConfig:
    """Chosen pictures, out of the dataset and never deleted."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    names: tuple[str, ...] = setting((), "which, as `list` prints them, with ; between them")
    filter: str = again(ListConfig, "filter", help='which, by a filter as of `list`, where no names are given, e.g. finding:copy or tag:"long hair"')
    reason: str = setting("by hand", "why, for who looks at them later")


@dataclass(frozen=True)
class RotateConfig:
    """Chosen pictures, turned; what they were is kept."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    names: tuple[str, ...] = again(SetAsideConfig, "names")
    filter: str = again(SetAsideConfig, "filter")
    turn: Literal["right", "left", "half"] = setting("right", "by 90 degrees to a side, or upside down")


@dataclass(frozen=True)
class CropConfig:
    """Chosen pictures, cropped; what they were is kept."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    names: tuple[str, ...] = again(SetAsideConfig, "names")
    filter: str = again(SetAsideConfig, "filter")
    box: tuple[int, ...] = setting((), "the part to keep, in pixels: left; top; right; bottom", min=0)


@dataclass(frozen=True)
class RepeatsConfig:
    """How often chosen pictures come in an epoch: they move to the sub-folder N_name."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    names: tuple[str, ...] = again(SetAsideConfig, "names")
    filter: str = again(SetAsideConfig, "filter")
    repeats: int = setting(1, "how often each comes in an epoch", min=1, max=1000)


@dataclass(frozen=True)
class PictureTagsConfig:
    """Tags of chosen pictures, added or removed."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    names: tuple[str, ...] = again(SetAsideConfig, "names")
    filter: str = again(SetAsideConfig, "filter")
    tags: tuple[str, ...] = setting((), "which tags, with commas between them", separators=(";,\n",))
