"""Settings of the steps that look at the pictures themselves."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.dataset import DatasetConfig
from lora_nb.declare import again, setting


@dataclass(frozen=True)
class CurateConfig:
    """Broken pictures and duplicates, set aside and never deleted."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    method: Literal["phash", "dhash", "ahash", "whash"] = setting("phash", "imagededup's hash; phash copes best with resized copies")
    max_distance_threshold: int = setting(6, "bits of 64 that may differ between two copies; 0 finds only the same picture", min=0, max=32)
