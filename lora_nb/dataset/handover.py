"""project.toml: what was learnt about a dataset, kept with everything else that stands in the file."""

import os
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

import tomli_w

from lora_nb import files, project, settings, typed
from lora_nb.config.examples import Captions
from lora_nb.config.project import Handover
from lora_nb.dataset import images
from lora_nb.dataset.captions import kind_of, split_tags
from lora_nb.dataset.turn import TakenError, turn
from lora_nb.declare import settings_of
from lora_nb.events import Notice, Tell, silent
from lora_nb.project import Folders

SUBSETS = "subsets"  # a table: the name of a sub-folder -> what is known of it


def read(folders: Folders, tell: Tell = silent) -> Handover:
    """What project.toml says. A key that is not known, or whose value is not usable, counts as absent."""
    try:
        return _known(folders, _table(folders), tell)
    except _Damaged as error:
        tell(
            Notice(
                f"{folders.handover} cannot be read ({error}): mend it by hand, or it is set aside", "warning"
            )
        )
        return Handover()


def remember(folders: Folders, tell: Tell = silent, **learnt: Any) -> Handover:
    """Write what was learnt into project.toml, with the project's name, fresh counts and the kind of its captions.

    Every other key stays as it is; pictures whose number is among what was `learnt` are not looked at again. A file
    that is no TOML is set aside under another name, and the person is told.
    """
    try:
        table = _table(folders)
    except _Damaged as error:
        table = {}
        kept = _set_aside(folders)
        tell(Notice(f"{folders.handover} could not be read ({error}) and is kept as {kept}", "warning"))
    learnt = {**_seen(folders, table, learnt), **learnt}
    known = replace(_known(folders, table, tell), **learnt)
    fresh = settings.to_dict(known)
    written = {**fresh, **table, **{name: fresh[name] for name in learnt}}
    with _unswept(folders):
        files.write_text(folders.handover, tomli_w.dumps(written))
    return known


def refresh(folders: Folders, tell: Tell = silent, **learnt: Any) -> None:
    """As `remember`, where the pictures lie in a project; somebody's own folder gets no project.toml from this."""
    if folders.dataset.is_dir() and (folders.handover.exists() or project.is_project(folders)):
        remember(folders, tell, **learnt)


def _seen(folders: Folders, table: Mapping[str, Any], learnt: Mapping[str, Any]) -> dict[str, Any]:
    """What the folder itself tells; the kind of captions only where nobody has said it."""
    if {"images", "captioned"} <= learnt.keys():
        return {}
    found = images.scan(folders.dataset, verify=False).items if folders.dataset.is_dir() else ()
    texts = [item.caption for item in found if item.caption]
    kind = {} if table.get("caption_kind") else {"caption_kind": kind_of(texts)}
    name = {"project": project.name_of(folders)} if isinstance(table.get("project", ""), str) else {}
    return {**name, "images": len(found), "captioned": len(texts), **kind}


def trigger_words(folders: Folders) -> dict[str, str]:
    """The trigger words that sub-folders have for themselves, by the folder's name, as the table `subsets` says."""
    try:
        table = _table(folders).get(SUBSETS)
    except _Damaged:
        return {}
    given = table.items() if isinstance(table, dict) else ()
    words = {name: each.get("trigger_word") if isinstance(each, dict) else each for name, each in given}
    return {name: word for name, word in words.items() if isinstance(word, str) and word.strip()}


def remember_subsets(folders: Folders, words: Mapping[str, str], tell: Tell = silent) -> None:
    """Write the trigger words of sub-folders into project.toml; "" takes one out. Every other key stays as it is."""
    remember(folders, tell)
    table = _table(folders)
    given = table.get(SUBSETS)
    subsets = dict(given) if isinstance(given, dict) else {}
    for name, word in words.items():
        others = subsets.get(name) if isinstance(subsets.get(name), dict) else {}
        kept = {key: value for key, value in others.items() if key != "trigger_word"}
        subsets[name] = {**kept, **({"trigger_word": word} if word else {})}
    table[SUBSETS] = {name: each for name, each in subsets.items() if each}
    with _unswept(folders):
        files.write_text(folders.handover, tomli_w.dumps(table))


def for_training(known: Handover, captions: Captions) -> Captions:
    """The settings of captions that suit what is known of the dataset: sentences keep the order of their words."""
    triggers = len(split_tags(known.trigger_word))
    if known.caption_kind == "sentences":
        return replace(captions, trigger_word=known.trigger_word, shuffle_caption=False, keep_tokens=0)
    return replace(captions, trigger_word=known.trigger_word, keep_tokens=triggers or captions.keep_tokens)


@contextmanager
def _unswept(folders: Folders) -> Iterator[None]:
    """See that no step begins meanwhile and takes this process for a dead one; one that is at work is no danger."""
    try:
        with turn(folders.base, "remember", wait=0):
            yield
    except TakenError:
        yield


class _Damaged(Exception):
    """project.toml is there and is no TOML."""


def _table(folders: Folders) -> dict[str, Any]:
    try:
        return tomllib.loads(folders.handover.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, IsADirectoryError) as error:
        raise _Damaged(str(error)) from error


def _known(folders: Folders, table: dict[str, Any], tell: Tell) -> Handover:
    known = {}
    for setting in settings_of(Handover):
        if setting.name in table:
            try:
                known[setting.name] = typed.check(setting, table[setting.name])
            except ValueError as error:
                tell(Notice(f"{folders.handover}: {error}; it is passed over", "warning"))
    return Handover(**known)


def _set_aside(folders: Folders) -> str:
    time = datetime.now().strftime("%Y%m%d-%H%M%S")
    target = folders.handover.with_name(f"{folders.handover.name}.damaged-{time}")
    number = 1
    while target.exists():
        number += 1
        target = target.with_name(f"{folders.handover.name}.damaged-{time}-{number}")
    os.rename(folders.handover, target)
    return target.name
