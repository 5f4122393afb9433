"""Settings of how pictures with captions become training examples."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.declare import needs, setting


@dataclass(frozen=True)
class Pictures:
    """How pictures become training squares and rectangles."""

    resolution: int | None = setting(None, "side of the training square in pixels; empty: the base's own (512 for SD 1.5, 1024 for SDXL)", min=32, max=2048)
    num_repeats: int = setting(10, "times each picture is seen per epoch; pictures x repeats between 200 and 400 is a good start. A folder called N_name has its own", min=1, max=1000)
    flip_aug: bool = setting(False, "mirror half of the pictures; not for anything asymmetric", in_file="always")
    enable_bucket: bool = setting(True, "keep wide and tall pictures wide and tall instead of cropping all to a square", advanced=True, in_file="always")
    min_bucket_reso: int = setting(256, "shortest bucket side; below 512 px this default shrinks with the resolution", min=8, max=4096, advanced=True, in_file="always")
    max_bucket_reso: int = setting(1024, "longest bucket side; this default shrinks below 512 px with the resolution, and is twice it from 1024 px on", min=8, max=4096, advanced=True, in_file="always")
    bucket_reso_steps: int = setting(64, "bucket sides are multiples of this, and of what the base can take (64 for SD 1.5, 32 for SDXL)", min=8, max=256, advanced=True)
    bucket_no_upscale: bool = setting(False, "never enlarge a small picture", advanced=True, in_file="always")

    def __post_init__(self) -> None:
        if self.min_bucket_reso > self.max_bucket_reso:
            raise ValueError(f"min_bucket_reso = {self.min_bucket_reso} is above max_bucket_reso = {self.max_bucket_reso}")


@dataclass(frozen=True)
class Captions:
    """What is read of the captions, and how."""

    trigger_word: str = setting("", "the word that calls the LoRA; goes into the file for the programs that show it", group="Model")
    shuffle_caption: bool = setting(True, "new order of the tags each time (for tags, not for sentences)", in_file="always")
    keep_tokens: int = setting(1, "first tags that stay in place: the number of trigger words", min=0, max=10, in_file="always", only_with=needs("shuffle_caption"))
    caption_dropout_rate: float = setting(0.0, "share of the steps that see no caption", min=0, max=1, advanced=True, in_file="always")
    caption_extension: str = setting(".txt", "ending of the caption files", advanced=True)
    max_token_length: Literal[75, 150, 225] = setting(225, "longest caption in tokens; what is longer is cut, shorter ones are not padded to it", advanced=True, in_file="always")
    clip_skip: int = setting(1, "layer of the text encoder counted from its end; 2 for anime bases of SD 1.5; SDXL has its own", min=1, max=12, in_file="always")
    weighted_captions: bool = setting(False, "(word:1.2) in a caption counts more, [word] less, \\( is a bracket; else brackets are words", advanced=True)
