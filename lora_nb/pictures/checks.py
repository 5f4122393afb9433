"""The checks on pictures there are: what each measures, how bad it is, what its button does. A new one is a row."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lora_nb.config.pictures import CheckConfig
from lora_nb.pictures.findings import HURTS, MINOR, SPOILS, Action, Finding
from lora_nb.pictures.measures import Measures
from lora_nb.wording import counted

NEIGHBOURS = 3
LEAST_TO_COMPARE = 6  # pictures: among fewer none is the odd one


@dataclass(frozen=True)
class Seen:
    """What the checks look at: each picture's measures, the vectors to compare by, the share of each that is text.

    `by` says in words what the vectors are. `text` is empty where no text was looked for.
    """

    measures: tuple[Measures, ...]
    vectors: np.ndarray
    by: str
    text: tuple[float, ...] = ()


Found = list[tuple[tuple[Path, ...], str]]  # pictures, none for the whole set, and what is to be said of them


@dataclass(frozen=True)
class Check:
    """A check: its name, its label for people, what it measures, the setting of its threshold (0: it is off)."""

    name: str
    label: str
    measures: str
    threshold: str
    harm: int
    action: Action
    look: Callable[[Seen, float, CheckConfig], Found]


def _of_each(
    say: Callable[[Measures, float, CheckConfig], str],
) -> Callable[[Seen, float, CheckConfig], Found]:
    """A check of each picture by itself, from what is to be said of one ("": nothing)."""

    def look(seen: Seen, threshold: float, config: CheckConfig) -> Found:
        said = ((one.path, say(one, threshold, config)) for one in seen.measures)
        return [((path,), words) for path, words in said if words]

    return look


def _blurred(one: Measures, least: float, config: CheckConfig) -> str:
    if one.sharpness >= least:
        return ""
    return f"blurred at {config.training_side} pixels: sharpness {one.sharpness:.3f}, others have {least:g} or more"


def _small(one: Measures, least: float, config: CheckConfig) -> str:
    if one.width * one.height >= least**2:
        return ""
    return f"{one.width}x{one.height}: less than {least:g}x{least:g}, the trainer would enlarge it"


def _extreme(one: Measures, most: float, config: CheckConfig) -> str:
    if one.aspect <= most:
        return ""
    return (
        f"{one.width}x{one.height}: one side is {one.aspect:.1f} times the other, much of it would be cut off"
    )


def _empty(one: Measures, most: float, config: CheckConfig) -> str:
    return f"nearly empty: {one.flat:.0%} of it has no structure" if one.flat > most else ""


def _clipped(one: Measures, most: float, config: CheckConfig) -> str:
    if max(one.dark, one.bright) <= most or one.flat > config.max_flat > 0:
        return ""
    share, what = max((one.dark, "black"), (one.bright, "white"))
    return f"{share:.0%} of it is {what} without detail: {'under' if what == 'black' else 'over'}-exposed"


def _text(seen: Seen, most: float, config: CheckConfig) -> Found:
    pairs = zip(seen.measures, seen.text, strict=True) if seen.text else ()
    words = "text on {:.0%} of it: a watermark or a caption, which a LoRA learns too"
    return [((one.path,), words.format(share)) for one, share in pairs if share > most]


def apart(vectors: np.ndarray) -> np.ndarray:
    """How far each picture lies from its nearest few others: half the Euclidean distance of vectors of length 1."""
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    distance = np.sqrt(np.maximum(2 - 2 * unit @ unit.T, 0)) / 2
    np.fill_diagonal(distance, np.inf)
    return np.sort(distance, axis=1)[:, : min(NEIGHBOURS, len(vectors) - 1)].mean(axis=1)


def _odd(seen: Seen, most: float, config: CheckConfig) -> Found:
    if len(seen.measures) < LEAST_TO_COMPARE:
        return []
    far = apart(seen.vectors)
    usual = max(float(np.median(far)), 1e-6)
    words = "unlike the others: {:.1f} times as far from them as is usual here, by {}"
    return [
        ((one.path,), words.format(distance / usual, seen.by))
        for one, distance in zip(seen.measures, far.tolist(), strict=True)
        if distance / usual > most
    ]


def _alike(seen: Seen, least: float, config: CheckConfig) -> Found:
    if len(seen.measures) < LEAST_TO_COMPARE:
        return []
    usual = float(np.median(apart(seen.vectors)))
    words = f"the pictures are much alike (they lie {usual:.3f} apart by {seen.by}): a LoRA learns all that they share"
    return [((), words)] if usual < least else []


def _few(seen: Seen, least: float, config: CheckConfig) -> Found:
    number = len(seen.measures)
    words = f"{counted(number, 'picture')}: with fewer than {least:g} a LoRA learns them by heart; "
    words += "more, different ones help"
    return [((), words)] if number < least else []


CHECKS = (
    Check("blur", "Blurred", "the spread of the Laplacian at the size of training", "min_sharpness",
          HURTS, "set_aside", _of_each(_blurred)),
    Check("small", "Too small", "width by height", "training_side", HURTS, "set_aside", _of_each(_small)),
    Check("shape", "Extreme shape", "the longer side by the shorter one", "max_aspect",
          HURTS, "crop", _of_each(_extreme)),
    Check("empty", "Nearly empty", "the share without structure", "max_flat",
          HURTS, "set_aside", _of_each(_empty)),
    Check("exposure", "Under- or over-exposed", "the share that is black or white", "max_clipped",
          MINOR, "set_aside", _of_each(_clipped)),
    Check("text", "Text or watermark likely", "the share that rapidocr finds text on; it reads no logos", "max_text",
          HURTS, "set_aside", _text),
    Check("odd", "Odd one out", "how far it lies from the others", "max_oddness", MINOR, "set_aside", _odd),
    Check("alike", "Too alike as a set", "how far the pictures lie apart", "min_variety", MINOR, "show", _alike),
    Check("few", "Few pictures", "their number", "min_pictures", SPOILS, "show", _few),
)  # fmt: skip


def run_checks(seen: Seen, config: CheckConfig) -> tuple[Finding, ...]:
    """What the checks find, in the order of the table."""
    return tuple(
        Finding(check.name, pictures, sentence, check.harm, check.action)
        for check in CHECKS
        if (threshold := getattr(config, check.threshold))
        for pictures, sentence in check.look(seen, threshold, config)
    )


def labels() -> dict[str, str]:
    """The label of every kind of finding, those of broken pictures and copies among them."""
    return {
        "broken": "Cannot be read",
        "copies": "Nearly the same",
        **{one.name: one.label for one in CHECKS},
    }
