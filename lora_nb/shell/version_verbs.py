"""The subcommands on the versions of a dataset: a config in, the work done, what came of it out."""

from lora_nb.config.dataset import DatasetConfig
from lora_nb.config.versions import DiffConfig, ExportConfig, RestoreVersionConfig, SnapshotConfig
from lora_nb.dataset import comeback, handover, versions
from lora_nb.dataset.comeback import Restored
from lora_nb.dataset.snapshots import Snapshot
from lora_nb.dataset.versions import SHOWN, Difference
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.shell.given import MOST_NAMED, dataset_of, folder_of, folders_of, name_some
from lora_nb.shell.verb import Verb
from lora_nb.wording import counted, some


def keep_version(config: SnapshotConfig, tell: Tell, poll: Poll) -> Finished:
    """Keep the dataset as it is now, to go back to."""
    made = versions.keep(folder_of(config), config.name, config.note, config.whole, tell)
    return Finished("done", f'Kept as the version "{made.title}": {in_counts(made)}.')


def list_versions(config: DatasetConfig, tell: Tell, poll: Poll) -> Finished:
    """List the versions of the dataset, the last one first."""
    known = versions.every(dataset_of(config))
    if not known:
        return Finished("nothing", f"{config.train_data_dir} has no version yet: `snapshot` keeps one.")
    for made in known:
        tell(Notice(in_a_line(made)))
    return Finished("done", f"{len(known)} versions; `restore_version` goes back to one.")


def show_difference(config: DiffConfig, tell: Tell, poll: Poll) -> Finished:
    """Say what differs between a version and another, or the dataset as it is now."""
    dataset = folder_of(config)
    old = versions.find(dataset, config.version)
    new = versions.find(dataset, config.other) if config.other.strip() else None
    found = versions.difference(dataset, old, new, tell)
    now = f'the version "{new.title}"' if new else "the dataset as it is now"
    if not found:
        return Finished("nothing", f'Nothing differs between the version "{old.title}" and {now}.')
    _tell_names(found, tell)
    return Finished("done", f'From the version "{old.title}" to {now}: {of_difference(found)}.')


def go_back(config: RestoreVersionConfig, tell: Tell, poll: Poll) -> Finished:
    """Bring the dataset back to a version; `undo` takes that back."""
    dataset = dataset_of(config)  # it may be gone altogether
    version = versions.find(dataset, config.version)
    done = comeback.restore(dataset, version, tell)
    if done:
        handover.refresh(folders_of(config), tell, **versions.facts(dataset, version))
    return of_restoring(done, version, tell)


def take_out(config: ExportConfig, tell: Tell, poll: Poll) -> Finished:
    """Write the dataset into one file for other programs."""
    from lora_nb.dataset.export import export

    folder_of(config)
    made = export(config, tell)
    name_some(tell, "Left out", [(name, "it cannot be read") for name in made.left_out])
    what = (
        f"{counted(made.pictures, 'picture')} with {counted(made.captions, 'caption')}"
        if made.pictures
        else counted(made.captions, "caption")
    )
    return Finished("done", f"{what} are in {made.path}.", (str(made.path),))


def of_restoring(done: Restored, version: Snapshot, tell: Tell) -> Finished:
    """What came of going back. Raises ValueError where files of the version are nowhere and nothing else differed."""
    lost = (
        f"{len(done.missing)} files of the version are nowhere in the project any more: {some(done.missing)}"
    )
    if done.missing and not done:
        raise ValueError(f'"{version.title}": {lost}')
    if done.missing:
        tell(Notice(f"{lost}.", "warning"))
    if not done:
        return Finished("nothing", f'The dataset is as in the version "{version.title}" already.')
    captions = counted(done.captions, "caption is as it was", "captions are as they were")
    words = f"{counted(done.came, 'picture')} came back, {done.left} set aside, {captions}"
    return Finished(
        "done", f'The dataset is as in the version "{version.title}": {words}. `undo` takes this back.'
    )


def of_difference(found: Difference) -> str:
    """The counts of a difference in words."""
    counts = [
        (len(found.added), "pictures added"), (len(found.removed), "removed"), (len(found.changed), "changed"),
        (len(found.moved), "moved"), (len(found.captions), "captions changed"),
        (len(found.others), "other files changed"),
    ]  # fmt: skip
    return ", ".join(f"{number} {words}" for number, words in counts if number)


def _tell_names(found: Difference, tell: Tell) -> None:
    for what, names in (("Added", found.added), ("Removed", found.removed), ("Changed", found.changed)):
        if names:
            tell(Notice(f"{what}: {some(names, MOST_NAMED)}"))
    if found.moved:
        tell(Notice(f"Moved: {some([f'{old} -> {new}' for old, new in found.moved], MOST_NAMED)}"))
    for name, old, new in found.captions[:MOST_NAMED]:
        tell(Notice(f"{name}: {_said(old)} -> {_said(new)}"))
    if len(found.captions) > MOST_NAMED:
        tell(Notice(counted(len(found.captions) - MOST_NAMED, "more caption")))


def _said(text: str | None) -> str:
    return "none" if text is None else f'"{" ".join(text.split())}"'


def in_counts(made: Snapshot) -> str:
    """How many pictures and captions a version has."""
    pictures = sum(map(versions.is_picture, made.files))
    return f"{counted(pictures, 'picture')}, {counted(sum(map(versions.is_caption, made.files)), 'caption')}"


def in_a_line(made: Snapshot) -> str:
    """A version as a list shows it."""
    words = [part for part in (made.name, made.automatic, made.note) if part]
    return ": ".join([f"{made.made.strftime(SHOWN)}  {in_counts(made)}", *words])


VERBS = {
    "snapshot": Verb(SnapshotConfig, keep_version),
    "versions": Verb(DatasetConfig, list_versions),
    "diff": Verb(DiffConfig, show_difference),
    "restore_version": Verb(RestoreVersionConfig, go_back),
    "export": Verb(ExportConfig, take_out),
}
