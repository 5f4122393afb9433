"""Which tags the trigger word could stand for: those of the subject itself."""

from collections.abc import Sequence
from dataclasses import dataclass

from lora_nb.captioning.parts import tag_counts
from lora_nb.captioning.vocabulary import family
from lora_nb.dataset.captions import same_tag, split_tags

HALF = 0.5  # of the pictures: a feature that fewer have is a dress or a wig, or another character
MEANING = (
    "What you remove here, the trigger word absorbs: it comes with the word, and you cannot leave it out later. "
    "Keep the tags of what you want to change in a prompt, such as clothes."
)


@dataclass(frozen=True)
class Suggestion:
    """A tag, how many pictures have it, and its family of features ("" where it is just in so many of them)."""

    tag: str
    count: int
    family: str


def to_bind(
    texts: Sequence[str], trigger: str = "", share: float = 1.0, features: bool = False
) -> tuple[Suggestion, ...]:
    """The tags of this share of the captions or more; with `features` also what half of a character's pictures say."""
    own = {same_tag(word) for word in split_tags(trigger)}
    found = []
    for tag, count in tag_counts(texts).items():
        kind = family(tag)
        enough = count >= share * len(texts) or (features and kind and count >= HALF * len(texts))
        if enough and same_tag(tag) not in own:
            found.append(Suggestion(tag, count, kind))
    return tuple(found)
