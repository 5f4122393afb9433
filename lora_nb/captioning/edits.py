"""Captions edited: a text in, a text out; what an edit does not name stays as it is written and in its order."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from lora_nb.captioning.parts import Part, Parts, take_apart
from lora_nb.dataset.captions import same_tag

BACK, FRONT, AFTER_TRIGGER = "back", "front", "after trigger"


def add(text: str, tags: Sequence[str], place: str = BACK, trigger: Sequence[str] = ()) -> str:
    """`text` with the tags it lacks at the back, in front, or after the trigger words that it begins with."""
    caption = take_apart(text)
    known = {part.key for part in caption.parts}
    fresh = [Part(tag) for tag in _once(tags) if same_tag(tag) not in known]
    at = {BACK: len(caption.parts), FRONT: 0}.get(place, _after(caption, trigger))
    return caption.with_parts((*caption.parts[:at], *fresh, *caption.parts[at:])).text if fresh else text


def _once(tags: Iterable[str]) -> list[str]:
    first: dict[str, str] = {}
    for tag in filter(str.strip, tags):
        first.setdefault(same_tag(tag), tag.strip())
    return list(first.values())


def _after(caption: Parts, trigger: Sequence[str]) -> int:
    own = {same_tag(word) for word in trigger}
    return next((at for at, part in enumerate(caption.parts) if part.key not in own), len(caption.parts))


def remove(text: str, tags: Iterable[str]) -> str:
    """`text` without these tags; a sentence keeps its words."""
    unwanted = {same_tag(tag) for tag in tags}
    return _kept(text, lambda part: part.key not in unwanted)


def _kept(text: str, keep: Callable[[Part], bool]) -> str:
    caption = take_apart(text)
    kept = [part for part in caption.parts if part.fixed or keep(part)]
    return text if len(kept) == len(caption.parts) else caption.with_parts(kept).text


def replace(text: str, tags: Iterable[str], new: Sequence[str]) -> str:
    """`text` with the `new` tags where the first of `tags` stands and the others left out; a tag stands once."""
    old, caption = {same_tag(tag) for tag in tags}, take_apart(text)
    found = [at for at, part in enumerate(caption.parts) if part.key in old]
    if not found:
        return text
    others = {part.key for at, part in enumerate(caption.parts) if at not in found}
    fresh = [tag for tag in _once(new) if same_tag(tag) not in others]
    place = [Part(tag, caption.parts[found[0]].before if not at else ", ") for at, tag in enumerate(fresh)]
    rest = [part for at, part in enumerate(caption.parts) if at not in found]
    return caption.with_parts((*rest[: found[0]], *place, *rest[found[0] :])).text


def substitute(text: str, pattern: re.Pattern[str], replacement: str) -> str:
    """`text` with what the pattern finds in each tag and each sentence replaced; an empty tag is left out."""
    parts = []
    caption = take_apart(text)
    for part in caption.parts:
        new = pattern.sub(replacement, part.text)
        parts += [Part(new, part.before, part.fixed)] if new.strip() else []
    made = caption.with_parts(parts).text
    return text if made == text else dedupe_new(made, text)


def dedupe_new(text: str, before: str) -> str:
    """`text` where a tag that `before` has once stands once, too."""
    doubled = len(take_apart(before).tags) != len({same_tag(tag) for tag in take_apart(before).tags})
    return text if doubled else dedupe(text)


def dedupe(text: str) -> str:
    """`text` with each tag once, where it stands first: `Long_Hair` and `long hair` are the same tag."""
    seen: set[str] = set()

    def is_first(part: Part) -> bool:
        first = part.key not in seen
        seen.add(part.key)
        return first

    return _kept(text, is_first)


def order(text: str, key: Callable[[str], object], keep_first: int = 0, pinned: Sequence[str] = ()) -> str:
    """`text` with its tags sorted by `key`: the first `keep_first` stay, then the pinned ones, then the others.

    A sentence keeps its place behind as many tags as stand before it.
    """
    caption = take_apart(text)
    places = [at for at, part in enumerate(caption.parts) if not part.fixed][keep_first:]
    first = {same_tag(tag): at for at, tag in enumerate(pinned)}
    tags = [caption.parts[at].text for at in places]
    ranked = sorted(tags, key=lambda tag: (first.get(same_tag(tag), len(first)), _rank(tag, first, key)))
    parts = list(caption.parts)
    for at, tag in zip(places, ranked, strict=True):
        parts[at] = Part(tag, parts[at].before)
    return caption.with_parts(parts).text


def _rank(tag: str, first: Collection[str], key: Callable[[str], object]) -> tuple[object, ...]:
    return () if same_tag(tag) in first else (key(tag),)


def without_implied(text: str, keep: Collection[str] = ()) -> str:
    """`text` without the tags that a longer one says already: `shirt` beside `white shirt`; `keep` always stays."""
    tags = take_apart(text).tags
    kept = {same_tag(tag) for tag in keep}
    gone = {
        same_tag(tag)
        for tag in tags
        if same_tag(tag) not in kept and any(implies(other, tag) for other in tags)
    }
    return remove(text, gone) if gone else text


def implies(tag: str, other: str) -> bool:
    """Whether `tag` says `other` by whole words: it ends with it, or goes on after a word in -ing.

    `white shirt` says `shirt` and `sitting on chair` says `sitting`; `ponytail` does not say `tail`, `no shirt` no
    `shirt`, and `hair ornament` no `hair`.
    """
    long, short = same_tag(tag).split(), same_tag(other).split()
    if not short or len(long) <= len(short) or long[0] in ("no", "without", "removed"):
        return False
    does = len(short) == 1 and short[0].endswith("ing") and long[0] == short[0]
    return does or long[-len(short) :] == short


def rename(text: str, names: Mapping[str, Sequence[str]]) -> str:
    """`text` with each tag of `names` (as it is compared) replaced by what stands there; what came is left alone."""
    there = [part.key for part in take_apart(text).parts if part.key in names]
    for old in dict.fromkeys(there):
        if {same_tag(tag) for tag in names[old]} != {old}:
            text = replace(text, [old], names[old])
    return text
