"""Captions that come with an import, given to the pictures of the dataset: new ones, the same, different ones."""

import unicodedata
from dataclasses import dataclass, field
from pathlib import Path

from lora_nb.config.intake import ImportConfig
from lora_nb.dataset import captions, encodings
from lora_nb.dataset.gate import Changes
from lora_nb.dataset.images import list_images


@dataclass
class Given:
    """What came of the captions so far. The old ones of pictures in the dataset are kept for `undo`."""

    config: ImportConfig
    dataset: Path
    changes: Changes
    written: int = 0
    equal: int = 0
    different: list[tuple[str, str, str]] = field(default_factory=list)

    def to(self, content: bytes, image: Path) -> str:
        """Give a picture of the dataset a caption where it has none, or where `existing` says so.

        "" or why it could not be done.
        """
        target = captions.caption_path(image)
        new = encodings.read(content, self.config.caption_encoding)
        if new is None:
            return captions.UNSURE
        if not target.exists():
            self.changes.write(target, self.in_utf8(content))
            self.written += 1
        else:
            self._compare(new.text, target)
        return ""

    def _compare(self, new: str, target: Path) -> None:
        old = encodings.read(target.read_bytes(), self.config.caption_encoding)
        if old is not None and old.text.strip() == new.strip():
            self.equal += 1
            return
        name = target.relative_to(self.dataset).as_posix()
        self.different.append((name, old.text if old else "(not in UTF-8)", new))
        if self.config.existing == "replace":
            self.changes.write(target, captions.in_file(new))

    def in_utf8(self, content: bytes) -> bytes:
        """A caption as it came, or in UTF-8 where the person named its encoding."""
        named = self.config.caption_encoding != encodings.AUTO
        found = encodings.read(content, self.config.caption_encoding) if named else None
        return captions.in_file(found.text) if found and found.encoding != encodings.UTF8 else content


class Named:
    """The pictures of a dataset, found by the name of a caption: with their sub-folder's, or alone where unique."""

    def __init__(self, dataset: Path) -> None:
        self.dataset = dataset
        self.by_stem: dict[str, list[Path]] = {}
        for folder in [dataset, *sorted(dataset.glob("*"))]:
            for image in list_images(folder) if folder.is_dir() else ():
                self.by_stem.setdefault(_plain(image.stem), []).append(image)

    def find(self, parts: tuple[str, ...]) -> Path | str:
        """The picture of a caption file, by the parts of its path; or why there is none."""
        stem, place = Path(parts[-1]).stem, parts[-2] if len(parts) > 1 else ""
        found = self.by_stem.get(_plain(stem), [])
        beside = [image for image in found if image.parent.name == place]
        exact = [image for image in beside or found if image.stem == stem]
        best = exact or beside or found
        if len({captions.caption_path(image) for image in best}) > 1:
            places = ", ".join(image.relative_to(self.dataset).as_posix() for image in best)
            return (
                f"several pictures are called so ({places}): put it into a folder of the same name as theirs"
            )
        return best[0] if best else "no picture of this name in the dataset"


def _plain(stem: str) -> str:
    return unicodedata.normalize("NFC", stem).casefold()
