"""A dataset brought back to a version of it, as one step that `undo` takes back.

Pictures that the version lacks are set aside with their captions. Those it has come from where they lie by now: another
place in the dataset, what was set aside, the kept bytes of the version, or those of a step. Captions that it lacks are
kept in the step.
"""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from lora_nb import files
from lora_nb.dataset import aside, captions, gate, handover, record, snapshots, versions
from lora_nb.dataset.gate import Changes, Move
from lora_nb.dataset.places import Places
from lora_nb.dataset.snapshots import Held, Snapshot
from lora_nb.events import Progress, Tell, silent
from lora_nb.project import Folders

VERB = "restore_version"
BEFORE = "before going back to {}"


@dataclass
class Restored:
    """What came of it: pictures set aside, brought in, captions as they were, and `missing`: files that are nowhere."""

    left: int = 0
    came: int = 0
    captions: int = 0
    missing: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.left or self.came or self.captions)


def restore(dataset: Path, version: Snapshot, tell: Tell = silent) -> Restored:
    """Bring a dataset back to a version. Where anything changes, a light version of how it was before is kept."""
    dataset = Path(dataset).absolute()
    folders = aside.project_of(dataset)
    note = {"trigger_word": handover.read(folders).trigger_word}
    with gate.step(dataset, VERB, note) as changes:
        work = _Work(folders, version, changes, tell)
        if work.differs():
            if work.now:
                snapshots.make(dataset, {"automatic": BEFORE.format(version.title)}, whole=False)
            work.carry_out()
    return work.done


_NONE = Held(0, 0, "")


