"""What each DiceBear style can show, in Danbooru words.

Every table maps the generator's option to the tags that describe it exactly; parts that mean nothing at 64 pixels are left out.
"""

from dataclasses import dataclass, field

Table = dict[str, tuple[str, ...]]


@dataclass(frozen=True)
class Style:
    """The controllable parts of one avatar style."""

    word: str  # the Danbooru word for its look; "" where it has none
    hair: Table
    mouth: Table
    eyes: Table
    skin_option: str
    mouth_option: str = "mouth"
    glasses: Table = field(default_factory=dict)  # a part of its own
    clothes: Table = field(default_factory=dict)  # garment nouns; the first takes the colour
    clothes_option: str = ""
    clothes_colour: str = ""
    beard: Table = field(default_factory=dict)
    beard_option: str = ""
    rear_hair: Table = field(default_factory=dict)
    eyewear_share: float = 0.0
    free: dict[str, tuple[str, ...]] = field(default_factory=dict)  # varied without a tag


def _numbered(prefix: str, rows: dict[tuple[str, ...], str]) -> Table:
    """Return a table from {tags: "01 02 03"} with each number behind `prefix`."""
    return {f"{prefix}{number}": tags for tags, numbers in rows.items() for number in numbers.split()}


ADVENTURER = Style(
    word="cartoon",
    hair=_numbered(
        "long",
        {
            ("medium hair", "bob cut"): "01 05",
            ("medium hair", "bangs"): "02",
            ("medium hair", "bangs", "hair flower"): "03",
            ("long hair",): "04 09",
            ("long hair", "wavy hair"): "06 17",
            ("long hair", "bangs"): "07",
            ("long hair", "bangs", "hair flower"): "08",
            ("hair bun",): "10 11 12",
            ("double bun",): "13 23",
            ("ponytail",): "14 19",
            ("twintails", "bangs"): "15",
            ("braid", "bangs"): "16",
            ("long hair", "wavy hair", "hair flower"): "18",
            ("medium hair", "hair over one eye"): "20",
            ("medium hair", "wavy hair"): "24",
            ("medium hair", "bob cut", "bangs"): "26",
            ("short hair", "bangs"): "21",
        },
    )
    | _numbered(
        "short",
        {
            ("short hair",): "01 06 10 11 14",
            ("short hair", "bangs"): "02 09",
            ("short hair", "curly hair"): "07 08 17",
            ("afro", "curly hair"): "03",
            ("short hair", "very short hair"): "04",
            ("mohawk", "spiked hair"): "15",
            ("spiked hair", "short hair"): "16",
            ("bald",): "19",
        },
    ),
    mouth=_numbered(
        "variant",
        {
            ("smile",): "29 02",
            ("smile", "grin"): "05 22 23",
            ("smile", "open mouth"): "25 26 27 30",
            ("frown",): "04 14",
            ("closed mouth",): "09 10",
            ("open mouth", "surprised"): "15 18",
            ("tongue out",): "16",
        },
    ),
    eyes=_numbered(
        "variant",
        {
            (): "03 24 25 26 01",
            ("closed eyes",): "19 20",
            ("one eye closed",): "22",
            ("half-closed eyes",): "04 17",
        },
    ),
    glasses=_numbered("variant", {("glasses",): "02 04 05", ("sunglasses",): "01"}),
    skin_option="skinColor",
    eyewear_share=0.33,
    free={"eyebrows": ("variant01", "variant04", "variant08", "variant10", "variant12")},
)

PERSONAS = Style(
    word="flat color",
    hair={
        "long": ("long hair",),
        "extraLong": ("long hair", "very long hair"),
        "sideShave": ("long hair", "hair over one eye"),
        "shortCombover": ("short hair",),
        "curlyHighTop": ("short hair", "curly hair"),
        "bobCut": ("medium hair", "bob cut"),
        "curly": ("afro", "curly hair"),
        "pigtails": ("twintails",),
        "bobBangs": ("medium hair", "bob cut", "bangs"),
        "buzzcut": ("short hair", "very short hair"),
        "bald": ("bald",),
        "fade": ("short hair",),
        "straightBun": ("hair bun", "hairband"),
        "shortComboverChops": ("short hair",),
        "mohawk": ("mohawk",),
        "curlyBun": ("hair bun", "curly hair", "hairband"),
    },
    mouth={
        "smile": ("smile",),
        "smirk": ("smile",),
        "bigSmile": ("smile", "open mouth"),
        "frown": ("frown",),
        "surprise": ("open mouth", "surprised"),
        "lips": ("closed mouth", "lips"),
    },
    eyes={
        "open": (),
        "sleep": ("closed eyes",),
        "happy": ("closed eyes",),
        "wink": ("one eye closed",),
        "glasses": ("glasses",),
        "sunglasses": ("sunglasses",),
    },
    clothes={"squared": ("shirt",), "rounded": ("shirt",), "checkered": ("shirt", "plaid")},
    clothes_option="body",
    clothes_colour="clothingColor",
    beard={"beardMustache": ("beard",), "walrus": ("mustache",), "pyramid": ("mustache",)},
    beard_option="facialHair",
    skin_option="skinColor",
    eyewear_share=0.40,
    free={"nose": ("mediumRound", "smallRound")},
)

