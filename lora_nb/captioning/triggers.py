"""The trigger words of a project and of its sub-folders, put first in every caption."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from lora_nb.captioning.choice import ARROW
from lora_nb.config.dataset import TriggerConfig
from lora_nb.dataset import captions, handover
from lora_nb.dataset.captions import split_tags
from lora_nb.dataset.images import ImageItem
from lora_nb.events import Tell, silent
from lora_nb.project import Folders


@dataclass(frozen=True)
class Triggers:
    """The word of the project, and those of sub-folders that have their own in its place."""

    common: str = ""
    own: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, folders: Folders, tell: Tell = silent) -> "Triggers":
        """What project.toml says."""
        return cls(handover.read(folders, tell).trigger_word, handover.trigger_words(folders))

    @property
    def all(self) -> str:
        """Every word there is."""
        return captions.join_tags(dict.fromkeys(filter(None, (self.common, *self.own.values()))))

    def word(self, subset: str) -> str:
        """What calls the pictures of a folder, with commas between several words."""
        return self.own.get(subset) or self.common

    def put(self, subset: str) -> str:
        """All words that may stand in the captions of a folder: it may have got its own after the common one."""
        return captions.join_tags(dict.fromkeys(filter(None, (self.own.get(subset), self.common))))

    def of(self, subset: str) -> list[str]:
        """The trigger words of a folder, one by one."""
        return split_tags(self.word(subset))


def own_words(config: TriggerConfig) -> dict[str, str]:
    """The words that the setting gives to sub-folders. Raises ValueError for a line that names no folder or no word."""
    found = {}
    for line in config.subset_triggers:
        name, _, word = (part.strip() for part in line.partition(ARROW))
        if not (name and word):
            raise ValueError(
                f'subset_triggers = "{line}" is not usable: write folder {ARROW} its word, with ; between several'
            )
        found[name] = word
    return found


def apply_triggers(
    items: Sequence[ImageItem], config: TriggerConfig, earlier: Triggers, write: Callable[[Path, bytes], None]
) -> int:
    """How many captions changed: each has the words of its folder first, in place of those it had before."""
    fresh = Triggers(config.trigger_word, {**earlier.own, **own_words(config)})
    folders = {item.subset for item in items}
    if unknown := set(own_words(config)) - folders:
        raise ValueError(
            f'subset_triggers names "{min(unknown)}", and no picture lies in a folder of that name: '
            f"there are {', '.join(sorted(folders))}"
        )
    return sum(
        captions.apply_trigger(
            [item.path for item in items if item.subset == folder],
            replace(config, trigger_word=fresh.word(folder)),
            earlier.put(folder),
            write,
        )
        for folder in sorted(folders)
    )
