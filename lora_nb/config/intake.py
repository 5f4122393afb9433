"""Settings of what brings pictures into a dataset."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.dataset import RecodeConfig
from lora_nb.declare import again, setting


@dataclass(frozen=True)
class LookConfig:
    """A place that pictures can come from, looked into."""

    source: str = setting("", "a .zip or a folder here, a web address of a zip or picture, a Google Drive link, hf://datasets/owner/name, or tags of an image board: danbooru: tag tag", bare=True)
    train_data_dir: str = setting("", "the dataset folder to fill", internal=True)
    board_rating: Literal["general", "sensitive", "questionable", "explicit", "any"] = setting("general", "of pictures from an image board: how fit for all eyes they are", advanced=True)
    board_limit: int = setting(100, "pictures of an image board at most", min=1, max=5000, advanced=True)
    download_dir: str = setting("", "folder for downloads on their way, on a fast disk (not Drive); empty: this machine's own for temporary files", advanced=True)
    max_gigabytes: float = setting(8.0, "refuse an archive that unpacks to more than this, and a download that is larger", min=0.001, max=100_000, advanced=True)


@dataclass(frozen=True)
class ImportConfig:
    """Pictures with their captions from a zip, a folder, the web or a board, copied into the dataset."""

    source: str = again(LookConfig, "source")
    train_data_dir: str = again(LookConfig, "train_data_dir")
    subset: str = setting("", "sub-folder to put them in, as N_name: N repeats (empty: the dataset folder itself)")
    max_files: int = setting(10_000, "refuse an archive with more files than this", min=1, advanced=True)
    existing: Literal["keep", "replace"] = setting("keep", "captions of pictures that are in the dataset already: keep them, or take the source's (undo brings the old ones back)")
    max_gigabytes: float = again(LookConfig, "max_gigabytes")
    caption_encoding: str = again(RecodeConfig, "caption_encoding")
    folders: tuple[str, ...] = setting((), 'which of several N_name folders come in, with ; between them; each may get another name and a trigger word of its own: "5_cat; 3_dog -> 8_dog: ohwx dog"; empty: all', advanced=True)
    odd_folders: Literal["ask", "plain", "repeats"] = setting("ask", "a folder such as 2023_holiday or 0_old, whose number is hardly meant as repeats: ask, take it as an ordinary folder, or as that many repeats", advanced=True)
    board_rating: Literal["general", "sensitive", "questionable", "explicit", "any"] = again(LookConfig, "board_rating")
    board_limit: int = again(LookConfig, "board_limit")
    download_dir: str = again(LookConfig, "download_dir")
