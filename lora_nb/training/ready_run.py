"""The checks of a run's settings, its base, its folders and its pictures before it is started.

Imports no torch.
"""

import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from lora_nb import project, runs, settings
from lora_nb.bases import lookup, suggested, token_count
from lora_nb.config.optimizers import OPTIMIZERS
from lora_nb.config.training import TrainConfig
from lora_nb.dataset.variation import with_ends
from lora_nb.overview import report_record
from lora_nb.overview.report_points import HURTS, SPOILS
from lora_nb.training import forecast_disk, same_run
from lora_nb.training.ready_row import Asked, Harm, Row, sentence_of, size
from lora_nb.wording import counted, some

NAMED = 5
KEY = (
    "put that of https://wandb.ai/authorize into Colab's Secrets as WANDB_API_KEY, or into the environment, or run "
    "`wandb login` once"
)
INSTEAD = dict.fromkeys(("AdamW8bit", "PagedAdamW8bit", "PagedAdamW", "PagedAdamW32bit"), "AdamW")


def base(asked: Asked) -> Iterator[Row]:
    """The base is there, or can be fetched."""
    name = asked.config.base.pretrained_model_name_or_path
    try:
        if name:
            lookup.check_base(name)
    except (ValueError, OSError) as error:
        yield Row("base", "red", sentence_of(error))
        return
    if asked.sizes and asked.sizes.download:
        yield Row(
            "base",
            "grey",
            f"The base is not on this machine yet: about {size(asked.sizes.download)} are downloaded first.",
        )
    if name and name != suggested.DEMO and not asked.machine.gpu:
        yield Row(
            "gpu",
            "yellow",
            "This machine shows no GPU that torch can use: training this base on a CPU takes days.",
        )


def optimizer(asked: Asked) -> Iterator[Row]:
    """The library of the optimizer is installed."""
    name = asked.config.learning.optimizer
    row = OPTIMIZERS[name]
    if not find_spec(row.module.partition(".")[0]):
        other = INSTEAD.get(name)
        mend = (("optimizer", other),) if other else ()
        yield Row(
            "optimizer", "red", f'optimizer = "{name}" {row.needs}.', f"Take {other}" if other else "", mend
        )


def folders(asked: Asked) -> Iterator[Row]:
    """The folders that are written to can be."""
    place = asked.config.place
    if not place.output_dir:
        return
    for folder in (
        Path(place.output_dir),
        runs.run_folder(Path(place.output_dir), place.output_name or "run").base,
    ):
        there = forecast_disk.existing(folder)
        if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
            what = "is no folder" if not there.is_dir() else "cannot be written"
            yield Row("folders", "red", f"{there} {what}: choose another output folder, or put it right.")
            return


def overwritten(asked: Asked) -> Iterator[Row]:
    """What lies there of an earlier run of this name."""
    place, again = asked.config.place, asked.config.resuming.on_existing == "restart"
    if not place.output_dir or not place.output_name:
        return
    own = runs.run_folder(Path(place.output_dir), place.output_name)
    old = project.run_files(Path(place.output_dir), place.output_name)
    if not old and not own.state.exists():
        return
    if again:
        yield Row(
            "overwritten",
            "yellow",
            f'An earlier run "{place.output_name}" is set aside first, with its {counted(len(old), "file")} '
            '(on_existing = "restart").',
        )
        return
    changed = _changed(asked.config, own.settings) if own.state.exists() else ["no state to go on from"]
    mend = (("output_name", free_name(place.output_dir, place.output_name)),)
    if changed:
        text = f'{place.output_dir} holds a run "{place.output_name}" of other settings ({some(changed, NAMED)}).'
        yield Row("overwritten", "red", text, f"Call this one {mend[0][1]}", mend)
    else:
        yield Row(
            "overwritten", "grey", f'The run "{place.output_name}" was begun before: it is gone on with.'
        )


