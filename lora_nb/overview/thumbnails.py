"""Small copies of pictures, made when they are asked for, kept in the machine's own folder for temporary files."""

import hashlib
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from lora_nb.dataset import images
from lora_nb.overview.entries import Stamp

SIDE, LARGE = 300, 1600
LIMIT = 300_000_000  # bytes of all small copies together: some 17,000
LEFT = 0.8  # the share of them that stays when there are too many


class Thumbnails:
    """Small copies by picture, its time and bytes, and the side: one of another content is never given."""

    def __init__(self, folder: Path | None = None, limit: int = LIMIT) -> None:
        self.folder, self.limit = folder or default_folder(), limit
        self.bytes: int | None = None  # of the folder, counted at the first new one

    def get(self, path: Path, stamp: Stamp, side: int = SIDE) -> bytes:
        """A JPEG of the upright picture within `side` pixels. Raises ValueError or OSError saying why there is none."""
        key = f"{Path(path).absolute()}\0{stamp}\0{side}"
        place = self.folder / f"{hashlib.sha256(os.fsencode(key)).hexdigest()[:32]}.jpg"
        with suppress(OSError):
            return place.read_bytes()
        content = images.thumbnail(path, side)
        with suppress(OSError):  # a full disk costs time alone
            self._keep(place, content)
        return content

    def _keep(self, place: Path, content: bytes) -> None:
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        temporary = place.with_name(f".{place.name}.{os.getpid()}.tmp")  # no fsync: it can be made again
        temporary.write_bytes(content)
        os.replace(temporary, place)
        known = sum(size for _, size, _ in self._kept()) if self.bytes is None else self.bytes + len(content)
        self.bytes = known if known <= self.limit else self._thin_out()

    def _thin_out(self) -> int:
        """Remove the oldest copies; the bytes that stay."""
        left = 0
        for _, size, path in sorted(self._kept(), reverse=True):
            left += size
            if left > LEFT * self.limit:
                path.unlink(missing_ok=True)
                left -= size
        return left

    def _kept(self) -> list[tuple[int, int, Path]]:
        found = ((entry.stat(), Path(entry.path)) for entry in os.scandir(self.folder) if entry.is_file())
        return [(about.st_mtime_ns, about.st_size, path) for about, path in found]


def default_folder() -> Path:
    """Where small copies are kept: local, as Drive is slow, and each person's own."""
    user = getattr(os, "getuid", lambda: "")()
    return Path(tempfile.gettempdir()) / f"lora_nb-thumbnails-{user}"
