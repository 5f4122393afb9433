"""What came of an import as the notebook shows it: the pictures with their names, and all that was skipped, folded."""

from collections.abc import Sequence
from html import escape

from lora_nb.dataset import images
from lora_nb.forms import gallery
from lora_nb.intake.import_report import ImportReport
from lora_nb.project import Folders
from lora_nb.wording import counted

SIDE = 96


def summary(folders: Folders, report: ImportReport | None) -> str:
    """HTML of the new pictures, or of all when none is new, and of what else the import did."""
    there = images.scan(folders.dataset, verify=False).items if folders.dataset.is_dir() else ()
    added = {folders.dataset / name for name in report.added} if report else set()
    new = [item for item in there if item.path in added]
    heading = counted(len(new), "new picture") if new else f"{counted(len(there), 'picture')} in the dataset"
    thumbs = [
        gallery.Thumb(item.path, item.path.relative_to(folders.dataset).as_posix()) for item in new or there
    ]
    shown = gallery.thumbnails(thumbs, side=SIDE, lines=2)
    return f"<b>{heading}</b>{shown}{lists(report) if report else ''}"


def lists(report: ImportReport) -> str:
    """HTML of every file that was skipped, with the reason, got another name or differs: each list folded."""
    different = [(name, f"{old} -> {new}") for name, old, new in report.different]
    words = [(name, f"is called by {word}") for name, word in report.trigger_words]
    return (
        _folded("skipped, with the reason", report.skipped)
        + _folded("got another name", report.renamed)
        + _folded("have another caption in the source", different)
        + _folded("folders with a trigger word of their own", words)
    )


def _folded(what: str, pairs: Sequence[tuple[str, str]]) -> str:
    if not pairs:
        return ""
    rows = "".join(
        f'<tr><td style="padding-right:14px;overflow-wrap:anywhere">{escape(name)}</td><td>{escape(said)}</td></tr>'
        for name, said in pairs
    )
    return (
        f'<details style="margin:4px 0"><summary style="cursor:pointer">{len(pairs)} {escape(what)}</summary>'
        f'<div style="max-height:260px;overflow-y:auto"><table style="line-height:1.35">{rows}</table></div></details>'
    )
