"""The edits of tags there are, each made from its settings and from what all captions of the dataset say."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from lora_nb.captioning import edits, vocabulary
from lora_nb.captioning.choice import replacements
from lora_nb.config.captioning import META, EditTagsConfig
from lora_nb.dataset.captions import same_tag, split_tags

Edit = Callable[[str, str], str]  # of a caption, and the name of the folder its picture lies in


@dataclass(frozen=True)
class Known:
    """How many captions have each tag, and the trigger words of a folder."""

    counts: Mapping[str, int] = field(default_factory=dict)
    triggers: Callable[[str], list[str]] = lambda subset: []

    def frequency(self) -> Counter[str]:
        """How many captions have each tag, however it is spelled."""
        found: Counter[str] = Counter()
        for tag, count in self.counts.items():
            found[same_tag(tag)] += count
        return found


def edit_of(config: EditTagsConfig, known: Known) -> Edit:
    """The edit that the settings ask for. Raises ValueError for settings that lack what it needs."""
    return KINDS[config.action](config, known)


def _needed(config: EditTagsConfig) -> list[str]:
    tags = [tag for each in config.tags for tag in split_tags(each)]
    if not tags:
        raise ValueError(f"tags is empty: give the tags to {config.action}, with commas between them")
    return tags


def _add(config: EditTagsConfig, known: Known) -> Edit:
    tags = _needed(config)
    return lambda text, subset: edits.add(text, tags, config.place, known.triggers(subset))


def _remove(config: EditTagsConfig, known: Known) -> Edit:
    tags = _needed(config)
    return lambda text, subset: edits.remove(text, tags)


def _replace(config: EditTagsConfig, known: Known) -> Edit:
    tags, new = _needed(config), [tag for each in config.replace_with for tag in split_tags(each)]
    return lambda text, subset: edits.replace(text, tags, new)


def _regex(config: EditTagsConfig, known: Known) -> Edit:
    if not config.pattern:
        raise ValueError(r"pattern is empty: give a regular expression, such as ^long (.*) hair$")
    try:
        pattern = re.compile(config.pattern, re.IGNORECASE)
        re.compile(f"(?:{config.pattern})|", re.IGNORECASE).sub(config.replacement, "")
    except (re.error, IndexError) as error:
        raise ValueError(f'pattern = "{config.pattern}" or its replacement is not usable: {error}') from None
    return lambda text, subset: edits.substitute(text, pattern, config.replacement)


def _dedupe(config: EditTagsConfig, known: Known) -> Edit:
    return lambda text, subset: edits.dedupe(text)


def _sort(config: EditTagsConfig, known: Known) -> Edit:
    frequency = known.frequency() if config.sort_by == "frequency" else Counter()

    def key(tag: str) -> tuple[int, str]:
        return -frequency[same_tag(tag)], same_tag(tag)

    return lambda text, subset: edits.order(text, key, config.keep_first, config.tags)


def _rare(config: EditTagsConfig, known: Known) -> Edit:
    rare = {tag for tag, count in known.frequency().items() if count < config.minimum}
    return lambda text, subset: edits.remove(text, rare - {same_tag(word) for word in known.triggers(subset)})


def _implied(config: EditTagsConfig, known: Known) -> Edit:
    return lambda text, subset: edits.without_implied(text, known.triggers(subset))


def _synonyms(config: EditTagsConfig, known: Known) -> Edit:
    own = replacements(config.synonyms)
    chosen = {
        same_tag(tag) for tags in own.values() for tag in tags
    }  # a word the person wants is not replaced
    table = {old: new for old, new in vocabulary.synonyms().items() if old not in chosen}
    names = {**table, **own}
    return lambda text, subset: edits.rename(text, names)


def _blacklist(config: EditTagsConfig, known: Known) -> Edit:
    tags = [*split_tags(META), *config.tags]
    return lambda text, subset: edits.remove(text, tags)


KINDS = {
    "add": _add, "remove": _remove, "replace": _replace, "regex": _regex, "dedupe": _dedupe, "sort": _sort,
    "rare": _rare, "implied": _implied, "synonyms": _synonyms, "blacklist": _blacklist,
}  # fmt: skip
