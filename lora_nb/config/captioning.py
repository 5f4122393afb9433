"""Settings of the models that write captions."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.dataset import TAGS, DatasetConfig, RecodeConfig
from lora_nb.declare import again, setting

BLACKLIST = (
    "virtual youtuber; parody; style parody; official alternate costume; official alternate hairstyle; "
    "official alternate hair length; alternate costume; alternate hairstyle; alternate hair length; alternate hair color"
)


@dataclass(frozen=True)
class TagConfig:
    """WD14 tags for every picture."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    tagger: str = setting("SmilingWolf/wd-eva02-large-tagger-v3", 'a Hugging Face id, a folder with model.onnx and selected_tags.csv, or "demo"')
    general_threshold: float = setting(0.35, "how sure the tagger must be; 0.25 for concepts, 0.5 for styles", min=0, max=1)
    character_threshold: float = setting(0.85, "the same for names of characters; 1 leaves them out", min=0, max=1)
    undesired_tags: tuple[str, ...] = setting(tuple(BLACKLIST.split("; ")), "tags never written, with commas between them", separators=TAGS)
    remove_underscore: bool = setting(True, "long_hair -> long hair (faces like ^_^ stay)")
    existing: Literal["missing", "append", "overwrite"] = setting("missing", "pictures that have a caption: leave it, add new tags to it, or write it anew")
    batch_size: int = setting(8, "pictures at a time", min=1, max=256, advanced=True)
    caption_encoding: str = again(RecodeConfig, "caption_encoding")


@dataclass(frozen=True)
class CaptionConfig:
    """A sentence for every picture, by BLIP."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    captioner: str = setting("Salesforce/blip-image-captioning-large", "a Hugging Face id or a folder of a BLIP model")
    min_new_tokens: int = setting(10, "shortest caption, in tokens", min=0, max=200)
    max_new_tokens: int = setting(75, "longest caption, in tokens", min=1, max=200)
    num_beams: int = setting(3, "beam search width; 1 is greedy and faster", min=1, max=16)
    existing: Literal["missing", "append", "overwrite"] = setting("missing", "pictures that have a caption: leave it, add to it, or write it anew")
    batch_size: int = setting(8, "pictures at a time", min=1, max=256, advanced=True)
    caption_encoding: str = again(RecodeConfig, "caption_encoding")
