"""What came of a step on the dataset, in a sentence: done, nothing to do, or nothing could be done."""

import re
from collections import Counter
from collections.abc import Sequence

from lora_nb.config.intake import ImportConfig
from lora_nb.dataset.captions import CaptionReport
from lora_nb.dataset.history import Undone
from lora_nb.dataset.images import no_pictures
from lora_nb.events import Finished
from lora_nb.intake.import_report import ImportReport
from lora_nb.intake.subsets import Subset
from lora_nb.wording import counted

DONE, NOTHING = "done", "nothing"
LONGEST = 120  # characters of a caption in a sentence


def of_import(
    report: ImportReport, config: ImportConfig, unreadable: Sequence[tuple[str, str]] = ()
) -> Finished:
    """Raises ValueError when nothing of the source could be read; `unreadable` are (name, reason) of what was added."""
    compared = report.equal + len(report.different)
    if not (report.added or report.captions or report.known or compared):
        raise ValueError(_nothing_imported(report, config.source))
    if unreadable and len(unreadable) == len(report.added):
        name, reason = unreadable[0]
        raise ValueError(
            f"{config.source}: none of its {counted(len(unreadable), 'picture')} can be read ({name}: {reason}); "
            f"they lie in {config.train_data_dir}, and `curate` sets them aside"
        )
    replaced = bool(report.different) and config.existing == "replace"
    if report.added or report.captions or replaced:
        what = f"{counted(len(report.added), 'picture')} and {counted(report.captions, 'caption')}"
        words = f"Imported {what} into {config.train_data_dir}."
        return Finished(DONE, f"{words}{_counts(report)}{_broken(unreadable)}{_compared(report, replaced)}")
    there = f": its pictures are in {config.train_data_dir} already, or set aside" if report.known else ""
    words = f"Nothing of {config.source} was imported{there}."
    return Finished(NOTHING, f"{words}{_compared(report, replaced)}")


def _counts(report: ImportReport) -> str:
    """How many were skipped, by reason, and how many got another name."""
    reasons = Counter(re.split(r"[:(]", reason)[0].strip() for _, reason in report.skipped)
    parts = [f"{number} {reason}" for reason, number in reasons.most_common(4)]
    skipped = (
        f" {counted(len(report.skipped), 'file was', 'files were')} skipped ({', '.join(parts)})."
        if parts
        else ""
    )
    renamed = f" {len(report.renamed)} got another name." if report.renamed else ""
    return skipped + renamed


def of_look(found: Sequence[Subset], source: str) -> Finished:
    """What a look into a source found."""
    if not found:
        return Finished(NOTHING, f"{source} has no folder called N_name: its pictures come in as one set.")
    odd = [subset for subset in found if subset.odd]
    asked = (
        f"; {odd[0].name} would mean {odd[0].odd}: say odd_folders, or give it another name" if odd else ""
    )
    return Finished(DONE, f"{source} has {len(found)} folders with repeats of their own{asked}.")


def _broken(unreadable: Sequence[tuple[str, str]]) -> str:
    return f" {len(unreadable)} of them cannot be read: `curate` sets them aside." if unreadable else ""


def differences(report: ImportReport) -> list[tuple[str, str]]:
    """(name, old -> new) of each caption that the source has otherwise."""
    return [(name, f"{excerpt(old)} -> {excerpt(new)}") for name, old, new in report.different]


def excerpt(text: str) -> str:
    """The beginning of a caption in quotes."""
    line = " ".join(text.split())
    return f'"{line[:LONGEST]}..."' if len(line) > LONGEST else f'"{line}"'


def _nothing_imported(report: ImportReport, source: str) -> str:
    name, reason = (report.failed or report.skipped)[0]
    return (
        f"{source}: nothing was imported, none of {len(report.skipped)} files can be used ({name}: {reason})"
    )


def _compared(report: ImportReport, replaced: bool) -> str:
    if not report.equal and not report.different:
        return ""
    different = len(report.different)
    words = f" Of the captions that were here, {report.equal} are the same in the source, {different} differ"
    if not different:
        return f"{words}."
    if replaced:
        return f"{words} and were replaced; `undo` brings the old ones back."
    return f"{words} and stay as they are here: choose existing = replace to take those of the source."


def of_captions(word: str, report: CaptionReport, folder: str) -> Finished:
    """Raises ValueError when no picture could be captioned, or there is none."""
    if report.tagged:
        counts = f"{report.skipped} left as they were, {len(report.failed)} failed"
        return Finished(DONE, f"{counted(report.tagged, 'picture')} {word}, {counts}.")
    if report.failed:
        name, reason = report.failed[0]
        counts = f"{len(report.failed)} failed ({name}: {reason}), {report.skipped} were left as they are"
        raise ValueError(f"no picture was {word}: {counts}")
    if not report.skipped:
        raise no_pictures(folder)
    words = f"All {report.skipped} pictures have a caption already"
    return Finished(NOTHING, f"{words}: choose existing = append or overwrite to write them anew.")


def of_undo(undone: Undone) -> str:
    """What is as it was before the step that was undone."""
    captions = undone.restored - undone.pictures
    what = [counted(undone.pictures, "picture")] * bool(undone.pictures)
    what += [counted(captions, "caption")] * bool(captions or not what)
    left = f"; {len(undone.left)} are left as they are now" if undone.left else ""
    return f"{' and '.join(what)} are as they were before `{undone.verb}`{left}."
