"""Settings of the steps that make a dataset."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.declare import again, setting

TAGS = (";,\n",)  # no tag holds a comma

BLACKLIST = (
    "virtual youtuber; parody; style parody; official alternate costume; official alternate hairstyle; "
    "official alternate hair length; alternate costume; alternate hairstyle; alternate hair length; alternate hair color"
)


@dataclass(frozen=True)
class ImportConfig:
    """A zip or a folder of pictures, copied into the dataset."""

    source: str = setting("", "a .zip file or a folder with pictures; captions (.txt) beside them come along")
    train_data_dir: str = setting("", "the dataset folder to fill", internal=True)
    subset: str = setting("", "sub-folder to put them in, as N_name: N repeats (empty: the dataset folder itself)")
    max_files: int = setting(10_000, "refuse an archive with more files than this", min=1, advanced=True)
    existing: Literal["keep", "replace"] = setting("keep", "captions of pictures that are in the dataset already: keep them, or take the source's (undo brings the old ones back)")
    max_gigabytes: float = setting(8.0, "refuse an archive that unpacks to more than this", min=0.001, max=100_000, advanced=True)
    caption_encoding: str = setting("auto", "of captions that are not in UTF-8: auto recognises it where it is sure, else its name (cp1252, shift_jis, gb18030, ...)", advanced=True)


@dataclass(frozen=True)
class DatasetConfig:
    """A dataset folder."""

    train_data_dir: str = setting("", "the dataset folder", internal=True)


@dataclass(frozen=True)
class RecodeConfig:
    """Captions of another encoding, written anew in UTF-8."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    caption_encoding: str = again(ImportConfig, "caption_encoding")


@dataclass(frozen=True)
class RestoreConfig:
    """Pictures that were set aside, and come back."""

    train_data_dir: str = setting("", "the dataset folder they go back to", internal=True)
    names: tuple[str, ...] = setting((), "which, with ; between them; empty: all of them")


@dataclass(frozen=True)
class TopTagsConfig:
    """The most frequent tags."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    number: int = setting(50, "how many tags", min=1, max=10_000)


@dataclass(frozen=True)
class CurateConfig:
    """Broken pictures and duplicates, set aside and never deleted."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    method: Literal["phash", "dhash", "ahash", "whash"] = setting("phash", "imagededup's hash; phash copes best with resized copies")
    max_distance_threshold: int = setting(6, "bits of 64 that may differ between two copies; 0 finds only the same picture", min=0, max=32)


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
    caption_encoding: str = again(ImportConfig, "caption_encoding")


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
    caption_encoding: str = again(ImportConfig, "caption_encoding")


@dataclass(frozen=True)
class TriggerConfig:
    """The word that will call the LoRA, first in every caption."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    trigger_word: str = setting("", "a word that means nothing yet, e.g. ohwx_cat; several with commas")
    remove_tags: tuple[str, ...] = setting((), "tags to drop everywhere, with commas between them: what you drop, the trigger word absorbs", separators=TAGS)
    caption_encoding: str = again(ImportConfig, "caption_encoding")
