"""What a training run will do, known before any weights are loaded."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lora_nb import events, hub, project
from lora_nb.bases import lookup
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
    if not config.train_data_dir:
        raise ValueError("train_data_dir is empty: give the folder with your pictures")
    folders = project.folders_of_dataset(Path(config.train_data_dir))
    output_dir = config.output_dir or str(folders.output)
    output_name = config.output_name or project.folders_of_output(Path(output_dir)).base.name
    for folder in (config.train_data_dir, output_dir):
        project.check_utf8(Path(folder).absolute())
    project.check_output_name(output_name)
    return replace(config, output_dir=output_dir, output_name=output_name)


def plan_run(config: TrainConfig, processes: int = 1, on_event: events.OnEvent = events.silent) -> RunPlan:
    """The plan of a run. Raises ValueError when the folder, its pictures or its captions do not allow one."""
    config = resolve(config)
    lookup.check_clip_skip(config.pretrained_model_name_or_path, config.clip_skip)
    resolution = config.resolution or lookup.native_resolution(config.pretrained_model_name_or_path)
    unit = lookup.picture_unit(config.pretrained_model_name_or_path)
    asked, config = config, fit(config, resolution, unit)
    found = _read_pictures(config, on_event)
    _check_base(config, found.items)
    captions, warnings = _captions(config, found.items)
    if found.broken:
        names = some([broken.path.name for broken in found.broken], MOST_NAMED)
        warnings.append(
            f"{len(found.broken)} unreadable files are left out: {names}. Dataset Maker sets them aside."
        )
    placements = tuple(place((item.width, item.height), resolution, config) for item in found.items)
    batches = count_batches(
        [placement.bucket for placement in placements],
        [item.num_repeats for item in found.items],
        config.train_batch_size,
    )
    steps_per_epoch = -(-batches // (processes * config.gradient_accumulation_steps))
    total = config.max_train_steps or config.max_train_epochs * steps_per_epoch
    epochs = -(-total // steps_per_epoch)
    lines = _step_math(config, found.items, steps_per_epoch, epochs, total) + _preservation(config)
    warnings += misfits(asked, resolution, unit) + _without_effect(asked, captions)
    if total > MANY_STEPS:
        warnings.append(
            f"{total} steps is a great deal: most LoRAs are done within 2000. Fewer epochs or repeats?"
        )
    return RunPlan(
        config,
        resolution,
        found.items,
        captions,
        placements,
        batches,
        steps_per_epoch,
        epochs,
        total,
        tuple(lines),
        tuple(warnings),
    )


def check_base(name: str, seconds: float = 5.0) -> None:
    """Raises ValueError, in one sentence, when the base `name` is not there to be loaded or is of another family.

    Headers and configurations are read, no weights. Hugging Face has `seconds` to answer; else its cache is asked.
    """
    found = lookup.resolve_base(name)
    if isinstance(found, str):
        lookup.check_family(hub.find_base(found, seconds), found)
    elif found.is_dir():
        for part in hub.WEIGHT_FILES:
            lookup.weight_file(found, part)


def _read_pictures(config: TrainConfig, on_event: events.OnEvent):
    folder = Path(config.train_data_dir)
    if not folder.is_dir():
        raise ValueError(f"{folder} does not exist: give the folder with your pictures as train_data_dir")
    found = scan(folder, config.num_repeats, config.caption_extension, on_event=on_event)
    if not found.items:
        raise ValueError(f"{folder} holds no pictures that can be read (jpg, png, webp, bmp, avif)")
    for subset in {item.path.parent for item in found.items}:
        project.check_utf8(subset)
    if found.unsure:
        names = some([caption_path(path, config.caption_extension).name for path in found.unsure], MOST_NAMED)
        raise ValueError(
            f"{len(found.unsure)} captions are not in UTF-8 and it is not sure what they say ({names}): save them as "
            f"UTF-8, or run `python -m lora_nb recode --train_data_dir {folder} --caption_encoding NAME`"
        )
    return found


def _check_base(config: TrainConfig, items: Sequence[ImageItem]) -> None:
    """Raise ValueError where no base is named, or the demo base for a person's own pictures without a yes."""
    base = config.pretrained_model_name_or_path.strip()
    if not base:
        raise ValueError(
            f"pretrained_model_name_or_path is empty: give the base to train on, such as {lookup.SD15} for photos"
        )
    if base == lookup.DEMO and not config.allow_demo_base and not example.are_examples(i.path for i in items):
        raise ValueError(
            f'pretrained_model_name_or_path = "{base}" is the small base of the example pictures, and not all of these '
            f"are among them: give a real base such as {lookup.SD15}, or allow_demo_base = true to only try things out"
        )