MICAH = Style(
    word="outline",
    hair={
        "fonze": ("short hair",),
        "mrT": ("mohawk",),
        "mrClean": ("bald",),
        "dannyPhantom": ("medium hair", "bangs"),
        "full": ("long hair", "wavy hair"),
        "pixie": ("medium hair", "bob cut"),
    },
    mouth={
        "surprised": ("open mouth", "surprised"),
        "laughing": ("smile", "open mouth"),
        "smile": ("smile",),
        "smirk": ("smile",),
        "sad": ("frown",),
        "frown": ("frown",),
        "nervous": ("clenched teeth",),
        "pucker": ("closed mouth",),
    },
    eyes={"eyes": (), "round": (), "smiling": ("closed eyes",)},
    glasses={"round": ("glasses", "round eyewear"), "square": ("glasses",)},
    clothes={"open": ("shirt",), "crew": ("shirt",), "collared": ("shirt", "collared shirt")},
    clothes_option="shirt",
    clothes_colour="shirtColor",
    beard={"beard": ("beard",)},
    beard_option="facialHair",
    skin_option="baseColor",
    eyewear_share=0.40,
    free={
        "nose": ("curve", "pointed", "tound"),
        "ears": ("attached", "detached"),
        "eyebrows": ("up", "down", "eyelashesUp"),
    },
)

TOONHEAD = Style(
    word="no lineart",
    hair={
        "sideComed": ("short hair",),
        "undercut": ("short hair",),
        "spiky": ("spiked hair",),
        "bun": ("hair bun",),
    },
    rear_hair={
        "longStraight": ("long hair",),
        "longWavy": ("long hair", "wavy hair"),
        "shoulderHigh": ("medium hair",),
        "neckHigh": ("medium hair",),
    },
    mouth={
        "laugh": ("smile", "open mouth"),
        "smile": ("smile",),
        "sad": ("frown",),
        "angry": ("angry", "clenched teeth"),
        "agape": ("open mouth", "surprised"),
    },
    eyes={
        "happy": (),
        "wide": (),
        "bow": ("closed eyes",),
        "humble": ("closed eyes",),
        "wink": ("one eye closed",),
    },
    clothes={
        "turtleNeck": ("sweater", "turtleneck"),
        "openJacket": ("jacket",),
        "dress": ("shirt", "sleeveless"),
        "shirt": ("shirt", "collared shirt"),
        "tShirt": ("shirt",),
    },
    clothes_option="clothes",
    clothes_colour="clothesColor",
    beard={"fullBeard": ("beard",), "longBeard": ("beard",), "moustacheTwirl": ("mustache",)},
    beard_option="beard",
    skin_option="skinColor",
    free={"eyebrows": ("raised", "happy", "neutral")},
)

DYLAN = Style(
    word="",
    hair={
        "plain": ("short hair",),
        "parting": ("short hair",),
        "wavy": ("short hair",),
        "flatTop": ("short hair",),
        "shortCurls": ("short hair", "curly hair"),
        "longCurls": ("long hair", "curly hair"),
        "spiky": ("spiked hair", "short hair"),
        "roundBob": ("long hair",),
        "bangs": ("medium hair", "bob cut", "bangs"),
        "shaggy": ("medium hair", "bangs"),
        "buns": ("double bun", "bangs"),
        "fluffy": ("medium hair",),
    },
    mouth={
        "happy": ("smile",),
        "hopeful": ("smile",),
        "superHappy": ("smile", "open mouth"),
        "sad": ("frown",),
        "angry": ("frown", "angry"),
        "neutral": ("closed mouth",),
    },
    mouth_option="mood",
    eyes={},
    skin_option="skinColor",
)

STYLES = {
    "adventurer": ADVENTURER,
    "personas": PERSONAS,
    "micah": MICAH,
    "toonHead": TOONHEAD,
    "dylan": DYLAN,
}
