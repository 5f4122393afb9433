"""The subcommands that work on a dataset: a config in, the work done, what came of it out."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lora_nb import project
from lora_nb.config.dataset import (
    CaptionConfig,
    CurateConfig,
    DatasetConfig,
    ImportConfig,
    RecodeConfig,
    RestoreConfig,
    TagConfig,
    TopTagsConfig,
    TriggerConfig,
)
from lora_nb.dataset import captions, gate, handover, history, outcomes
from lora_nb.dataset.images import Scan, list_images, no_pictures, scan
from lora_nb.dataset.images import unreadable as unreadable_among
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.project import Folders

MOST_NAMED = 20


def import_pictures(config: ImportConfig, tell: Tell, poll: Poll) -> Finished:
    """Copy the pictures of a zip or a folder, or edited captions, into the dataset."""
    from lora_nb.dataset.importer import import_dataset

    report = import_dataset(config, tell)
    unreadable = unreadable_among(Path(config.train_data_dir), report.added)
    _name_some(tell, "Skipped", report.skipped)
    _name_some(tell, "Renamed", report.renamed)
    _name_some(tell, "Unreadable", unreadable)
    _name_some(tell, "Differs", outcomes.differences(report))
    handover.refresh(_folders(config), tell)
    return outcomes.of_import(report, config, unreadable)


def scan_pictures(config: DatasetConfig, tell: Tell, poll: Poll) -> Finished:
    """Read every picture and say which cannot be read."""
    found = _with_pictures(scan(_dataset(config), tell=tell), config)
    _name_some(tell, "Unreadable", [(str(broken.path), broken.reason) for broken in found.broken])
    if not found.items:
        raise ValueError(f"none of the {len(found.broken)} pictures in {config.train_data_dir} can be read")
    captioned = sum(bool(item.caption) for item in found.items)
    return Finished(
        "done",
        f"{len(found.items)} pictures, {captioned} with a caption; {len(found.broken)} unreadable files.",
    )


def curate_pictures(config: CurateConfig, tell: Tell, poll: Poll) -> Finished:
    """Set unreadable pictures and duplicates aside."""
    _filled(config)
    from lora_nb.dataset.curate import curate

    report = curate(config, tell)
    _name_some(tell, "Unreadable", [(str(broken.path), broken.reason) for broken in report.broken])
    for cluster in report.clusters:
        reason = f"a copy of {cluster.kept.name}, which is {cluster.reason}"
        copies = [(copy.path.name, reason) for copy in cluster.copies]
        _name_some(tell, "Set aside", copies)
    folders = _folders(config)
    handover.refresh(folders, tell)
    if not report.moved:
        return Finished(
            "done", "Every picture can be read, and none is a copy of another: none is set aside."
        )
    return Finished(
        "done", f"{report.moved} pictures set aside in {folders.set_aside}; `restore` brings them back."
    )


def restore_pictures(config: RestoreConfig, tell: Tell, poll: Poll) -> Finished:
    """Bring back what was set aside."""
    from lora_nb.dataset.aside import bring_back

    folders = _folders(config)
    if not folders.dataset.is_dir() and not folders.set_aside.is_dir():
        raise ValueError(f"{config.train_data_dir} is not a folder: give the dataset folder")
    number = bring_back(folders, list(config.names) or None)
    handover.refresh(folders, tell)
    if not number:
        return Finished(
            "nothing", f"Nothing is set aside in {folders.set_aside}: there is nothing to bring back."
        )
    return Finished("done", f"{number} pictures are back in {config.train_data_dir}.")


def tag_pictures(config: TagConfig, tell: Tell, poll: Poll) -> Finished:
    """Write WD14 tags beside every picture."""
    _filled(config)
    from lora_nb.dataset.tagger import tag_images

    return _captioned(config, tag_images(config, tell), ("tagged", "tags"), tell)


def caption_pictures(config: CaptionConfig, tell: Tell, poll: Poll) -> Finished:
    """Write a BLIP sentence beside every picture."""
    _filled(config)
    from lora_nb.dataset.captioner import caption_images

    return _captioned(config, caption_images(config, tell), ("captioned", "sentences"), tell)


def _captioned(
    config: TagConfig | CaptionConfig, report: captions.CaptionReport, words: tuple[str, str], tell: Tell
) -> Finished:
    """What came of it; `words` are what was done, and the kind of captions there are now."""
    _name_some(tell, "Failed", report.failed)
    kind = (
        {"caption_kind": words[1]} if report.tagged else {}
    )  # captions that were brought along stay what they are
    handover.refresh(_folders(config), tell, **kind)
    return outcomes.of_captions(words[0], report, config.train_data_dir)


def put_trigger(config: TriggerConfig, tell: Tell, poll: Poll) -> Finished:
    """Put the trigger word first in every caption, in place of the earlier one."""
    if not config.trigger_word.strip() and not config.remove_tags:
        raise ValueError(
            'trigger_word is empty: give the word that shall call the LoRA, e.g. --trigger_word "ohwx cat"'
        )
    folders = _folders(config)
    earlier = handover.read(folders, tell).trigger_word
    with gate.step(_dataset(config), "trigger", {"trigger_word": earlier}) as changes:
        found = scan(_dataset(config), verify=False, tell=tell, caption_encoding=config.caption_encoding)
        images = [item.path for item in _with_pictures(found, config).items]
        changed = captions.apply_trigger(images, config, earlier, changes.write)
    if len(found.unsure) == len(images):
        raise ValueError(f"no caption was changed: of none of the {len(images)} it is sure what it says")
    if config.trigger_word.strip():
        handover.remember(folders, tell, trigger_word=config.trigger_word)
    else:
        handover.refresh(folders, tell)
    if not changed:
        return Finished("nothing", f"0 of {len(images)} captions changed: they are as asked already.")
    return Finished("done", f"{changed} of {len(images)} captions changed.")


def recode_captions(config: RecodeConfig, tell: Tell, poll: Poll) -> Finished:
    """Write captions of another encoding anew in UTF-8."""
    with gate.step(_dataset(config), "recode") as changes:
        found = scan(_dataset(config), verify=False, tell=tell, caption_encoding=config.caption_encoding)
        images = [item.path for item in _with_pictures(found, config).items]
        changed = captions.rewrite(images, str, config.caption_encoding, changes.write)
    if changed:
        return Finished(
            "done", f"{changed} captions are in UTF-8 now; {len(found.unsure)} are left as they were."
        )
    if found.unsure:
        raise ValueError(
            f"no caption was changed: of {len(found.unsure)} it is not sure what they say; name their encoding with "
            "--caption_encoding (cp1252, shift_jis, gb18030, ...)"
        )
    return Finished("nothing", "All captions are in UTF-8 already.")


def undo_step(config: DatasetConfig, tell: Tell, poll: Poll) -> Finished:
    """Take back the last step: captions written, pictures imported, set aside or brought back."""
    folders = project.folders_of_dataset(_folder(config))
    undone = history.undo(_dataset(config))
    if undone is None:
        return Finished(
            "nothing", f"There is nothing to undo: no step that changed {config.train_data_dir} is left."
        )
    _name_some(tell, "Left as it is", undone.left)
    earlier = undone.note.get("trigger_word")
    handover.refresh(folders, tell, **({"trigger_word": earlier} if isinstance(earlier, str) else {}))
    return Finished("done", outcomes.of_undo(undone))


def list_tags(config: TopTagsConfig, tell: Tell, poll: Poll) -> Finished:
    """List the most frequent tags."""
    counts = captions.top_tags(_dataset(config), config.number)
    if not counts:
        raise ValueError(
            f"no picture in {config.train_data_dir} has a caption: write them with tag or caption"
        )
    return Finished("done", "\n".join(f"{count:6d}  {tag}" for tag, count in counts))


def _dataset(config: Any) -> Path:
    if not config.train_data_dir:
        raise ValueError(
            "train_data_dir is empty: give the dataset folder, e.g. --train_data_dir Loras/my_cat/dataset"
        )
    return Path(config.train_data_dir)


def _folders(config: Any) -> Folders:
    return project.folders_of_dataset(_dataset(config))


def _folder(config: Any) -> Path:
    if not _dataset(config).is_dir():
        raise ValueError(
            f"{config.train_data_dir} is not a folder: give the dataset folder, with the pictures"
        )
    return _dataset(config)


def _filled(config: Any) -> None:
    """Say at once, before a model is loaded, that there is no picture."""
    places = (_folder(config), *_dataset(config).glob("*/"))
    if not any(list_images(place) for place in places):
        raise no_pictures(config.train_data_dir)


def _with_pictures(found: Scan, config: Any) -> Scan:
    if not found.items and not found.broken:
        raise no_pictures(config.train_data_dir)
    return found


def _name_some(tell: Tell, what: str, pairs: Sequence[tuple[str, str]]) -> None:
    for name, reason in pairs[:MOST_NAMED]:
        tell(Notice(f"{what}: {name} ({reason})"))
    if len(pairs) > MOST_NAMED:
        tell(Notice(f"{what}: {len(pairs) - MOST_NAMED} more"))
