"""The subcommands that look at the pictures of a dataset: a config in, the work done, what came of it out."""

from lora_nb.config.dataset import DatasetConfig, RestoreConfig
from lora_nb.config.pictures import CurateConfig
from lora_nb.dataset import handover
from lora_nb.dataset.images import scan
from lora_nb.events import Finished, Poll, Tell
from lora_nb.shell.given import check_filled, dataset_of, folders_of, name_some, with_pictures
from lora_nb.shell.verb import Verb


def scan_pictures(config: DatasetConfig, tell: Tell, poll: Poll) -> Finished:
    """Read every picture and say which cannot be read."""
    found = with_pictures(scan(dataset_of(config), tell=tell), config)
    name_some(tell, "Unreadable", [(str(broken.path), broken.reason) for broken in found.broken])
    if not found.items:
        raise ValueError(f"none of the {len(found.broken)} pictures in {config.train_data_dir} can be read")
    captioned = sum(bool(item.caption) for item in found.items)
    return Finished(
        "done",
        f"{len(found.items)} pictures, {captioned} with a caption; {len(found.broken)} unreadable files.",
    )


def curate_pictures(config: CurateConfig, tell: Tell, poll: Poll) -> Finished:
    """Set unreadable pictures and duplicates aside."""
    check_filled(config)
    from lora_nb.pictures.curate import curate

    report = curate(config, tell)
    name_some(tell, "Unreadable", [(str(broken.path), broken.reason) for broken in report.broken])
    for cluster in report.clusters:
        reason = f"a copy of {cluster.kept.name}, which is {cluster.reason}"
        copies = [(copy.path.name, reason) for copy in cluster.copies]
        name_some(tell, "Set aside", copies)
    folders = folders_of(config)
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

    folders = folders_of(config)
    if not folders.dataset.is_dir() and not folders.set_aside.is_dir():
        raise ValueError(f"{config.train_data_dir} is not a folder: give the dataset folder")
    number = bring_back(folders, list(config.names) or None)
    handover.refresh(folders, tell)
    if not number:
        return Finished(
            "nothing", f"Nothing is set aside in {folders.set_aside}: there is nothing to bring back."
        )
    return Finished("done", f"{number} pictures are back in {config.train_data_dir}.")


VERBS = {
    "scan": Verb(DatasetConfig, scan_pictures),
    "curate": Verb(CurateConfig, curate_pictures, loads=True),
    "restore": Verb(RestoreConfig, restore_pictures),
}
