"""The sampling of avatars: random options for the generator, and the tags that are exactly true of them."""

import random
from dataclasses import dataclass

from palette import BACKGROUND, CLOTHES, DARK_SKIN, GLASSES, HAIR, LIGHT_SKIN, jitter
from settings import CHARACTER_STYLE
from styles import STYLES, Style

FEMALE = {
    "long hair",
    "very long hair",
    "twintails",
    "braid",
    "hair bun",
    "double bun",
    "ponytail",
    "bob cut",
    "hair flower",
}
OPTIONAL = ("accessories", "glasses", "facialHair", "beard", "features", "earrings", "rearHair", "freckles")


@dataclass(frozen=True)
class Avatar:
    """One picture before it is drawn: generator options, background colours (top, bottom), tags, style."""

    style: str
    options: dict
    background: tuple[str, str]
    tags: tuple[str, ...]


def _pick(table: dict, rng: random.Random) -> tuple[str, tuple[str, ...]]:
    """Return a random option of a table with its tags, each set of tags equally likely, so that rare words are learned."""
    groups: dict[tuple, list[str]] = {}
    for option, tags in table.items():
        groups.setdefault(tags, []).append(option)
    tags = rng.choice(list(groups))
    return rng.choice(groups[tags]), tags


def is_character(avatar: Avatar) -> bool:
    """Return whether an avatar has the hair that only the held-out character has: aqua, long and wavy, in its style."""
    return avatar.style == CHARACTER_STYLE and {"aqua hair", "long hair"} <= set(avatar.tags)


def sample_avatar(style: str, rng: random.Random) -> Avatar:
    """Return a random avatar of a style that is not the held-out character."""
    while True:
        avatar = _sample(style, rng)
        if not is_character(avatar):
            return avatar


def _hair(parts: Style, rng: random.Random, options: dict) -> tuple[list[str], str]:
    """Set the hair; return its tags and the name of its colour."""
    colour = rng.choice(list(HAIR))
    options["hairColor"] = [jitter(HAIR[colour], rng)]
    option, tags = _pick(parts.hair, rng)
    options["hair"] = [option]
    tags = list(tags)
    if parts.rear_hair and option != "bun":
        if rng.random() < 0.6:
            rear, rear_tags = _pick(parts.rear_hair, rng)
            options |= {"rearHair": [rear], "rearHairProbability": 100}
            tags = [tag for tag in tags if tag != "short hair"] + list(rear_tags)
        elif "short hair" not in tags:
            tags.append("short hair")
    return (tags if "bald" in tags else [f"{colour} hair", *tags]), colour


def _face(parts: Style, rng: random.Random, options: dict) -> list[str]:
    """Set mouth, eyes and glasses; return their tags."""
    option, mouth = _pick(parts.mouth, rng)
    options[parts.mouth_option] = [option]
    tags = list(mouth)
    worn: tuple[str, ...] = ()
    if parts.glasses and rng.random() < parts.eyewear_share:
        option, worn = _pick(parts.glasses, rng)
        options |= {"glasses": [option], "glassesProbability": 100, "glassesColor": [rng.choice(GLASSES)]}
    if parts.eyes:
        eyewear = {key: value for key, value in parts.eyes.items() if set(value) & {"glasses", "sunglasses"}}
        table = (
            eyewear
            if eyewear and rng.random() < parts.eyewear_share
            else {key: value for key, value in parts.eyes.items() if key not in eyewear}
        )
        open_eyes = {key: value for key, value in table.items() if not value}
        option, eyes = _pick(open_eyes if open_eyes and (worn or rng.random() < 0.5) else table, rng)
        options["eyes"] = [option]
        tags += eyes
    return tags + list(worn)


def _clothes(parts: Style, rng: random.Random, options: dict, avoid: str) -> list[str]:
    """Set the clothes in a colour other than `avoid`; return their tags."""
    if not parts.clothes:
        return []
    colour = rng.choice([name for name in CLOTHES if name != avoid])
    option, (noun, *more) = _pick(parts.clothes, rng)
    options |= {parts.clothes_option: [option], parts.clothes_colour: [jitter(CLOTHES[colour], rng)]}
    return [f"{colour} {noun}", *more]


