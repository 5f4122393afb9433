"""The taggers that are known, and how sure each must be of a tag."""

from dataclasses import dataclass

DEFAULT_THRESHOLD = 0.35  # SmilingWolf's own, for a tagger that is not known here


@dataclass(frozen=True)
class Known:
    """A tagger's Hugging Face id, and the threshold at which its precision and its recall are the same.

    Sources: the models' own cards on Hugging Face; where a card names none, `threshold` is DEFAULT_THRESHOLD.
    """

    name: str
    threshold: float = DEFAULT_THRESHOLD


TAGGERS = (
    Known("SmilingWolf/wd-eva02-large-tagger-v3", 0.5296),
    Known("SmilingWolf/wd-vit-large-tagger-v3"),
    Known("SmilingWolf/wd-swinv2-tagger-v3", 0.2653),
    Known("SmilingWolf/wd-convnext-tagger-v3"),
    Known("SmilingWolf/wd-vit-tagger-v3", 0.2614),
    Known("SmilingWolf/wd-v1-4-convnextv2-tagger-v2", 0.3710),
    Known("SmilingWolf/wd-v1-4-swinv2-tagger-v2", 0.3771),
    Known("SmilingWolf/wd-v1-4-convnext-tagger-v2", 0.3685),
    Known("SmilingWolf/wd-v1-4-vit-tagger-v2", 0.3537),
    Known("SmilingWolf/wd-v1-4-moat-tagger-v2"),
    Known("deepghs/idolsankaku-eva02-large-tagger-v1", 0.4985),
    Known("deepghs/pixai-tagger-v0.9-onnx", 0.30),
    Known("cella110n/cl_tagger/cl_tagger_1_02", 0.55),
)
BETWEEN = " + "  # names of taggers that are asked together
SUGGESTED = (
    TAGGERS[0].name,
    f"{TAGGERS[0].name}{BETWEEN}{TAGGERS[1].name}",
    *(each.name for each in TAGGERS[1:]),
)


def names_of(tagger: str) -> list[str]:
    """The taggers that the setting names."""
    return [name.strip() for name in tagger.split(BETWEEN) if name.strip()]


def threshold_of(name: str) -> float:
    """How sure this tagger must be; a folder is known by its own name."""
    own = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    found = {known.name.rpartition("/")[2]: known.threshold for known in TAGGERS}
    return found.get(own, DEFAULT_THRESHOLD)
