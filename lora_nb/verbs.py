"""The subcommands: a config in, the work done, what came of it out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_nb import captions, plan, project
from lora_nb.config import (
    CaptionConfig,
    CurateConfig,
    DatasetConfig,
    GridConfig,
    ImportConfig,
    RestoreConfig,
    SampleConfig,
    TagConfig,
    TopTagsConfig,
    TrainConfig,
    TriggerConfig,
)
from lora_nb.events import Finished, Notice, OnEvent
from lora_nb.images import scan
from lora_nb.interrupts import stop_on_signals

Poll = Callable[[], frozenset[str]]
MOST_NAMED = 20


@dataclass(frozen=True)
class Verb:
    """A subcommand. `run` takes the config, the listener and what asks for "stop", "save" and "sample"."""

    config: type
    run: Callable[[Any, OnEvent, Poll], Finished]


def import_pictures(config: ImportConfig, tell: OnEvent, poll: Poll) -> Finished:
    """Copy the pictures of a zip or a folder into the dataset."""
    from lora_nb.importer import import_dataset

    report = import_dataset(config, tell)
    _name_some(tell, "Skipped", report.skipped)
    _name_some(tell, "Renamed", report.renamed)
    pictures, texts = len(report.added), report.captions
    return Finished(
        "done", f"Imported {pictures} pictures and {texts} captions into {config.train_data_dir}."
    )


def scan_pictures(config: DatasetConfig, tell: OnEvent, poll: Poll) -> Finished:
    """Read every picture and say which cannot be read."""
    found = scan(_dataset(config), on_event=tell)
    _name_some(tell, "Unreadable", [(str(broken.path), broken.reason) for broken in found.broken])
    captioned = sum(bool(item.caption) for item in found.items)
    return Finished(
        "done",
        f"{len(found.items)} pictures, {captioned} with a caption; {len(found.broken)} unreadable files.",
    )


def curate_pictures(config: CurateConfig, tell: OnEvent, poll: Poll) -> Finished:
    """Set unreadable pictures and duplicates aside."""
    from lora_nb.curate import curate

    _dataset(config)
    report = curate(config, tell)
    _name_some(tell, "Unreadable", [(str(broken.path), broken.reason) for broken in report.broken])
    for cluster in report.clusters:
        reason = f"a copy of {cluster.kept.name}, which is {cluster.reason}"
        copies = [(copy.path.name, reason) for copy in cluster.copies]
        _name_some(tell, "Set aside", copies)
    folders = project.folders_of_dataset(Path(config.train_data_dir))
    return Finished(
        "done", f"{report.moved} pictures set aside in {folders.set_aside}; `restore` brings them back."
    )


def restore_pictures(config: RestoreConfig, tell: OnEvent, poll: Poll) -> Finished:
    """Bring back what was set aside."""
    from lora_nb.aside import bring_back

    folders = project.folders_of_dataset(_dataset(config))
    number = bring_back(folders, list(config.names) or None)
    return Finished("done", f"{number} pictures are back in {config.train_data_dir}.")


def tag_pictures(config: TagConfig, tell: OnEvent, poll: Poll) -> Finished:
    """Write WD14 tags beside every picture."""
    from lora_nb.tagger import tag_images

    _dataset(config)
    return _captioned("tagged", tag_images(config, tell), tell)


def caption_pictures(config: CaptionConfig, tell: OnEvent, poll: Poll) -> Finished:
    """Write a BLIP sentence beside every picture."""
    from lora_nb.captioner import caption_images

    _dataset(config)
    return _captioned("captioned", caption_images(config, tell), tell)


def _captioned(word: str, report: captions.TagReport, tell: OnEvent) -> Finished:
    _name_some(tell, "Failed", report.failed)
    words = (
        f"{report.tagged} pictures {word}, {report.skipped} left as they were, {len(report.failed)} failed."
    )
    return Finished("done", words)


def put_trigger(config: TriggerConfig, tell: OnEvent, poll: Poll) -> Finished:
    """Put the trigger word first in every caption."""
    if not config.trigger_word.strip() and not config.remove_tags:
        raise ValueError(
            'trigger_word is empty: give the word that shall call the LoRA, e.g. --trigger_word "ohwx cat"'
        )
    found = scan(_dataset(config), verify=False, on_event=tell)
    changed = captions.apply_trigger([item.path for item in found.items], config)
    return Finished("done", f"{changed} of {len(found.items)} captions changed.")


def list_tags(config: TopTagsConfig, tell: OnEvent, poll: Poll) -> Finished:
    """List the most frequent tags."""
    counts = captions.top_tags(_dataset(config), config.number)
    return Finished(
        "done", "\n".join(f"{count:6d}  {tag}" for tag, count in counts) or "There are no captions."
    )


def train_lora(config: TrainConfig, tell: OnEvent, poll: Poll) -> Finished:
    """Train, then draw the grid of checkpoints and strengths.

    The first Ctrl-C lets the training save its state; KeyboardInterrupt follows.
    """
    from lora_nb.train import train

    with stop_on_signals() as interrupted:
        finished = train(config, tell, lambda: poll() | ({"stop"} if interrupted() else frozenset()))
    if finished.status == "stopped" and interrupted():
        tell(finished)
        raise KeyboardInterrupt
    if finished.status != "done" or not config.grid or tell is silent_process:
        return finished
    return _with_grid(plan.resolve(config), finished, tell, poll)


def silent_process(event: Any) -> None:
    """The listener of every process but the first: one grid is enough."""


def _with_grid(config: TrainConfig, finished: Finished, tell: OnEvent, poll: Poll) -> Finished:
    folders = project.folders_of_output(Path(config.output_dir))
    drawn = project.newest_grid(folders.samples, [Path(file) for file in finished.files])
    if drawn:
        return Finished("done", finished.text, (*finished.files, str(drawn)))
    grid = GridConfig(
        pretrained_model_name_or_path=config.pretrained_model_name_or_path,
        lora_dir=config.output_dir,
        output_name=config.output_name,
        trigger_word=config.trigger_word,
        output_dir=str(folders.samples),
        guidance=config.guidance,
        clip_skip=config.clip_skip,
        prediction_type=config.prediction_type,
        zero_terminal_snr=config.zero_terminal_snr,
    )
    try:
        return Finished("done", finished.text, (*finished.files, *draw_grid(grid, tell, poll).files[:1]))
    except ValueError as error:
        tell(Notice(f"The grid was not drawn: {error}", "warning"))
        return finished


def draw_samples(config: SampleConfig, tell: OnEvent, poll: Poll) -> Finished:
    """Draw pictures with a base and perhaps a LoRA file."""
    from lora_nb.sample import sample

    return sample(config, tell)


def draw_grid(config: GridConfig, tell: OnEvent, poll: Poll) -> Finished:
    """Draw an X/Y grid of LoRA files."""
    from lora_nb.evaluate import grid

    return grid(config, tell, poll)


def _dataset(config: Any) -> Path:
    if not config.train_data_dir:
        raise ValueError(
            "train_data_dir is empty: give the dataset folder, e.g. --train_data_dir Loras/my_cat/dataset"
        )
    return Path(config.train_data_dir)


def _name_some(tell: OnEvent, what: str, pairs: Sequence[tuple[str, str]]) -> None:
    for name, reason in pairs[:MOST_NAMED]:
        tell(Notice(f"{what}: {name} ({reason})"))
    if len(pairs) > MOST_NAMED:
        tell(Notice(f"{what}: {len(pairs) - MOST_NAMED} more"))


VERBS = {
    "import": Verb(ImportConfig, import_pictures),
    "scan": Verb(DatasetConfig, scan_pictures),
    "curate": Verb(CurateConfig, curate_pictures),
    "restore": Verb(RestoreConfig, restore_pictures),
    "tag": Verb(TagConfig, tag_pictures),
    "caption": Verb(CaptionConfig, caption_pictures),
    "trigger": Verb(TriggerConfig, put_trigger),
    "top_tags": Verb(TopTagsConfig, list_tags),
    "train": Verb(TrainConfig, train_lora),
    "sample": Verb(SampleConfig, draw_samples),
    "grid": Verb(GridConfig, draw_grid),
}
