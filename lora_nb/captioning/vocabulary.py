"""Words of captions that mean the same, or belong to a character: tables as data."""

from collections.abc import Sequence

from lora_nb.dataset.captions import same_tag

# The tag that taggers write, and what people and other programs write for the same thing.
SYNONYMS = {
    "cat": ("kitty", "kitten", "feline"),
    "dog": ("puppy", "doggy", "canine"),
    "car": ("automobile",),
    "smile": ("smiling",),
    "standing": ("stand",),
    "sitting": ("seated",),
    "open mouth": ("mouth open",),
    "closed eyes": ("eyes closed",),
    "looking at viewer": ("looking at camera", "looking at the viewer", "looking at the camera"),
    "from behind": ("back view", "seen from behind"),
    "from side": ("side view", "seen from the side"),
    "simple background": ("plain background",),
    "outdoors": ("outside", "outdoor"),
    "indoors": ("inside", "indoor"),
    "monochrome": ("black and white",),
    "close-up": ("closeup", "close up"),
    "full body": ("full-body", "whole body"),
    "upper body": ("upper-body",),
    "blonde hair": ("blond hair", "yellow hair"),
    "grey hair": ("gray hair",),
    "grey eyes": ("gray eyes",),
    "grey background": ("gray background",),
}

# How a tag ends, or begins, that says a feature of a character, and tags that only look so: a person would prompt for
# those. After imgutils' list of basic character tags.
ENDS = (
    "eyes", "skin", "hair", "bun", "bangs", "cut", "sidelocks", "twintails", "braid", "braids", "afro", "ahoge",
    "drill", "drills", "bald", "dreadlocks", "side up", "ponytail", "updo", "beard", "mustache", "pointy ears", "ears",
    "horn", "horns", "tail", "freckles", "mole", "heterochromia",
)  # fmt: skip
BEGINS = ("hair over", "hair between")
PASSING = frozenset((
    "closed eyes", "half-closed eyes", "empty eyes", "rolling eyes", "drill", "wet hair", "messy hair", "floating hair",
))  # fmt: skip


def is_feature(tag: str) -> bool:
    """Whether a tag says what a character looks like in every picture: hair, eyes, ears, ..."""
    name = same_tag(tag)
    if name in PASSING:
        return False
    ends = any(name == end or name.endswith(f" {end}") for end in ENDS)
    return ends or any(name.startswith(begin) for begin in BEGINS)


def synonyms() -> dict[str, list[str]]:
    """{a word: the tag in its place} of the table, as `rename` takes it."""
    return {same_tag(other): [tag] for tag, others in SYNONYMS.items() for other in others}


def family(tag: str) -> str:
    """Of which family of features a tag is: the word it ends with; "" for none."""
    if not is_feature(tag):
        return ""
    name = same_tag(tag)
    return next((end for end in ENDS if name == end or name.endswith(f" {end}")), "hair")


def features(tags: Sequence[str]) -> list[str]:
    """Those of the tags that are features of a character."""
    return [tag for tag in tags if is_feature(tag)]
