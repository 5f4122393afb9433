"""The subcommands that bring pictures into a dataset: a config in, the work done, what came of it out."""

import os
from dataclasses import replace
from pathlib import Path

from lora_nb.config.intake import ImportConfig, LookConfig
from lora_nb.dataset import handover
from lora_nb.dataset.images import unreadable as unreadable_among
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.redact import redact
from lora_nb.shell import outcomes
from lora_nb.shell.given import folders_of, name_some
from lora_nb.shell.verb import Verb
from lora_nb.wording import counted


def import_pictures(config: ImportConfig, tell: Tell, poll: Poll) -> Finished:
    """Copy pictures with their captions, or edited captions, from a zip, a folder or the web into the dataset."""
    from lora_nb.intake.importer import import_dataset

    report = import_dataset(config, tell, _keys())
    unreadable = unreadable_among(Path(config.train_data_dir), report.added)
    level = "info" if report.added or report.captions else "warning"  # then it is all there is to see
    name_some(lambda notice: tell(replace(notice, level=level)), "Skipped", report.skipped)
    name_some(tell, "Renamed", report.renamed)
    name_some(tell, "Unreadable", unreadable)
    name_some(tell, "Differs", outcomes.differences(report))
    folders = folders_of(config)
    handover.refresh(folders, tell)
    if report.trigger_words:
        handover.remember_subsets(folders, dict(report.trigger_words), tell)
    return outcomes.of_import(report, config, unreadable)


def look(config: LookConfig, tell: Tell, poll: Poll) -> Finished:
    """List the folders called N_name in a source, before they come in; what is elsewhere is downloaded."""
    from lora_nb.intake import subsets
    from lora_nb.intake.importer import list_subsets

    found = list_subsets(config, tell, _keys())
    if config.train_data_dir:
        subsets.keep(folders_of(config), config.source, found)
    for subset in found:
        tell(
            Notice(
                f"{subset.name}: {counted(subset.pictures, 'picture')}, "
                f"{subset.odd or counted(subset.repeats, 'repeat')}"
            )
        )
    return outcomes.of_look(found, redact(config.source))


def _keys() -> dict[str, str]:
    """The person's own keys for image boards, from the environment; they are handed on and kept nowhere."""
    from lora_nb.intake import boards

    return {name: os.environ[name] for name in boards.KEYS if os.environ.get(name)}


VERBS = {
    "import": Verb(ImportConfig, import_pictures),
    "look": Verb(LookConfig, look),
}
