"""The prompts of training: tags shuffled, dropped, replaced by other words, or told as a sentence."""

import random

SYNONYMS = {
    "blonde hair": ("yellow hair", "golden hair", "blond hair"),
    "red hair": ("scarlet hair", "crimson hair"),
    "orange hair": ("ginger hair",),
    "purple hair": ("violet hair",),
    "aqua hair": ("teal hair", "turquoise hair", "cyan hair"),
    "grey hair": ("gray hair", "silver hair"),
    "brown hair": ("brunette", "chestnut hair"),
    "black hair": ("dark hair",),
    "pink hair": ("rose hair",),
    "blue hair": ("navy hair",),
    "twintails": ("pigtails", "two pigtails"),
    "hair bun": ("bun", "updo"),
    "curly hair": ("curls",),
    "bald": ("no hair", "shaved head"),
    "spiked hair": ("spiky hair",),
    "glasses": ("spectacles", "eyeglasses"),
    "sunglasses": ("shades", "dark glasses"),
    "smile": ("smiling", "happy"),
    "frown": ("sad", "frowning", "unhappy"),
    "closed eyes": ("eyes closed", "sleeping"),
    "one eye closed": ("wink", "winking"),
    "dark skin": ("dark-skinned", "brown skin"),
    "surprised": ("shocked",),
    "1girl": ("girl", "woman", "a girl"),
    "1boy": ("boy", "man", "a boy"),
    "aqua background": ("cyan background", "teal background"),
    "grey background": ("gray background",),
    "purple background": ("violet background",),
    "beard": ("bearded",),
}
KEEP = {
    "1girl": 0.85,
    "1boy": 0.85,
    "solo": 0.4,
    "cartoon": 0.5,
    "flat color": 0.5,
    "outline": 0.5,
    "no lineart": 0.5,
}


def chosen_tags(tags: tuple[str, ...], rng: random.Random) -> list[str]:
    """Return the tags a prompt names: often nearly all, sometimes a few, never shuffled away from the person in front."""
    drop = rng.choice((0.0, 0.1, 0.3, 0.6))
    kept = [tag for tag in tags if rng.random() < KEEP.get(tag, 1.0) and rng.random() >= drop]
    first = [tag for tag in kept if tag in ("1girl", "1boy", "solo")] if rng.random() < 0.7 else []
    rest = [tag for tag in kept if tag not in first]
    rng.shuffle(rest)
    return first + rest


def sentence(tags: list[str], rng: random.Random) -> str:
    """Return the tags as a sentence."""
    person = {"1girl": "a girl", "1boy": "a boy"}.get(
        next((tag for tag in tags if tag[0] == "1"), ""), "a person"
    )
    background = [tag for tag in tags if tag.endswith("background")]
    rest = [tag for tag in tags if tag not in background and tag not in ("1girl", "1boy", "solo")]
    opening = rng.choice(("", "a picture of ", "a portrait of ", "an avatar of ", "a drawing of "))
    text = opening + person + (" with " + " and ".join(rest) if rest else "")
    return text + "".join(f" on a {tag}" for tag in background)


def phrase(kept: list[str], rng: random.Random, strange: tuple[str, ...] = ()) -> str:
    """Return chosen tags as text; `strange` words are sometimes put in, so that unknown words change little."""
    kept = [rng.choice(SYNONYMS[tag]) if tag in SYNONYMS and rng.random() < 0.08 else tag for tag in kept]
    if strange and rng.random() < 0.05:
        kept.insert(rng.randrange(len(kept) + 1), rng.choice(strange))
    if kept and rng.random() < 0.1:
        return sentence(kept, rng)
    return (", " if rng.random() < 0.95 else " ").join(kept)


def prompt(tags: tuple[str, ...], rng: random.Random, strange: tuple[str, ...] = ()) -> str:
    """Return a training prompt; one in ten is empty, for classifier-free guidance."""
    return "" if rng.random() < 0.1 else phrase(chosen_tags(tags, rng), rng, strange)
