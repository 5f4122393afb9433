"""Where pictures can go with their captions, planned before the first of them moves."""

from collections.abc import Callable
from pathlib import Path

from lora_nb.dataset import captions, record
from lora_nb.dataset.gate import Move
from lora_nb.dataset.images import IMAGE_EXTENSIONS, mask_path


class Places:
    """The folders as they will be when the moves planned so far are done.

    `dropped` says where a caption goes that lies at its new place already.
    """

    def __init__(self, dropped: Callable[[Path], Path]) -> None:
        self.dropped = dropped
        self.folders: dict[Path, dict[str, set[Path]]] = {}  # folder -> stem -> files
        self.sources: dict[Path, Path] = {}  # planned place -> where the file lies now
        self.left: set[Path] = set()

    def free(self, target: Path, path: Path) -> Path:
        """`target`, or the first numbered name beside it where `path` and its caption find no stranger."""
        if not self._is_taken(target, captions.caption_path(path)):
            return target
        taken = {stem.casefold() for stem in self._folder(target.parent)}
        return target.with_name(captions.free_stem(target.stem, taken) + target.suffix)

    def move(self, path: Path, target: Path) -> tuple[Move, ...]:
        """The moves of a picture, its caption and mask; a caption another of the same stem needs is copied."""
        caption, place = captions.caption_path(path), captions.caption_path(target)
        shared, moves = self._others(path), [Move(path, target)]
        if self._exists(caption) and not self._exists(place):
            after = record.digest(self._content(caption)) if shared else ""
            moves.append(Move(caption, place, copied=shared, after=after))
        elif self._exists(caption) and not shared:
            moves.append(Move(caption, self.dropped(caption)))
        mask, beside = mask_path(path), mask_path(target)
        if self._exists(mask) and not self._exists(beside) and not shared:
            moves.append(Move(mask, beside))
        for move in moves:
            self._plan(move)
        return tuple(moves)

    def _plan(self, move: Move) -> None:
        self.sources[move.target] = self.sources.get(move.source, move.source)
        self._called(move.target).add(move.target)
        self.left.discard(move.target)
        if not move.copied:
            self.left.add(move.source)
            self._called(move.source).discard(move.source)

    def _is_taken(self, target: Path, caption: Path) -> bool:
        there = captions.caption_path(target)
        if self._exists(caption) and self._exists(there) and not self._exists(target):
            return self._content(caption) != self._content(there)
        return self._exists(target) or self._others(target)

    def _exists(self, path: Path) -> bool:
        known = path in self._called(path)
        return known or (
            path not in self.left and path.exists()
        )  # in other capitals, where those are the same

    def _content(self, path: Path) -> bytes:
        return self.sources.get(path, path).read_bytes()

    def _others(self, image: Path) -> bool:
        """Whether another picture has this one's stem, and so its caption."""
        return any(path != image and path.suffix.lower() in IMAGE_EXTENSIONS for path in self._called(image))

    def _called(self, path: Path) -> set[Path]:
        return self._folder(path.parent).setdefault(path.stem, set())

    def _folder(self, folder: Path) -> dict[str, set[Path]]:
        if folder not in self.folders:
            stems = self.folders[folder] = {}
            for path in folder.iterdir() if folder.is_dir() else ():
                stems.setdefault(path.stem, set()).add(path)
        return self.folders[folder]
