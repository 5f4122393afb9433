"""Settings of what every step on a dataset knows: its folder, its captions, what was set aside."""

from dataclasses import dataclass

from lora_nb.declare import again, setting

TAGS = (";,\n",)  # no tag holds a comma


@dataclass(frozen=True)
class DatasetConfig:
    """A dataset folder."""

    train_data_dir: str = setting("", "the dataset folder", internal=True, bare=True)


@dataclass(frozen=True)
class RecodeConfig:
    """Captions of another encoding, written anew in UTF-8."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    caption_encoding: str = setting("auto", "of captions that are not in UTF-8: auto recognises it where it is sure, else its name (cp1252, shift_jis, gb18030, ...)", advanced=True)


@dataclass(frozen=True)
class RestoreConfig:
    """Pictures that were set aside, and come back."""

    train_data_dir: str = setting("", "the dataset folder they go back to", internal=True, bare=True)
    names: tuple[str, ...] = setting((), "which, with ; between them; empty: all of them")


@dataclass(frozen=True)
class TopTagsConfig:
    """The most frequent tags."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    number: int = setting(50, "how many tags", min=1, max=10_000)


@dataclass(frozen=True)
class TriggerConfig:
    """The word that will call the LoRA, first in every caption."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    trigger_word: str = setting("", "a word that means nothing yet, e.g. ohwx_cat; several with commas")
    subset_triggers: tuple[str, ...] = setting((), "other words for sub-folders, as in: 5_cat -> ohwx cat; 3_dog -> sks dog", advanced=True)
    remove_tags: tuple[str, ...] = setting((), "tags to drop everywhere, with commas between them: what you drop, the trigger word absorbs", separators=TAGS)
    caption_encoding: str = again(RecodeConfig, "caption_encoding")
