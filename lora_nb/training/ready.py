"""What stands against starting a run, or is worth knowing before: one list, the worst first.

Imports no torch; nothing is downloaded. A check is a row of `CHECKS`.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from pathlib import Path

from lora_nb import files, project
from lora_nb.config.training import TrainConfig
from lora_nb.training import plan as planning
from lora_nb.training import ready_machine, ready_run
from lora_nb.training.machine import Machine
from lora_nb.training.ready_row import HARMS, Asked, Places, Row, sentence_of

Check = Callable[[Asked], Iterator[Row]]
RECORD = "ready.json"
CHECKS = (
    ready_run.base, ready_run.optimizer, ready_run.folders, ready_run.overwritten, ready_machine.memory,
    ready_machine.disk, ready_run.dataset, ready_run.tokens, ready_run.length, ready_run.figures,
    ready_machine.time,
)  # fmt: skip


def look(config: TrainConfig, machine: Machine, places: Places) -> tuple[Row, ...]:
    """The list for a run, the worst first; what cannot even be planned is its first row."""
    asked, rows = Asked(config, machine, places), []
    try:
        config = planning.resolve(config)
        asked = replace(asked, config=config)
        asked = replace(asked, plan=planning.plan_run(config))
    except (ValueError, OSError) as error:
        rows.append(Row("settings", "red", sentence_of(error)))
    for check in CHECKS:
        rows += _rows_of(check, asked)
    return sort(rows)


def _rows_of(check: Check, asked: Asked) -> list[Row]:
    """What a check finds; one that cannot look stops nobody."""
    try:
        return list(check(asked))
    except (ValueError, OSError, LookupError, ArithmeticError) as error:
        said = f"{check.__name__} could not be looked at ({sentence_of(error)})."
        return [Row(check.__name__, "grey", said.capitalize())]


def sort(rows: list[Row]) -> tuple[Row, ...]:
    """The worst first, each sentence once, else in the order of the checks."""
    known = {row.sentence: row for row in reversed(rows)}
    first = [row for row in rows if known[row.sentence] is row]
    return tuple(sorted(first, key=lambda row: HARMS.index(row.harm)))


def in_words(rows: tuple[Row, ...]) -> str:
    """One sentence about the list."""
    reds = [row.sentence for row in rows if row.harm == "red"]
    yellows = sum(row.harm == "yellow" for row in rows)
    if reds:
        more = f" (and {len(reds) - 1} more)" if len(reds) > 1 else ""
        return f"It cannot start yet: {reds[0]}{more}"
    if yellows:
        return f"It can start; {yellows} {'thing is' if yellows == 1 else 'things are'} worth a look first."
    return "It can start: nothing is wrong."


def write(config: TrainConfig, rows: tuple[Row, ...]) -> Path:
    """Keep the list in the project's report folder, as JSON."""
    folders = project.folders_of_output(Path(config.place.output_dir))
    folders.report.mkdir(parents=True, exist_ok=True)
    path = folders.report / RECORD
    listed = [{**asdict(row), "mend": dict(row.mend)} for row in rows]
    files.write_text(path, json.dumps({"version": 1, "can_start": is_free(rows), "rows": listed}, indent=1))
    return path


def is_free(rows: tuple[Row, ...]) -> bool:
    """Whether nothing stops the start."""
    return all(row.harm != "red" for row in rows)
