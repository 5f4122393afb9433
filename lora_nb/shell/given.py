"""What the subcommands on a dataset are given: its folder, checked, and what is said of many files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lora_nb import project
from lora_nb.dataset.images import Scan, list_images, no_pictures
from lora_nb.events import Notice, Tell
from lora_nb.project import Folders

MOST_NAMED = 20


def dataset_of(config: Any) -> Path:
    """The dataset folder that a config names, there or not. Raises ValueError when it names none."""
    if not config.train_data_dir:
        raise ValueError(
            "train_data_dir is empty: give the dataset folder, e.g. --train_data_dir Loras/my_cat/dataset"
        )
    return Path(config.train_data_dir)


def folders_of(config: Any) -> Folders:
    """The folders of the project that the dataset belongs to."""
    return project.folders_of_dataset(dataset_of(config))


def folder_of(config: Any) -> Path:
    """The dataset folder. Raises ValueError when it is none."""
    if not dataset_of(config).is_dir():
        raise ValueError(
            f"{config.train_data_dir} is not a folder: give the dataset folder, with the pictures"
        )
    return dataset_of(config)


def check_filled(config: Any) -> None:
    """Say at once, before a model is loaded, that there is no picture."""
    places = (folder_of(config), *dataset_of(config).glob("*/"))
    if not any(list_images(place) for place in places):
        raise no_pictures(config.train_data_dir)


def with_pictures(found: Scan, config: Any) -> Scan:
    """What was found. Raises ValueError when that is nothing."""
    if not found.items and not found.broken:
        raise no_pictures(config.train_data_dir)
    return found


def name_some(tell: Tell, what: str, pairs: Sequence[tuple[str, str]]) -> None:
    """Tell the first of these (name, reason), and how many more there are."""
    for name, reason in pairs[:MOST_NAMED]:
        tell(Notice(f"{what}: {name} ({reason})"))
    if len(pairs) > MOST_NAMED:
        tell(Notice(f"{what}: {len(pairs) - MOST_NAMED} more"))
