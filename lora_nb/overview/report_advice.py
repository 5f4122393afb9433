"""What makes a good set of a character, a style, an object, a concept: sentences, each with who says so."""

from dataclasses import dataclass

FEWEST, STEPS_A_PICTURE, STEPS = 15, 100, 1500

KEYFRAME = "Keyframe, a tutorial on training a LoRA with own data (2025-11-16, in Chinese), 1.1"
ARTLAB = "Alibaba Cloud PAI ArtLab, Kohya (Exclusive Edition)"
DCAI = "DCAI, How to create an original character LoRA (2025-04-13)"
KOHYA_COLAB = "https://github.com/hollowstrawberry/kohya-colab"
CLOSE_UPS = "https://civitai.com/articles/31467"


@dataclass(frozen=True)
class Advice:
    """A sentence, and its source."""

    sentence: str
    source: str


FOR_ALL = (
    Advice(
        f"More than {FEWEST} pictures, better 20; at least {STEPS_A_PICTURE} steps a picture and {STEPS} in all.",
        KEYFRAME,
    ),
    Advice(
        "Clear pictures, without watermarks, unusual light or angles, or things that nobody can name.", ARTLAB
    ),
    Advice("Pictures x repeats between 200 and 400, ten epochs.", KOHYA_COLAB),
)
BY_PURPOSE = {
    "character": (
        Advice("Other expressions, postures, clothes, views, places and light in each picture.", KEYFRAME),
        Advice("About a third of them close-ups of the face.", CLOSE_UPS),
        Advice("Not one background for all: with it the LoRA forgets how to draw others.", DCAI),
    ),
    "style": (
        Advice("One style in many subjects: 15 pictures of 768 pixels taught one of oil paintings.", ARTLAB),
        Advice(
            "Fewer tags: a general_threshold of 0.5, so that the style itself is not written down.",
            KOHYA_COLAB,
        ),
    ),
    "object": (
        Advice("The thing large and alone, in simple surroundings that change.", KEYFRAME),
        Advice("Say first which of its features count: pictures and captions follow from that.", DCAI),
    ),
    "concept": (
        Advice(
            "Many tags: a general_threshold of 0.25, so that all that is not the concept is written down.",
            KOHYA_COLAB,
        ),
        Advice("Say first what is to be learnt, and leave out pictures that show it unclearly.", DCAI),
    ),
}


def advice(purpose: str) -> tuple[Advice, ...]:
    """What is said to a LoRA of this purpose."""
    return (*FOR_ALL, *BY_PURPOSE[purpose])
