"""What a training run will do, known before any weights are loaded."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lora_nb import events, project, settings
from lora_nb.bases import lookup, suggested
from lora_nb.bases.families import Family
from lora_nb.config.training import TrainConfig
from lora_nb.dataset import example
from lora_nb.dataset.buckets import Placement, count_batches, fit, misfits, place
from lora_nb.dataset.captions import caption_path, replace_trigger, same_tag
from lora_nb.dataset.images import REPEATS, ImageItem, scan
from lora_nb.wording import some

MANY_STEPS = 10_000
MOST_NAMED = 5


@dataclass(frozen=True)
class RunPlan:
    """A resolved run: every path and size filled in, every picture placed, every step counted."""

    config: TrainConfig
    resolution: int
    items: tuple[ImageItem, ...]
    captions: tuple[str, ...]
    placements: tuple[Placement, ...]
    batches_per_epoch: int
    steps_per_epoch: int
    epochs: int
    total_steps: int
    lines: tuple[str, ...]
    warnings: tuple[str, ...]

    @property
    def buckets(self) -> tuple[tuple[int, int], ...]:
        return tuple(placement.bucket for placement in self.placements)

    @property
    def repeats(self) -> tuple[int, ...]:
        return tuple(item.num_repeats for item in self.items)


def resolve(config: TrainConfig) -> TrainConfig:
    """The config with its empty paths and names filled in from the dataset folder. Raises ValueError without one."""
    if not config.place.train_data_dir:
        raise ValueError("train_data_dir is empty: give the folder with your pictures")
    folders = project.folders_of_dataset(Path(config.place.train_data_dir))
    output_dir = config.place.output_dir or str(folders.output)
    output_name = config.place.output_name or project.folders_of_output(Path(output_dir)).base.name
    for folder in (config.place.train_data_dir, output_dir):
        project.check_utf8(Path(folder).absolute())
    project.check_output_name(output_name)
    return settings.replace(config, output_dir=output_dir, output_name=output_name)


def plan_run(config: TrainConfig, processes: int = 1, tell: events.Tell = events.silent) -> RunPlan:
    """The plan of a run. Raises ValueError when the folder, its pictures or its captions do not allow one."""
    config = resolve(config)
    name = lookup.located(config.base.pretrained_model_name_or_path)
    family = lookup.family_of(config.base.pretrained_model_name_or_path)
    family.check_text_layer(name, config.captions.clip_skip)
    resolution, unit = config.pictures.resolution or family.resolution(name), family.unit(name)
    asked, config = config, replace(config, pictures=fit(config.pictures, resolution, unit))
    found = _read_pictures(config, tell)
    _check_base(config, found.items)
    captions, warnings = _captions(config, found.items)
    if found.broken:
        names = some([broken.path.name for broken in found.broken], MOST_NAMED)
        warnings.append(
            f"{len(found.broken)} unreadable files are left out: {names}. Dataset Maker sets them aside."
        )
    placements = tuple(place((item.width, item.height), resolution, config.pictures) for item in found.items)
    batches = count_batches(
        [placement.bucket for placement in placements],
        [item.num_repeats for item in found.items],
        config.length.train_batch_size,
    )
    steps_per_epoch = -(-batches // (processes * config.length.gradient_accumulation_steps))
    total = config.length.max_train_steps or config.length.max_train_epochs * steps_per_epoch
    epochs = -(-total // steps_per_epoch)
    lines = _step_math(config, found.items, steps_per_epoch, epochs, total) + _preservation(config, family)
    warnings += (
        misfits(asked.pictures, resolution, unit) + settings.without_effect(asked) + _in_vain(asked, captions)
    )
    if total > MANY_STEPS:
        warnings.append(
            f"{total} steps is a great deal: most LoRAs are done within 2000. Fewer epochs or repeats?"
        )
    return RunPlan(
        config=config,
        resolution=resolution,
        items=found.items,
        captions=captions,
        placements=placements,
        batches_per_epoch=batches,
        steps_per_epoch=steps_per_epoch,
        epochs=epochs,
        total_steps=total,
        lines=tuple(lines),
        warnings=tuple(warnings),
    )


def _read_pictures(config: TrainConfig, tell: events.Tell):
    folder = Path(config.place.train_data_dir)
    if not folder.is_dir():
        raise ValueError(f"{folder} does not exist: give the folder with your pictures as train_data_dir")
    found = scan(folder, config.pictures.num_repeats, config.captions.caption_extension, tell=tell)
    if not found.items:
        raise ValueError(f"{folder} holds no pictures that can be read (jpg, png, webp, bmp, avif)")
    for subset in {item.path.parent for item in found.items}:
        project.check_utf8(subset)
    if found.unsure:
        names = some(
            [caption_path(path, config.captions.caption_extension).name for path in found.unsure], MOST_NAMED
        )
        raise ValueError(
            f"{len(found.unsure)} captions are not in UTF-8 and it is not sure what they say ({names}): save them as "
            f"UTF-8, or run `python -m lora_nb recode --train_data_dir {folder} --caption_encoding NAME`"
        )
    return found


def _check_base(config: TrainConfig, items: Sequence[ImageItem]) -> None:
    """Raise ValueError where no base is named, or the demo base for a person's own pictures without a yes."""
    base = config.base.pretrained_model_name_or_path.strip()
    if not base:
        raise ValueError(
            f"pretrained_model_name_or_path is empty: give the base to train on, such as {suggested.USUAL} for photos"
        )
    if (
        base == suggested.DEMO
        and not config.allow_demo_base
        and not example.are_examples(i.path for i in items)
    ):
        raise ValueError(
            f'pretrained_model_name_or_path = "{base}" is the small base of the example pictures, and not all of these '
            f"are among them: give a real base such as {suggested.USUAL}, or allow_demo_base = true to only try things "
            "out"
        )


