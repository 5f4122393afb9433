"""The versions of a dataset: kept, found by what people call them, compared."""

import tomllib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lora_nb.dataset import encodings, gate, images, snapshots
from lora_nb.dataset.snapshots import Held, Snapshot
from lora_nb.events import Tell, silent
from lora_nb.project import folders_of_dataset

SHOWN = "%Y-%m-%d %H:%M:%S"


@dataclass(frozen=True)
class Difference:
    """What became of the files of one version in another: names in the dataset; `moved` are (old, new) names.

    `captions` are (name, old text, new text), None where there was or is none; `others` files of any other kind.
    """

    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    moved: tuple[tuple[str, str], ...] = ()
    captions: tuple[tuple[str, str | None, str | None], ...] = ()
    others: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return any(vars(self).values())


def keep(dataset: Path, name: str = "", note: str = "", whole: bool = True, tell: Tell = silent) -> Snapshot:
    """Keep the dataset as it is now, as a version. Raises ValueError for one without a file."""
    dataset = Path(dataset).absolute()
    with gate.alone(dataset, "snapshot"):
        if not dataset.is_dir() or not any(map(is_picture, snapshots.names(dataset))):
            raise ValueError(f"{dataset} holds no picture: there is nothing to keep as a version")
        return snapshots.make(dataset, {"name": name.strip(), "note": note.strip()}, whole, tell)


def every(dataset: Path) -> tuple[Snapshot, ...]:
    """The versions of a dataset, the last one first."""
    return tuple(snapshots.listed(Path(dataset).absolute()))


def find(dataset: Path, wanted: str = "") -> Snapshot:
    """The version with that name, or the last one of that day or time; of "" the last of all. Raises ValueError."""
    known, wanted = every(dataset), wanted.strip()
    fitting = [made for made in known if made.name == wanted or made.id == wanted] or [
        made for made in known if made.made.strftime(SHOWN).startswith(wanted)
    ]
    if not known:
        raise ValueError(f"{dataset} has no version yet: `snapshot` keeps one")
    if not fitting:
        there = ", ".join(dict.fromkeys(made.title for made in known[:5]))
        raise ValueError(f'there is no version "{wanted}": the last ones are {there}')
    return fitting[0]


def facts(dataset: Path, version: Snapshot) -> dict[str, str]:
    """What project.toml said of the captions then: their trigger word and kind, as far as it is known."""
    content = snapshots.contents(folders_of_dataset(dataset)).get(version.project, b"")
    with suppress(tomllib.TOMLDecodeError, UnicodeDecodeError):
        known = tomllib.loads(content.decode("utf-8"))
        return {
            key: known[key] for key in ("trigger_word", "caption_kind") if isinstance(known.get(key), str)
        }
    return {}


def difference(dataset: Path, old: Snapshot, new: Snapshot | None = None, tell: Tell = silent) -> Difference:
    """What differs in version `new`, or in the dataset as it is now, from version `old`."""
    dataset = Path(dataset).absolute()
    after = new.files if new else snapshots.look(dataset, old.files, tell)
    texts = _Texts(dataset, snapshots.contents(folders_of_dataset(dataset)), now=new is None)
    gone = {name: held for name, held in old.files.items() if is_picture(name) and name not in after}
    came = {name: held for name, held in after.items() if is_picture(name) and name not in old.files}
    moved = _moved(gone, came)
    sources, targets = dict(moved), {target for _, target in moved}
    both = [name for name in old.files.keys() & after.keys() if old.files[name].sha256 != after[name].sha256]
    rest = sorted({*both, *(old.files.keys() ^ after.keys())} - gone.keys() - came.keys())
    return Difference(
        added=tuple(sorted(came.keys() - targets)), removed=tuple(sorted(gone.keys() - sources.keys())),
        changed=tuple(sorted(filter(is_picture, both))), moved=tuple(moved),
        captions=tuple(_captions(rest, old.files, after, texts)),
        others=tuple(name for name in rest if not is_picture(name) and not is_caption(name)),
    )  # fmt: skip


def is_picture(name: str) -> bool:
    """Whether a file is called like a picture, and not like a picture's mask."""
    return images.is_picture(Path(name))


def is_caption(name: str) -> bool:
    """Whether a file is called like a caption."""
    return Path(name).suffix.lower() in (".txt", ".caption")


def is_companion(name: str) -> bool:
    """Whether a file is called like what belongs to a picture: its caption, its mask."""
    return is_caption(name) or name.endswith(images.MASK)


def _moved(gone: Mapping[str, Held], came: Mapping[str, Held]) -> list[tuple[str, str]]:
    """Pictures that lie elsewhere by now, each new place taken once."""
    free = {}
    for name in sorted(came):
        free.setdefault(came[name].sha256, []).append(name)
    return [(name, free[held.sha256].pop(0)) for name, held in sorted(gone.items()) if free.get(held.sha256)]


@dataclass(frozen=True)
class _Texts:
    """What captions say: those that were kept, and the files that are there now."""

    dataset: Path
    kept: Mapping[str, bytes]
    now: bool

    def old(self, held: Held | None) -> str | None:
        return None if held is None else _in_words(self.kept.get(held.sha256))

    def new(self, name: str, held: Held | None) -> str | None:
        if held is None or not self.now:
            return self.old(held)
        return _in_words((self.dataset / name).read_bytes())


def _in_words(content: bytes | None) -> str:
    if content is None:
        return "(not kept)"
    found = encodings.read(content)
    return found.text.strip() if found else "(not in UTF-8)"


def _captions(
    names: list[str], old: Mapping[str, Held], new: Mapping[str, Held], texts: _Texts
) -> Iterator[tuple[str, str | None, str | None]]:
    for name in filter(is_caption, names):
        yield name, texts.old(old.get(name)), texts.new(name, new.get(name))
