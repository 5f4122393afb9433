"""The files of a source written to disk: measured, limited, those that cannot be read named."""

import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lora_nb.config.intake import ImportConfig
from lora_nb.intake.archive import READ_FAILURES, Entry

CHUNK = 1 << 20


class _Unreadable(Exception):
    """A file of the source cannot be read; errors where it is written to stay OSErrors."""


@dataclass
class Unpacker:
    """Writes entries of a source to files, as many bytes in all as `config` allows; `failed` are (name, reason)."""

    shown: str
    config: ImportConfig
    failed: list[tuple[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.left = int(self.config.max_gigabytes * 1e9)

    def check(self, entries: Sequence[Entry], dataset: Path) -> None:
        """Raises ValueError when by what it declares the source is too large for the settings or the disk."""
        limit = self.config.max_files
        if len(entries) > limit:
            raise ValueError(
                f"{self.shown} is refused: it holds {len(entries)} files and max_files is {limit}"
            )
        size = sum(entry.size for entry in entries)
        if size > self.left:
            raise self._too_large()
        place = next(parent for parent in dataset.parents if parent.exists())
        free = shutil.disk_usage(place).free
        if size > free:
            amounts = f"{size / 1e9:.1f} GB and only {free / 1e9:.1f} GB are free"
            raise ValueError(f"{self.shown} needs {amounts} at {place}: make room there first")

    def write(self, entry: Entry, target: Path, each: Callable[[bytes], None] = lambda chunk: None) -> bool:
        """Whether the entry could be read; then its bytes are in `target`. What an archive declares is measured here.

        Raises ValueError beyond the limit.
        """
        try:
            with target.open("wb") as file:
                for chunk in _chunks(entry):
                    self.left -= len(chunk)
                    if self.left < 0:
                        raise self._too_large()
                    file.write(chunk)
                    each(chunk)
        except _Unreadable as error:
            self.failed.append((entry.name, str(error)))
            target.unlink()
            return False
        return True

    def _too_large(self) -> ValueError:
        limit = f"{self.config.max_gigabytes:g} GB (max_gigabytes)"
        return ValueError(f"{self.shown} is refused: it unpacks to more than {limit}; nothing is imported")


def _chunks(entry: Entry) -> Iterator[bytes]:
    try:
        with entry.open() as stream:
            while chunk := stream.read(CHUNK):
                yield chunk
    except OSError as error:
        raise _Unreadable(f"it cannot be read: {error.strerror or error}") from error
    except READ_FAILURES as error:
        raise _Unreadable(f"damaged in the source: {error}") from error