def _captions(config: TrainConfig, items: Sequence[ImageItem]) -> tuple[tuple[str, ...], list[str]]:
    """One caption a picture; those without get the trigger word, or the name of their N_name folder, or none."""
    lacking = [item for item in items if not (item.caption or "").strip()]
    captions = tuple(
        (item.caption or "").strip() or config.captions.trigger_word or _class_words(item) for item in items
    )
    if len(lacking) == len(items) and not any(captions):
        raise ValueError(
            f"none of the {len(items)} pictures in {config.place.train_data_dir} has a caption "
            f"({config.captions.caption_extension} beside it): tag them in Dataset Maker first, or give a trigger_word"
        )
    return captions, _without_caption(config, items, lacking)


def _without_caption(
    config: TrainConfig, items: Sequence[ImageItem], lacking: Sequence[ImageItem]
) -> list[str]:
    """One sentence for each thing that pictures without a caption are trained with instead."""
    instead: dict[str, list[str]] = defaultdict(list)
    for item in lacking:
        words = config.captions.trigger_word or _class_words(item)
        origin = "" if config.captions.trigger_word else ", from their folder's name"
        empty = "an empty caption: give a trigger_word, or tag them"
        instead[f'"{words}"{origin}' if words else empty].append(item.path.name)
    return [
        f"{len(names)} of {len(items)} pictures have no caption and are trained with {words}: {some(names, MOST_NAMED)}"
        for words, names in instead.items()
    ]


def _class_words(item: ImageItem) -> str:
    """The words of an N_name folder; "" in any other."""
    match = REPEATS.fullmatch(item.subset)
    return match[2] if match else ""


def _step_math(
    config: TrainConfig, items: Sequence[ImageItem], per_epoch: int, epochs: int, total: int
) -> list[str]:
    """The sentences people know, then the exact count."""
    lines = []
    folders = Counter((item.subset, item.num_repeats) for item in items)
    for (subset, repeats), images in sorted(folders.items()):
        where = f" in {subset}" if len(folders) > 1 else ""
        lines.append(
            f"📈 Found {images} images{where} with {repeats} repeats, equaling {images * repeats} steps."
        )
    appearances = sum(item.num_repeats for item in items)
    batch = config.length.train_batch_size * config.length.gradient_accumulation_steps
    lines.append(
        f"📉 Divide {appearances} steps by {batch} batch size to get {_number(appearances / batch)} steps per epoch."
    )
    around = int(appearances / batch * epochs)
    if config.length.max_train_steps:
        lines.append(f"🔮 There will be {total} steps, over {epochs} epochs.")
    else:
        lines.append(f"🔮 There will be {epochs} epochs, for around {around} total training steps.")
    lines.append(f"🎯 Exactly, with buckets: {per_epoch} steps per epoch, {total} in all.")
    return lines


def _preservation(config: TrainConfig, family: Family) -> list[str]:
    """What the base is held to, which differs where what reads text is trained."""
    if not config.loss.diff_output_preservation:
        return []
    word = config.loss.diff_output_preservation_class
    where = f'with "{word}" in the place of the trigger word' if word else "without the trigger word"
    who = (
        f"{family.denoiser_name} and {family.text_name}, both trained, together answer"
        if config.learning.text_encoder_lr
        else f"the {family.denoiser_name} answers"
    )
    return [f"🧷 Preservation: {where}, {who} as the untrained base does."]


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _why_nothing_is_preserved(config: TrainConfig) -> str:
    if not config.captions.trigger_word:
        return "there is no trigger_word"
    if same_tag(config.loss.diff_output_preservation_class) == same_tag(config.captions.trigger_word):
        return "it puts the trigger_word in its own place"
    return "no caption holds the trigger_word"


def _in_vain(config: TrainConfig, captions: Sequence[str]) -> list[str]:
    """Preservation that has nothing to preserve with these captions."""
    trigger, class_word = config.captions.trigger_word, config.loss.diff_output_preservation_class
    if not config.loss.diff_output_preservation or any(
        replace_trigger(caption, trigger, class_word) != caption for caption in captions
    ):
        return []
    return ["diff_output_preservation has no effect: " + _why_nothing_is_preserved(config)]
