"""Settings of what brings pictures into a dataset."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.dataset import RecodeConfig
from lora_nb.declare import again, setting


@dataclass(frozen=True)
class ImportConfig:
    """A zip or a folder of pictures, copied into the dataset."""

    source: str = setting("", "a .zip file or a folder with pictures; captions (.txt) beside them come along")
    train_data_dir: str = setting("", "the dataset folder to fill", internal=True)
    subset: str = setting("", "sub-folder to put them in, as N_name: N repeats (empty: the dataset folder itself)")
    max_files: int = setting(10_000, "refuse an archive with more files than this", min=1, advanced=True)
    existing: Literal["keep", "replace"] = setting("keep", "captions of pictures that are in the dataset already: keep them, or take the source's (undo brings the old ones back)")
    max_gigabytes: float = setting(8.0, "refuse an archive that unpacks to more than this", min=0.001, max=100_000, advanced=True)
    caption_encoding: str = again(RecodeConfig, "caption_encoding")