def _captions(config: TrainConfig, items: Sequence[ImageItem]) -> tuple[tuple[str, ...], list[str]]:
    """One caption a picture; those without get the trigger word, or the name of their N_name folder, or none."""
    lacking = [item for item in items if not (item.caption or "").strip()]
    captions = tuple(
        (item.caption or "").strip() or config.trigger_word or _class_words(item) for item in items
    )
    if len(lacking) == len(items) and not any(captions):
        raise ValueError(
            f"none of the {len(items)} pictures in {config.train_data_dir} has a caption "
            f"({config.caption_extension} beside it): tag them in Dataset Maker first, or give a trigger_word"
        )
    return captions, _without_caption(config, items, lacking)


def _without_caption(
    config: TrainConfig, items: Sequence[ImageItem], lacking: Sequence[ImageItem]
) -> list[str]:
    """One sentence for each thing that pictures without a caption are trained with instead."""
    instead: dict[str, list[str]] = defaultdict(list)
    for item in lacking:
        words = config.trigger_word or _class_words(item)
        origin = "" if config.trigger_word else ", from their folder's name"
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
    batch = config.train_batch_size * config.gradient_accumulation_steps
    lines.append(
        f"📉 Divide {appearances} steps by {batch} batch size to get {_number(appearances / batch)} steps per epoch."
    )
    around = int(appearances / batch * epochs)
    if config.max_train_steps:
        lines.append(f"🔮 There will be {total} steps, over {epochs} epochs.")
    else:
        lines.append(f"🔮 There will be {epochs} epochs, for around {around} total training steps.")
    lines.append(f"🎯 Exactly, with buckets: {per_epoch} steps per epoch, {total} in all.")
    return lines


def _preservation(config: TrainConfig) -> list[str]:
    """What the base is held to, which differs with a trained text encoder."""
    if not config.diff_output_preservation:
        return []
    word = config.diff_output_preservation_class
    where = f'with "{word}" in the place of the trigger word' if word else "without the trigger word"
    who = (
        "U-Net and text encoder, both trained, together answer"
        if config.text_encoder_lr
        else "the U-Net answers"
    )
    return [f"🧷 Preservation: {where}, {who} as the untrained base does."]


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


def _why_nothing_is_preserved(config: TrainConfig) -> str:
    if not config.trigger_word:
        return "there is no trigger_word"
    if same_tag(config.diff_output_preservation_class) == same_tag(config.trigger_word):
        return "it puts the trigger_word in its own place"
    return "no caption holds the trigger_word"


def _without_effect(config: TrainConfig, captions: Sequence[str]) -> list[str]:
    """Settings that do nothing in this combination, one sentence each."""
    changed = {
        name: getattr(config, name) != getattr(TrainConfig(), name)
        for name in ("lr_warmup_steps", "lr_scheduler_num_cycles", "lr_scheduler_power", "keep_tokens")
    }
    class_word = config.diff_output_preservation_class
    cases = [
        (
            changed["lr_warmup_steps"] and config.lr_warmup_steps and config.lr_scheduler == "constant",
            "lr_warmup_steps has no effect with lr_scheduler = constant; constant_with_warmup has one",
        ),
        (
            changed["lr_scheduler_num_cycles"] and config.lr_scheduler != "cosine_with_restarts",
            "lr_scheduler_num_cycles only works with cosine_with_restarts",
        ),
        (
            changed["lr_scheduler_power"] and config.lr_scheduler != "polynomial",
            "lr_scheduler_power only works with polynomial",
        ),
        (
            changed["keep_tokens"] and config.keep_tokens and not config.shuffle_caption,
            "keep_tokens has no effect without shuffle_caption",
        ),
        (
            config.diff_output_preservation
            and all(
                replace_trigger(caption, config.trigger_word, class_word) == caption for caption in captions
            ),
            "diff_output_preservation has no effect: " + _why_nothing_is_preserved(config),
        ),
        (
            class_word and not config.diff_output_preservation,
            "diff_output_preservation_class has no effect without diff_output_preservation",
        ),
        (
            config.diff_output_preservation_share != 1 and not config.diff_output_preservation,
            "diff_output_preservation_share has no effect without diff_output_preservation",
        ),
        (config.no_metadata and config.training_comment, "training_comment has no effect with no_metadata"),
    ]
    return [sentence for holds, sentence in cases if holds]
