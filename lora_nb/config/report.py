"""Settings of what looks at a whole dataset."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.dataset import DatasetConfig, RecodeConfig
from lora_nb.config.examples import Pictures
from lora_nb.config.length import Length
from lora_nb.declare import Pixels, again, setting


@dataclass(frozen=True)
class ReportConfig:
    """All that is wrong with a dataset, or worth knowing before it is trained."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    purpose: Literal["character", "style", "object", "concept"] = setting("character", "what the LoRA is to learn: the advice is for that")
    resolution: Pixels | None = again(Pictures, "resolution", help="side of the training square in pixels, or width,height, or several with ; between; empty: 512")
    num_repeats: int = again(Pictures, "num_repeats")
    train_batch_size: int = again(Length, "train_batch_size", advanced=True)
    max_train_epochs: int = again(Length, "max_train_epochs", advanced=True)
    caption_encoding: str = again(RecodeConfig, "caption_encoding")


@dataclass(frozen=True)
class FiftyoneConfig:
    """The dataset in FiftyOne's App."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    port: int = setting(0, "port of the App on this machine; 0 takes a free one", min=0, max=65535, advanced=True)
    minutes: int = setting(120, "how long the App stays open without a decision being asked for", min=1, max=1440, advanced=True)
