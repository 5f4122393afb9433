"""What a training run will do, known before any weights are loaded."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lora_nb import events, project, settings
from lora_nb.bases import lookup, suggested
from lora_nb.config.training import TrainConfig
from lora_nb.dataset import example
from lora_nb.dataset.buckets import Size, count_batches, fit
from lora_nb.dataset.images import ImageItem
from lora_nb.dataset.variation import with_ends
from lora_nb.training import checks, plan_words
from lora_nb.training.examples import Example, count, examples_of, find, once_each
from lora_nb.training.held_out import hold_out
from lora_nb.training.run_plan import RunPlan, kinds_of
from lora_nb.wording import counted


def resolve(config: TrainConfig) -> TrainConfig:
    """The config with its empty paths and names filled in from the dataset folder. Raises ValueError without one."""
    config = _with_folder(config)
    folders = project.folders_of_dataset(Path(config.place.train_data_dir))
    output_dir = config.place.output_dir or str(folders.output)
    output_name = config.place.output_name or project.folders_of_output(Path(output_dir)).base.name
    for folder in (config.place.train_data_dir, output_dir):
        project.check_utf8(Path(folder).absolute())
    project.check_output_name(output_name)
    return settings.replace(config, output_dir=output_dir, output_name=output_name)


def _with_folder(config: TrainConfig) -> TrainConfig:
    """The config with a dataset folder: its own, or that of its dataset_config where the output has a place."""
    if config.place.train_data_dir:
        return config
    if not config.pictures.dataset_config:
        raise ValueError("train_data_dir is empty: give the folder with your pictures")
    if not config.place.output_dir:
        raise ValueError("train_data_dir and output_dir are empty: with a dataset_config, give one of them")
    return settings.replace(
        config, train_data_dir=str(Path(config.pictures.dataset_config).absolute().parent)
    )


def plan_run(config: TrainConfig, processes: int = 1, tell: events.Tell = events.silent) -> RunPlan:
    """The plan of a run. Raises ValueError when the folder, its pictures or its captions do not allow one."""
    config = resolve(config)
    name = lookup.located(config.base.pretrained_model_name_or_path)
    family = lookup.family_of(config.base.pretrained_model_name_or_path)
    family.check_text_layer(name, config.captions.clip_skip)
    native, unit = family.resolution(name), family.unit(name)
    found, held_out = hold_out(config, find(config, tell))
    _check_base(config, [item for item, _ in found.pictures])
    examples = examples_of(config, found, native, unit)
    _refuse_captionless(config, examples)
    sizes = tuple(dict.fromkeys(each.size for each in examples))
    plan = _counted(_fitted(config, sizes, unit), sizes, examples, processes)
    plan = replace(plan, held_out=once_each(examples_of(config, held_out, native, unit)))
    lines = plan_words.lines(plan, family)
    lines += checks.sentences(plan, checks.checks_of(plan))
    return replace(plan, lines=lines, warnings=plan_words.warnings(config, plan, found, unit))


def _counted(
    config: TrainConfig, sizes: tuple[Size, ...], examples: tuple[Example, ...], processes: int
) -> RunPlan:
    """The plan with its steps counted, and nothing said of it yet."""
    counts, (kinds, batch_sizes) = count(examples, config.pictures.balance), kinds_of(examples)
    batches = count_batches(kinds, counts.in_epoch(1), batch_sizes)
    per_step = processes * config.length.gradient_accumulation_steps
    steps_per_epoch = -(-batches // per_step)
    total = config.length.max_train_steps or config.length.max_train_epochs * steps_per_epoch
    return RunPlan(
        config=config,
        sizes=sizes,
        examples=examples,
        counts=counts,
        batches_per_epoch=batches,
        batches_per_step=per_step,
        steps_per_epoch=steps_per_epoch,
        epochs=-(-total // steps_per_epoch),
        total_steps=total,
        lines=(),
        warnings=(),
    )


def _refuse_captionless(config: TrainConfig, examples: Sequence[Example]) -> None:
    """Raise ValueError where no picture says what is to be learnt."""
    learnt = [each for each in examples if not each.source.is_reg]
    if not any(each.caption or with_ends("", each.source.captions) for each in learnt):
        pictures = len({each.item.path for each in learnt})
        where = config.pictures.dataset_config or config.place.train_data_dir
        raise ValueError(
            f"none of the {counted(pictures, 'picture')} in {where} has a caption "
            f"({config.captions.caption_extension} beside it): tag them in Dataset Maker first, or give a trigger_word"
        )


def _fitted(config: TrainConfig, sizes: Sequence[Size], unit: int) -> TrainConfig:
    """The config with the bucket settings that are used, where one resolution says which."""
    if len(sizes) > 1 or config.pictures.dataset_config:
        return config
    return replace(config, pictures=fit(config.pictures, sizes[0], unit))


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
