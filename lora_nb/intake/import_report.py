"""What came of an import, from report/import.json to the screen in one shape."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.project import Folders

REPORT = "import.json"


@dataclass(frozen=True)
class ImportReport:
    """What came in (names in the dataset), and what did not, as (name in the source, reason or new name).

    `failed` of them could not be read; `known` pictures were there before. Of the captions that were there, `equal`
    are the same in the source, `different` are not: (name in the dataset, its text, the source's). `trigger_words` are
    those of sub-folders of their own.
    """

    added: tuple[str, ...]
    captions: int
    skipped: tuple[tuple[str, str], ...]
    renamed: tuple[tuple[str, str], ...]
    failed: tuple[tuple[str, str], ...] = ()
    known: int = 0
    equal: int = 0
    different: tuple[tuple[str, str, str], ...] = ()
    trigger_words: tuple[tuple[str, str], ...] = ()


def write(folders: Folders, report: ImportReport, put: Callable[[Path, bytes], None]) -> None:
    """Keep what came of an import, for `read`; by `put`, so that it goes with the pictures when they do."""
    put(folders.report / REPORT, json.dumps({"version": 1, **asdict(report)}).encode("utf-8", "replace"))


def read(folders: Folders) -> ImportReport | None:
    """What came of the last import; None when nothing is known of one."""
    try:
        found = files.from_json((folders.report / REPORT).read_bytes())
        names = {field.name for field in fields(ImportReport)}
        return ImportReport(**{name: _frozen(value) for name, value in found.items() if name in names})
    except (OSError, ValueError, TypeError, AttributeError):
        return None


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value
