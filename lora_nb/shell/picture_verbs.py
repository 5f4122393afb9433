"""The subcommands that look at the pictures of a dataset: a config in, the work done, what came of it out."""

from pathlib import Path

from lora_nb.config.dataset import DatasetConfig, RestoreConfig
from lora_nb.config.pictures import CheckConfig, CurateConfig, KeepOtherConfig, PrepareConfig
from lora_nb.dataset import handover
from lora_nb.dataset.images import scan
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.shell.given import check_filled, dataset_of, folder_of, folders_of, name_some, with_pictures
from lora_nb.shell.verb import Verb
from lora_nb.wording import counted


def scan_pictures(config: DatasetConfig, tell: Tell, poll: Poll) -> Finished:
    """Read every picture and say which cannot be read."""
    found = with_pictures(scan(dataset_of(config), tell=tell), config)
    name_some(tell, "Unreadable", [(str(broken.path), broken.reason) for broken in found.broken])
    if not found.items:
        raise ValueError(f"none of the {len(found.broken)} pictures in {config.train_data_dir} can be read")
    captioned = sum(bool(item.caption) for item in found.items)
    return Finished(
        "done",
        f"{counted(len(found.items), 'picture')}, {captioned} with a caption; "
        f"{counted(len(found.broken), 'unreadable file')}.",
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
        "done",
        f"{counted(report.moved, 'picture')} set aside in {folders.set_aside}; `restore` brings them back.",
    )


def check_pictures(config: CheckConfig, tell: Tell, poll: Poll) -> Finished:
    """Find what may spoil a LoRA (copies, blur, odd ones, too few, ...) and move nothing."""
    check_filled(config)
    from lora_nb.pictures.check import check
    from lora_nb.pictures.checks import labels

    found, names = check(config, tell).all, labels()
    dataset = dataset_of(config).absolute()
    for one in found:
        which = ", ".join(
            path.relative_to(dataset).as_posix() for path in one.pictures if path.is_relative_to(dataset)
        )
        tell(Notice(f"{names[one.kind]}: {f'{which} ' if which else ''}({one.sentence})"))
    if not found:
        return Finished("done", "Nothing was found that may spoil a LoRA; nothing was moved.")
    return Finished("done", f"{counted(len(found), 'thing')} found, the worst first; nothing was moved.")


def keep_other_picture(config: KeepOtherConfig, tell: Tell, poll: Poll) -> Finished:
    """Keep another picture of a group of copies than the one that was kept."""
    folder_of(config)
    from lora_nb.pictures import findings
    from lora_nb.pictures.curate import keep_other

    folders = folders_of(config)
    path = Path(folders.dataset.absolute(), config.picture)
    clusters = findings.read(folders).clusters
    cluster = next((one for one in clusters if path in [copy.path for copy in one.copies]), None)
    if cluster is None:
        known = [copy.path.name for one in clusters for copy in one.copies]
        hint = f"known are {', '.join(known[:10])}" if known else "run `check` or `curate` first"
        raise ValueError(f'picture = "{config.picture}" is no copy that was found: {hint}')
    swapped = keep_other(folders, cluster, path)
    handover.refresh(folders, tell)
    return Finished(
        "done", f"{swapped.kept.name} is kept, and {cluster.kept.name} is set aside; `undo` takes it back."
    )


def prepare_pictures(config: PrepareConfig, tell: Tell, poll: Poll) -> Finished:
    """Bring pictures to a size, a format, a background; originals stay and `undo` brings them back."""
    check_filled(config)
    from lora_nb.pictures.prepare import ASKS_NOTHING, asks, prepare

    if not asks(config):
        return Finished("nothing", f"{ASKS_NOTHING[0].upper()}{ASKS_NOTHING[1:]}.")
    done = prepare(config, tell)
    name_some(tell, "Left as it is", done.failed)
    folders = folders_of(config)
    handover.refresh(folders, tell)
    if not (done.changed or done.masks):
        if done.failed and not done.same:
            name, reason = done.failed[0]
            raise ValueError(f"no picture could be prepared, of {len(done.failed)} ({name}: {reason})")
        return Finished("nothing", f"All {done.same} pictures are so already: none was changed.")
    masks = f" and {done.masks} masks written" if done.masks else ""
    rest = f"; {done.same} were so already" if done.same else ""
    left = f"; {len(done.failed)} could not be" if done.failed else ""
    return Finished(
        "done",
        f"{counted(done.changed, 'picture')} prepared{masks}{rest}{left}; `undo` brings the originals back.",
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
    return Finished(
        "done",
        f"{counted(number, 'picture is', 'pictures are')} back in {config.train_data_dir}.",
    )


VERBS = {
    "scan": Verb(DatasetConfig, scan_pictures),
    "check": Verb(CheckConfig, check_pictures),
    "curate": Verb(CurateConfig, curate_pictures),
    "keep_other": Verb(KeepOtherConfig, keep_other_picture),
    "prepare": Verb(PrepareConfig, prepare_pictures),
    "restore": Verb(RestoreConfig, restore_pictures),
}