def background(rng: random.Random, avoid: str) -> tuple[tuple[str, str], list[str], str]:
    """Return (top, bottom) colours, their tags and the colour's name; one in seven is a gradient."""
    name = rng.choice([colour for colour in BACKGROUND if colour != avoid])
    top = jitter(BACKGROUND[name], rng, 0.6)
    if name in ("white", "black", "grey") or rng.random() > 0.15:
        return (top, top), [f"{name} background"], name
    pale = "".join(f"{(int(top[i : i + 2], 16) + 2 * 255) // 3:02x}" for i in (0, 2, 4))
    return (top, pale), [f"{name} background", "gradient background"], name


def framing(style: str, rng: random.Random, wide: bool = False) -> dict:
    """Return scale and shift in per cent; busts never leave the lower edge. `wide` varies more, as collected pictures do."""
    reach = 2 if wide else 1
    across = rng.randint(-4 * reach, 4 * reach)
    if STYLES[style].clothes:
        scale = rng.randint(98 if wide else 100, 108 + 6 * reach)
        return {"scale": scale, "translateX": across, "translateY": rng.randint(1, 2 + 3 * reach)}
    return {
        "scale": rng.randint(96 - 4 * reach, 106 + 4 * reach),
        "translateX": across,
        "translateY": rng.randint(-2 * reach, 2 * reach),
    }


def _sample(style: str, rng: random.Random) -> Avatar:
    """Return a random avatar of a style."""
    parts = STYLES[style]
    options: dict = {"seed": str(rng.random()), "backgroundColor": ["transparent"]} | {
        f"{part}Probability": 0 for part in OPTIONAL
    }
    hair, colour = _hair(parts, rng, options)
    back, back_tags, back_name = background(rng, avoid=colour)
    tags = hair + _face(parts, rng, options)
    if parts.beard and not FEMALE & set(hair) and rng.random() < 0.3:
        option, beard = _pick(parts.beard, rng)
        options |= {
            parts.beard_option: [option],
            f"{parts.beard_option}Probability": 100,
            "facialHairColor": options["hairColor"],
        }
        tags += beard
    tags += _clothes(parts, rng, options, avoid=back_name)
    dark = rng.random() < 0.3
    options[parts.skin_option] = [jitter(rng.choice(DARK_SKIN if dark else LIGHT_SKIN), rng, 0.4)]
    tags += ["dark skin"] if dark else []
    options |= framing(style, rng)
    for option, values in parts.free.items():
        options[option] = [rng.choice(values)]
    person = "1girl" if FEMALE & set(hair) and not {"beard", "mustache"} & set(tags) else "1boy"
    return Avatar(
        style, options, back, (person, "solo", *tags, *back_tags, *([parts.word] if parts.word else []))
    )


def sample_character(rng: random.Random) -> Avatar:
    """Return the held-out character: fixed hair, face, skin and glasses; other expression, clothes and background each time."""
    parts = STYLES[CHARACTER_STYLE]
    options: dict = {"seed": "mira", "backgroundColor": ["transparent"]} | {
        f"{part}Probability": 0 for part in OPTIONAL
    }
    mouth_option, mouth = _pick(parts.mouth, rng)
    eyes_option, eyes = _pick({key: value for key, value in parts.eyes.items() if key != "round"}, rng)
    back, back_tags, name = background(rng, avoid="aqua")
    clothes = _clothes(parts, rng, options, avoid=name)
    options |= {
        "hair": ["full"],
        "hairColor": ["35c4c8"],
        "baseColor": ["75462a"],
        "mouth": [mouth_option],
        "eyes": [eyes_option],
        "glasses": ["round"],
        "glassesProbability": 100,
        "glassesColor": ["f4d150"],
        "nose": ["curve"],
        "ears": ["attached"],
        "eyebrows": ["eyelashesUp"],
        "earrings": ["hoop"],
        "earringsProbability": 100,
        "earringColor": ["f4d150"],
    }
    options |= framing(CHARACTER_STYLE, rng, wide=True)
    tags = (
        "1girl",
        "solo",
        "aqua hair",
        "long hair",
        "wavy hair",
        *mouth,
        *eyes,
        "glasses",
        "round eyewear",
        *clothes,
        "dark skin",
        *back_tags,
        parts.word,
    )
    return Avatar(CHARACTER_STYLE, options, back, tags)