class _Work:
    """One way back: what there is now, what there shall be, and the change that leads there."""

    def __init__(self, folders: Folders, version: Snapshot, changes: Changes, tell: Tell) -> None:
        self.folders, self.dataset, self.version, self.changes = folders, folders.dataset, version, changes
        self.tell, self.done = tell, Restored()
        self.now = snapshots.look(self.dataset, tell=tell)
        self.texts = snapshots.contents(folders)
        self.wanted = {name: held for name, held in version.files.items() if files.within(self.dataset, name)}

    def differs(self) -> bool:
        """Whether there is anything to do."""
        return bool(self.surplus()) or any(
            self.now.get(name, _NONE).sha256 != held.sha256 for name, held in self.wanted.items()
        )

    def carry_out(self) -> None:
        """Do it, each picture together with its caption at every moment."""
        coming = {
            name: held
            for name, held in self.wanted.items()
            if versions.is_picture(name) and self.now.get(name, _NONE).sha256 != held.sha256
        }
        coming = self._without_lost(coming)
        stays = self._set_aside_the_rest(coming)
        self._move_within(coming, stays)
        self._bring_out(coming)
        self._bring_in(coming)
        self._write_texts()
        self._take_away()

    def surplus(self) -> list[str]:
        """Pictures, captions and masks that are here and not in the version."""
        ours = (name for name in self.now if versions.is_picture(name) or versions.is_companion(name))
        return [name for name in ours if name not in self.wanted]

    def _without_lost(self, coming: dict[str, Held]) -> dict[str, Held]:
        """Without the pictures whose bytes are nowhere in the project; the picture of that name that is here stays."""
        sources = _Sources(self.folders, {held.size for held in coming.values()}, self.now)
        lost = [name for name, held in coming.items() if not sources.of(held)]
        self.done.missing += lost
        return {name: held for name, held in coming.items() if name not in lost}

    def _set_aside_the_rest(self, coming: dict[str, Held]) -> dict[str, str]:
        """Set aside what the version lacks; {digest: name} of pictures that only lie in another place."""
        free = {held.sha256 for name, held in coming.items() if name not in self.now}
        leaving, moving = [], {}
        for name, held in self.now.items():
            wanted = self.wanted.get(name)
            fits = wanted and (wanted.sha256 == held.sha256 or name in self.done.missing)
            if not versions.is_picture(name) or fits:
                continue
            if held.sha256 in free and held.sha256 not in moving:
                moving[held.sha256] = name
            else:
                leaving.append((self.dataset / name, f'not in the version "{self.version.title}"'))
        aside.move_aside(self.folders, aside.plan_aside(self.folders, leaving, self.changes), self.changes)
        self.done.left = len(leaving)
        return moving

    def _move_within(self, coming: dict[str, Held], stays: dict[str, str]) -> None:
        """Pictures that lie elsewhere in the dataset, back to their places with their captions."""
        places, moves = Places(self.changes.dropped), []
        for name, held in list(coming.items()):
            if held.sha256 in stays and not (self.dataset / name).exists():
                moves.append(places.move(self.dataset / stays.pop(held.sha256), self.dataset / name))
                del coming[name]
        self.changes.move(moves)
        self.done.came += len(moves)

    def _bring_out(self, coming: dict[str, Held]) -> None:
        """Pictures that were set aside, back to their places with their captions."""
        places, moves = Places(self.changes.dropped), []
        found = _by_digest(self.folders.set_aside, {held.size for held in coming.values()})
        for name, held in list(coming.items()):
            if held.sha256 in found:
                moves.append(places.move(found.pop(held.sha256), self.dataset / name))
                del coming[name]
        self.changes.move(moves)
        if moves:
            self.changes.write(self.folders.set_aside / aside.REASONS, aside.records(self.folders))
        self.done.came += len(moves)

    def _bring_in(self, coming: dict[str, Held]) -> None:
        """Pictures whose bytes were kept, with the captions of the version."""
        if not coming:
            return
        now = snapshots.look(self.dataset, self.now)
        sources = _Sources(self.folders, {held.size for held in coming.values()}, now)
        staging, pairs, taken = self.changes.staging(), [], set()
        for number, (name, held) in enumerate(coming.items(), start=1):
            picture, caption = staging / f"{number}.image", staging / f"{number}.caption"
            shutil.copyfile(sources.of(held), picture)
            target = captions.caption_path(self.dataset / name)
            text = self._text(target.relative_to(self.dataset).as_posix())
            # Where a caption waits for its picture, an undo takes the picture away from beside it.
            moves = [Move(picture, self.dataset / name, after="" if target.exists() else held.sha256)]
            if text is not None and not target.exists() and target not in taken:
                caption.write_bytes(text)
                moves.append(Move(caption, target, after=record.digest(text)))
                taken.add(target)
            pairs.append(moves)
            self.tell(Progress("Bringing pictures back", number, len(coming)))
        self.changes.move(pairs)
        self.done.came += len(pairs)
        self.done.captions += len(taken)

    def _text(self, name: str) -> bytes | None:
        held = self.wanted.get(name)
        return self.texts.get(held.sha256) if held else None

    def _write_texts(self) -> None:
        """Captions, and whatever else lay there, as they were."""
        lost = {str(Path(name).with_suffix("")) for name in self.done.missing}
        for name, held in self.wanted.items():
            path = self.dataset / name
            same = path.is_file() and record.digest_of(path) == held.sha256
            if versions.is_picture(name) or same or str(Path(name).with_suffix("")) in lost:
                continue
            content = self.texts.get(held.sha256)
            kept = snapshots.kept_picture(self.folders, held.sha256)
            if content is None and kept is None:
                self.done.missing.append(name)
                continue
            self.changes.write(path, kept.read_bytes() if content is None else content)
            self.done.captions += 1

    def _take_away(self) -> None:
        """Captions and masks that the version lacks: kept in the step, from where `undo` brings them back."""
        for name in self.surplus():
            path = self.dataset / name
            if versions.is_companion(name) and path.is_file():
                self.changes.move([[Move(path, self.changes.dropped(path))]])
                self.done.captions += versions.is_caption(name)


class _Sources:
    """Where in the project the bytes of pictures lie, found by their size first, then by their digest."""

    def __init__(self, folders: Folders, sizes: set[int], now: dict[str, Held]) -> None:
        self.folders, self.now = folders, {held.sha256: folders.dataset / name for name, held in now.items()}
        self.aside = _by_digest(folders.set_aside, sizes)
        self.sizes, self.steps = sizes, None

    def of(self, held: Held) -> Path | None:
        """A file that holds them."""
        kept = snapshots.kept_picture(self.folders, held.sha256)
        if kept and record.digest_of(kept) == held.sha256:
            return kept
        return self.aside.get(held.sha256) or self._of_a_step(held.sha256) or self.now.get(held.sha256)

    def _of_a_step(self, digest: str) -> Path | None:
        if self.steps is None:
            found = (path for path in snapshots.elsewhere(self.folders) if path.stat().st_size in self.sizes)
            self.steps = {record.digest_of(path): path for path in found}
        return self.steps.get(digest)


def _by_digest(folder: Path, sizes: set[int]) -> dict[str, Path]:
    return {record.digest_of(path): path for path in _of_size(folder, sizes)}


def _of_size(folder: Path, sizes: set[int]) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")) if folder.is_dir() else ():
        if versions.is_picture(path.name) and path.is_file() and path.stat().st_size in sizes:
            yield path
