"""The subcommands that bring pictures into a dataset: a config in, the work done, what came of it out."""

from pathlib import Path

from lora_nb.config.intake import ImportConfig
from lora_nb.dataset import handover
from lora_nb.dataset.images import unreadable as unreadable_among
from lora_nb.events import Finished, Poll, Tell
from lora_nb.shell import outcomes
from lora_nb.shell.given import folders_of, name_some
from lora_nb.shell.verb import Verb


def import_pictures(config: ImportConfig, tell: Tell, poll: Poll) -> Finished:
    """Copy the pictures of a zip or a folder, or edited captions, into the dataset."""
    from lora_nb.intake.importer import import_dataset

    report = import_dataset(config, tell)
    unreadable = unreadable_among(Path(config.train_data_dir), report.added)
    name_some(tell, "Skipped", report.skipped)
    name_some(tell, "Renamed", report.renamed)
    name_some(tell, "Unreadable", unreadable)
    name_some(tell, "Differs", outcomes.differences(report))
    handover.refresh(folders_of(config), tell)
    return outcomes.of_import(report, config, unreadable)


VERBS = {
    "import": Verb(ImportConfig, import_pictures),
}
