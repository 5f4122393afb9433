"""The pictures that a dataset has already, in it or set aside, found again by their bytes."""

from pathlib import Path

from lora_nb.dataset import record
from lora_nb.dataset.images import IMAGE_EXTENSIONS
from lora_nb.project import folders_of_dataset


class Known:
    """The pictures there were when it was made."""

    def __init__(self, dataset: Path) -> None:
        self.by_size: dict[int, list[Path]] = {}
        self.digests: dict[Path, str] = {}
        for folder in (dataset, folders_of_dataset(dataset).set_aside):
            for path in sorted(folder.rglob("*")):
                if path.suffix.lower() in IMAGE_EXTENSIONS and path.is_file():
                    self.by_size.setdefault(path.stat().st_size, []).append(path)

    def find(self, image: Path, digest: str) -> Path | None:
        """The first of them with the same bytes as `image`, of which `digest` is the sha256."""
        same_size = self.by_size.get(image.stat().st_size, [])
        return next((path for path in same_size if self._digest(path) == digest), None)

    def _digest(self, path: Path) -> str:
        if path not in self.digests:
            self.digests[path] = record.digest_of(path)
        return self.digests[path]
