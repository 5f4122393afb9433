"""The settings of a run that follow from a few answers: purpose, base, machine, number of pictures."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lora_nb import lengths, presets, settings
from lora_nb.bases import catalogue, lookup, suggested
from lora_nb.bases.families import FAMILIES, USUAL, Family
from lora_nb.captioning import medium
from lora_nb.config.project import Handover
from lora_nb.config.training import PURPOSES, TrainConfig
from lora_nb.dataset import handover, images

BASE = "pretrained_model_name_or_path"
CPU = "cpu"
UNSAID = 10**9  # repeats that no folder is called by
DEMO_LENGTH = lengths.Rule(repeats=12, epochs=4)
DEMO_RATES = (1e-3, 1e-2)


@dataclass(frozen=True)
class Answers:
    """What a person knows before the first run.

    `base` is a name of a base as a run has it, `machine` the name of a preset for machines; "" leaves either out.
    `pictures` are those whose repeats no folder's name says; `known` is what Dataset Maker learnt.
    """

    purpose: str = "character"
    base: str = ""
    machine: str = ""
    pictures: int = 0
    known: Handover = field(default_factory=Handover)


@dataclass(frozen=True)
class Advised:
    """Settings by their names, with a sentence for each that follows a rule.

    `lacks` are the settings that have no place on such a base, `rates` the lowest and highest usual learning rate on
    it; `title` is what people call its family, `sources` the presets the settings come from.
    """

    values: Mapping[str, Any]
    reasons: Mapping[str, str] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    rates: tuple[float, float] = (0.0, 10.0)
    title: str = ""
    sources: tuple[str, ...] = ()


def advise(answers: Answers) -> Advised:
    """What suits these answers. Raises ValueError for a purpose or a machine there is no preset for."""
    if answers.purpose not in PURPOSES:
        raise ValueError(f'purpose = "{answers.purpose}" is not known; there are {", ".join(PURPOSES)}')
    name, family = _family(answers.base)
    demo = answers.base == suggested.DEMO
    rule = DEMO_LENGTH if demo else family.length
    sources = _sources(answers, name)
    given = presets.put_together(sources) | _of_base(answers.base, family)
    values = {key: value for key, value in given.items() if key not in family.lacks}
    values |= _length(values, answers, rule) | {"purpose": answers.purpose, BASE: answers.base}
    values |= {
        "sample_at_first": values.get("sample_every_n_epochs") != 0
    }  # to set the others beside the base's own
    made = settings.from_dict(TrainConfig, values)
    all_of_it = settings.values_of(made)
    values = {key: all_of_it[key] for key in values} | _of_captions(answers.known, made)
    return Advised(
        values=values,
        reasons=_reasons(values, answers, rule),
        lacks=(*family.lacks, *_of_prediction(answers.base)),
        rates=DEMO_RATES if demo else family.rates,
        title="the small built-in base" if demo else family.title,
        sources=sources,
    )


def _family(base: str) -> tuple[str, Family]:
    """The family of a base with its name in the table; the usual one where it is not known yet."""
    found = FAMILIES[USUAL]
    with suppress(ValueError, OSError):
        found = lookup.family_of(base) if base else found
    return next(name for name, each in FAMILIES.items() if each is found), found


def _sources(answers: Answers, family: str) -> tuple[str, ...]:
    """The presets for the answers; a family without its own has those of the usual one."""
    known = {preset.name for preset in presets.presets()}
    own = f"{answers.purpose}_{family}"
    purpose = own if own in known else f"{answers.purpose}_{USUAL}"
    if answers.base == suggested.DEMO:
        return purpose, CPU
    return (purpose, answers.machine) if answers.machine not in ("", CPU) else (purpose,)


def _of_base(base: str, family: Family) -> dict[str, Any]:
    """The size that the family was made for, and what the catalogue says of this base."""
    found: dict[str, Any] = {"allow_demo_base": False}
    if base == suggested.DEMO:
        return found
    with suppress(ValueError, OSError):
        found["resolution"] = family.resolution(lookup.located(base))
    entry = _entry(base)
    return found | dict(entry.recommended if entry else {})


def _entry(base: str) -> catalogue.Entry | None:
    """What the catalogue knows of a base, by its short name or by where it comes from."""
    return next((entry for entry in catalogue.read().entries if base in (entry.id, entry.source)), None)


def _of_prediction(base: str) -> tuple[str, ...]:
    """Settings that are for bases of the other prediction, where the catalogue says which one this is."""
    entry = _entry(base)
    if entry is None:
        return ()
    if entry.prediction_type == "v_prediction":
        return ("v_pred_like_loss",)
    return ("scale_v_pred_loss_like_noise_pred",)


def _of_captions(known: Handover, made: TrainConfig) -> dict[str, Any]:
    """What the captions of this dataset ask for, and the preset does not say."""
    if not (known.trigger_word or known.caption_kind):
        return {}
    before = settings.values_of(made.captions)
    after = settings.values_of(handover.for_training(known, made.captions))
    return {name: value for name, value in after.items() if value != before[name]}


def _length(values: Mapping[str, Any], answers: Answers, rule: lengths.Rule) -> dict[str, Any]:
    epochs = rule.epochs if answers.base == suggested.DEMO else values.get("max_train_epochs", rule.epochs)
    if not answers.pictures:
        return {"max_train_epochs": epochs}
    repeats = rule.repeats_of(answers.pictures)
    return {"num_repeats": repeats, "max_train_epochs": rule.epochs_of(answers.pictures, epochs)}


def _reasons(values: Mapping[str, Any], answers: Answers, rule: lengths.Rule) -> dict[str, str]:
    if not answers.pictures:
        return {}
    return {"num_repeats": rule.words(answers.pictures, values["max_train_epochs"])}


@dataclass(frozen=True)
class Seen:
    """The pictures of a dataset; `unsaid` of them have their repeats from the setting, no folder's name says them."""

    paths: tuple[Path, ...] = ()
    unsaid: int = 0


def look(dataset: Path) -> Seen:
    """The pictures in a folder; none where there is no such folder."""
    if not dataset.is_dir():
        return Seen()
    items = images.scan(dataset, num_repeats=UNSAID, verify=False).items
    return Seen(tuple(item.path for item in items), sum(item.num_repeats == UNSAID for item in items))


def kind_of(known: Handover, paths: Sequence[Path]) -> str:
    """What the pictures are, "photos" or "drawings": as Dataset Maker noted, or as they look; "" if unclear."""
    if known.medium or not paths:
        return known.medium
    return medium.judge(paths).medium


def base_for(kind: str) -> str:
    """The base to offer first for "photos", "drawings" or ""."""
    return suggested.FOR_DRAWINGS if kind == "drawings" else suggested.USUAL


def unusual(rates: tuple[float, float], value: float, title: str) -> str:
    """What to say of a learning rate outside what is usual on a family; "" for one inside, and for 0 (off)."""
    low, high = rates
    if not value or low <= value <= high:
        return ""
    far = "above" if value > high else "below"
    return f"{_plain(value)} is {far} what is usual for {title}: {_plain(low)} to {_plain(high)}"


def _plain(number: float) -> str:
    """Without an exponent."""
    return f"{number:.10f}".rstrip("0").rstrip(".")