def _changed(config: TrainConfig, kept: Path) -> list[str]:
    """Which settings that change what is learnt are other than those the run was begun with."""
    try:
        before = settings.values_of(settings.load_known(TrainConfig, kept)[0])
    except (ValueError, OSError):
        return []
    return same_run.changed(before, settings.values_of(config))


def free_name(output_dir: str, name: str) -> str:
    """The first of name-2, name-3, ... that no run has."""
    output, stem = Path(output_dir), f"{name}-"
    number = 2
    while (
        project.run_files(output, f"{stem}{number}")
        or runs.run_folder(output, f"{stem}{number}").base.exists()
    ):
        number += 1
    return f"{stem}{number}"


def dataset(asked: Asked) -> Iterator[Row]:
    """What is odd about the pictures and the settings, and what the last look at the whole set found."""
    if asked.plan:
        yield from (Row("pictures", "yellow", f"{text.rstrip('.')}.") for text in asked.plan.warnings)
    if not asked.config.place.train_data_dir or asked.config.pictures.dataset_config:
        return
    own = project.folders_of_dataset(Path(asked.config.place.train_data_dir))
    found = report_record.read(own)
    if found is None:
        yield Row(
            "report",
            "grey",
            "Nobody has looked at the whole set yet: Dataset Maker's report finds copies, blur, cut captions and more.",
        )
        return
    for point in (each for each in found.points if each.harm >= HURTS):
        harm: Harm = "yellow" if point.harm >= SPOILS else "grey"
        names = f" ({some(point.names, NAMED)})" if point.names else ""
        yield Row("report", harm, f"The report of the dataset: {point.sentence}{names}")


def tokens(asked: Asked) -> Iterator[Row]:
    """Captions that are cut."""
    if not asked.plan:
        return
    most = asked.config.captions.max_token_length
    texts = {
        each.item.path.name: with_ends(each.caption, each.source.captions) for each in asked.plan.examples
    }
    long = [name for name, text in texts.items() if len(text) > most and token_count.count(text) > most]
    if long:
        mend = (("max_token_length", 225),) if most < 225 else ()
        yield Row(
            "tokens",
            "yellow",
            f"{counted(len(long), 'caption is', 'captions are')} longer than {most} tokens and cut there: "
            f"{some(long, NAMED)}.",
            "Read up to 225 tokens" if mend else "",
            mend,
        )


def length(asked: Asked) -> Iterator[Row]:
    """Pictures x repeats against the rule."""
    if not asked.plan or asked.config.pictures.dataset_config or asked.config.length.max_train_steps:
        return
    learnt = asked.plan.learnt
    seen, each = sum(one.item.num_repeats for one in learnt), asked.config.pictures.num_repeats
    rule = lookup.family_of(asked.config.base.pretrained_model_name_or_path).length
    if rule.fewest <= seen <= rule.most or not learnt:
        return
    free = sum(one.item.num_repeats == each for one in learnt) == len(learnt)
    wanted = rule.repeats_of(len(learnt))
    mend = (("num_repeats", wanted),) if free and wanted != each else ()
    harm: Harm = "grey" if rule.fewest / 2 <= seen <= 2 * rule.most else "yellow"
    yield Row(
        "length",
        harm,
        f"{counted(len(learnt), 'picture is', 'pictures are')} seen {counted(seen, 'time')} an epoch; "
        f"between {rule.fewest} and {rule.most} is usual.",
        f"{wanted} repeats" if mend else "",
        mend,
    )


def figures(asked: Asked) -> Iterator[Row]:
    """What log_with names is installed, and lets this machine in."""
    if (name := asked.config.figures.log_with) == "tensorboard":
        return
    mend, instead = (("log_with", "tensorboard"),), "TensorBoard alone"
    if not find_spec(name):
        text = f"{name} is not installed (pip install {name}): it would get no figures."
        yield Row("figures", "yellow", f"{text} TensorBoard has them all.", instead, mend)
    elif name not in asked.places.logins:
        text = f"No key for {name} is here: {KEY}. Without it the figures are only kept, for `wandb sync`."
        yield Row("figures", "yellow", text, instead, mend)
