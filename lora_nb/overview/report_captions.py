"""What the report says of the captions."""

from collections.abc import Iterator
from pathlib import Path

from lora_nb.bases import token_count
from lora_nb.dataset import captions, orphans
from lora_nb.dataset.captions import kind_of, same_tag, split_tags
from lora_nb.overview.report_facts import Facts
from lora_nb.overview.report_points import HURTS, KNOW, MINOR, SPOILS, Mend, Point
from lora_nb.wording import counted

LIMITS = (75, 150, 225)  # tokens that a training can read of a caption


def points(facts: Facts) -> Iterator[Point]:
    """Every point there is about captions."""
    if not facts.items:
        return
    yield from _without(facts)
    yield from _unsure(facts)
    yield from _orphans(facts)
    yield from _doubled(facts)
    yield from _trigger(facts)
    yield from _long(facts)
    yield from _mixed(facts)


def _without(facts: Facts) -> Iterator[Point]:
    unsure = set(facts.unsure)
    none = [item for item in facts.items if item.caption is None and item.path not in unsure]
    empty = [item for item in facts.items if item.caption == ""]
    verb = "caption" if facts.kind == "sentences" else "tag"
    mend = Mend("Write the missing ones", verb, {"existing": "missing"})
    every = len(none) == len(facts.items)
    if none:
        sentence = (
            "No picture has a caption."
            if every
            else f"{counted(len(none), 'picture has', 'pictures have')} no caption."
        )
        harm = SPOILS if every and not facts.known.trigger_word else HURTS
        yield Point("no_caption", harm, sentence, facts.names(none), mend=mend)
    if empty:
        yield Point(
            "empty",
            HURTS,
            f"{counted(len(empty), 'caption is', 'captions are')} empty.",
            facts.names(empty),
            mend=mend,
        )


def _unsure(facts: Facts) -> Iterator[Point]:
    if facts.unsure:
        sentence = (
            f"It is not sure what {counted(len(facts.unsure), 'caption says', 'captions say')}: not in UTF-8."
        )
        names = tuple(facts.name(captions.caption_path(path)) for path in facts.unsure)
        yield Point(
            "unsure",
            SPOILS,
            sentence,
            names,
            advice="Save them as UTF-8, or name their encoding (caption_encoding).",
        )
    if facts.others:
        sentence = (
            f"{counted(len(facts.others), 'caption is', 'captions are')} in another encoding "
            "than UTF-8, which other programs may read wrongly."
        )
        yield Point("encoding", MINOR, sentence, facts.others, mend=Mend("Write them in UTF-8", "recode"))


def _orphans(facts: Facts) -> Iterator[Point]:
    found = tuple(map(facts.name, orphans.find(facts.dataset)))
    if found:
        sentence = f"{counted(len(found), 'caption belongs', 'captions belong')} to no picture."
        yield Point("orphans", MINOR, sentence, found, mend=Mend("Set them aside", "set_orphans_aside"))


def _doubled(facts: Facts) -> Iterator[Point]:
    doubled = []
    for item in facts.items:
        tags = [same_tag(tag) for tag in split_tags(item.caption or "")]
        if twice := sorted({tag for tag in tags if tags.count(tag) > 1}):
            doubled.append(f"{facts.name(item.path)}: {', '.join(twice)}")
    if doubled and facts.kind != "sentences":
        mend = Mend("Take the doubles out", "edit_tags", {"action": "dedupe"})
        yield Point(
            "doubled",
            MINOR,
            f"{counted(len(doubled), 'caption says', 'captions say')} a tag twice.",
            tuple(doubled),
            mend=mend,
        )


def _trigger(facts: Facts) -> Iterator[Point]:
    words = [same_tag(word) for word in split_tags(facts.known.trigger_word)]
    if not words:
        yield Point(
            "no_trigger",
            HURTS,
            "There is no trigger word: nothing calls the LoRA by its name.",
            advice="Choose a word that means nothing yet in the trigger step.",
        )
        return
    first = [item for item in facts.items if item.caption and _begins(item.caption, words)]
    wrong = [item for item in facts.items if item.caption and not _begins(item.caption, words)]
    if wrong:
        sentence = (
            f"{len(wrong)} of {len(first) + len(wrong)} captions do not "
            f'begin with the trigger word "{facts.known.trigger_word}".'
        )
        mend = Mend("Put it first everywhere", "trigger", {"trigger_word": facts.known.trigger_word})
        yield Point("trigger", SPOILS if first else HURTS, sentence, facts.names(wrong), mend=mend)


def _begins(text: str, words: list[str]) -> bool:
    return [same_tag(tag) for tag in split_tags(text)[: len(words)]] == words or same_tag(text).startswith(
        words[0]
    )


def _long(facts: Facts) -> Iterator[Point]:
    lengths = {facts.name(item.path): token_count.count(item.caption) for item in facts.items if item.caption}
    over = {limit: [name for name, length in lengths.items() if length > limit] for limit in LIMITS}
    if too_long := over[LIMITS[-1]]:
        names = tuple(f"{name}: {lengths[name]} tokens" for name in too_long)
        yield Point(
            "too_long",
            HURTS,
            f"{counted(len(names), 'caption is', 'captions are')} longer than {LIMITS[-1]} tokens: "
            "what is beyond is cut off.",
            names,
            advice="Shorten them, the important words first.",
        )
    elif over[LIMITS[0]]:
        limit = next(limit for limit in LIMITS if not over[limit])
        sentence = (
            f"{counted(len(over[LIMITS[0]]), 'caption is', 'captions are')} longer than {LIMITS[0]} "
            f"tokens: train with max_token_length {limit} (225 is what is set)."
        )
        yield Point("long", KNOW, sentence)


def _mixed(facts: Facts) -> Iterator[Point]:
    kinds: dict[str, list[Path]] = {"tags": [], "sentences": []}
    for item in facts.items:
        if item.caption and len(split_tags(item.caption)) + len(item.caption.split()) > 3:
            kinds[kind_of([item.caption])].append(item.path)
    fewer = min(kinds, key=lambda kind: len(kinds[kind]))
    if kinds[fewer]:
        sentence = (
            f"{counted(len(kinds['tags']), 'caption is', 'captions are')} tags and "
            f"{len(kinds['sentences'])} sentences: one kind trains better."
        )
        yield Point(
            "mixed",
            MINOR,
            sentence,
            tuple(map(facts.name, kinds[fewer])),
            advice="Write the fewer ones anew in the kind of the others.",
        )
