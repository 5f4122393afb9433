"""The dataset in FiftyOne's App, and the decisions made there carried out through the gate."""

import importlib
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.config.report import FiftyoneConfig
from lora_nb.dataset import aside, captions, gate
from lora_nb.dataset.images import no_pictures, scan
from lora_nb.events import Notice, Poll, Tell, silent
from lora_nb.overview import fiftyone_database, fiftyone_samples, fiftyone_server
from lora_nb.overview.fiftyone_samples import Decision
from lora_nb.project import Folders
from lora_nb.wording import counted

VERB, REASON = "fiftyone", "marked in FiftyOne"
TICK = 0.3
CHANGED = "its caption is another one here by now"


@dataclass(frozen=True)
class TakenOver:
    """What came of the decisions: pictures set aside, captions written, and what was left with the reason."""

    away: int = 0
    captions: int = 0
    left: tuple[tuple[str, str], ...] = ()


def show(config: FiftyoneConfig, tell: Tell, poll: Poll, opened: Callable[[str], None]) -> TakenOver:
    """Open the App and keep it open until "stop" is asked for; "save" takes the decisions over meanwhile.

    `opened` is given its address. At the end the decisions are taken over once more. Raises ValueError where FiftyOne,
    its database or a picture is missing.
    """
    folders = aside.project_of(Path(config.train_data_dir))
    if not scan(folders.dataset, verify=False).items:
        raise no_pictures(config.train_data_dir)
    with fiftyone_database.database(folders.base) as uri:
        environment = fiftyone_database.environment(folders.base, uri)
        with fiftyone_server.server(environment, config.port) as server:
            fiftyone = _load(folders, uri)
            dataset = fiftyone_samples.fill(fiftyone, folders, tell)
            fiftyone_server.wait_for(server, tell)
            opened(f"{server.address}/datasets/{dataset.name}")
            return _wait(config, folders, dataset, tell, poll)


def take_over(dataset_folder: Path, tell: Tell = silent) -> TakenOver:
    """Carry out what was decided in the App, be it open in another process or closed. Raises ValueError without one."""
    folders = aside.project_of(dataset_folder)
    with fiftyone_database.database(folders.base) as uri:
        fiftyone = _load(folders, uri)
        name = fiftyone_samples.name_of(folders)
        if not fiftyone.dataset_exists(name):
            raise ValueError(
                f"{dataset_folder} was never opened in FiftyOne: there is no decision to take over"
            )
        return _carry_out(folders, fiftyone.load_dataset(name), tell)


def _load(folders: Folders, uri: str) -> Any:
    """FiftyOne, told where its database is before it looks for one."""
    os.environ.update(fiftyone_database.environment(folders.base, uri))
    return importlib.import_module("fiftyone")


def _wait(config: FiftyoneConfig, folders: Folders, dataset: Any, tell: Tell, poll: Poll) -> TakenOver:
    """Until it is to end, or for so many minutes."""
    until = time.monotonic() + 60 * config.minutes
    total = TakenOver()
    while time.monotonic() < until:
        asked = poll()
        if "save" in asked:
            done = _carry_out(folders, dataset, tell)
            tell(Notice(in_words(done)))
            total = _sum(total, done)
        if "stop" in asked:
            break
        time.sleep(TICK)
    return _sum(total, _carry_out(folders, dataset, tell))


def _sum(one: TakenOver, other: TakenOver) -> TakenOver:
    return TakenOver(
        one.away + other.away, one.captions + other.captions, tuple(dict.fromkeys((*one.left, *other.left)))
    )


def _carry_out(folders: Folders, dataset: Any, tell: Tell) -> TakenOver:
    """Set aside and write as was decided, in one step that `undo` takes back; then show in the App what is so now."""
    dataset.reload()
    found = fiftyone_samples.decisions(dataset)
    if not found:
        return TakenOver()
    with gate.step(folders.dataset, VERB) as changes:
        written, left = _write(folders, [one for one in found if not one.away], changes)
        leaving = [folders.dataset / one.name for one in found if one.away and _is_here(folders, one)]
        plan = aside.plan_aside(folders, [(path, REASON) for path in leaving], changes)
        aside.move_aside(folders, plan, changes)
    texts = {one.name: one.caption for one in found if one.name in written}
    gone = [one.name for one in found if not _is_here(folders, one)]
    fiftyone_samples.retell(importlib.import_module("fiftyone"), dataset, texts, gone)
    return TakenOver(len(leaving), len(written), tuple(left))


def _is_here(folders: Folders, one: Decision) -> bool:
    path = files.within(folders.dataset, one.name)
    return path is not None and path.is_file()


def _write(
    folders: Folders, found: Sequence[Decision], changes: gate.Changes
) -> tuple[list[str], list[tuple[str, str]]]:
    """The pictures whose captions were written, and those that were left with the reason."""
    written, left = [], []
    for one in found:
        image = folders.dataset / one.name
        try:
            now = (captions.read_caption(image) or "") if _is_here(folders, one) else None
        except captions.UnsureError as error:
            left.append((one.name, str(error)))
            continue
        if now is None or now.strip() != one.before.strip():
            left.append((one.name, "it is not in the dataset any more" if now is None else CHANGED))
        else:
            captions.write_caption(image, one.caption, write=changes.write)
            written.append(one.name)
    return written, left


def in_words(done: TakenOver) -> str:
    """What came of the decisions, in a sentence."""
    if not done.away and not done.captions:
        return "Nothing was decided in FiftyOne that is not so already."
    captions = counted(done.captions, "caption")
    return f"{counted(done.away, 'picture')} set aside and {captions} written as decided in FiftyOne."
