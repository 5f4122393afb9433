"""A dataset measured: what every check of the report looks at."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from lora_nb.config.examples import Pictures
from lora_nb.config.project import Handover
from lora_nb.config.report import ReportConfig
from lora_nb.dataset import buckets, captions, handover, images
from lora_nb.dataset.images import Broken, ImageItem
from lora_nb.events import Tell, silent
from lora_nb.pictures import findings
from lora_nb.pictures.findings import Findings
from lora_nb.project import Folders, folders_of_dataset
from lora_nb.sizes import sizes_of

RESOLUTION, UNIT = 512, 64  # of the base most people train on; a bucket's sides are multiples of the latter


@dataclass(frozen=True)
class Facts:
    """What a dataset holds. Each of the `places` is in the order of `items`; `others` are captions not in UTF-8."""

    folders: Folders
    dataset: Path
    config: ReportConfig
    resolution: int | str
    items: tuple[ImageItem, ...]
    broken: tuple[Broken, ...]
    unsure: tuple[Path, ...]
    others: tuple[str, ...]
    places: tuple[tuple[buckets.Placement, ...], ...]  # at each resolution
    known: Handover
    found: Findings
    searched: bool  # for copies

    def name(self, path: Path) -> str:
        """A file's name in the dataset."""
        return path.relative_to(self.dataset).as_posix()

    def names(self, items: Iterable[ImageItem]) -> tuple[str, ...]:
        return tuple(self.name(item.path) for item in items)

    @property
    def texts(self) -> list[str]:
        """The captions that say something, one for each file."""
        own = {captions.caption_path(item.path): item.caption for item in self.items if item.caption}
        return list(own.values())

    @property
    def kind(self) -> str:
        """What the captions are: as project.toml says, else as they look."""
        return self.known.caption_kind or captions.kind_of(self.texts)

    @property
    def placements(self) -> tuple[buckets.Placement, ...]:
        """Where the pictures go at the largest resolution."""
        return max(self.places, key=lambda own: max((each.bucket for each in own), default=(0, 0)))

    @property
    def sizes(self) -> Counter[buckets.Size]:
        """How many pictures each bucket has."""
        return Counter(placement.bucket for placement in self.placements)

    @property
    def steps_per_epoch(self) -> int:
        """Exactly, with buckets, as a training counts them."""
        repeats = [item.num_repeats for item in self.items] * len(self.places)
        kinds = [placement.bucket for placements in self.places for placement in placements]
        return buckets.count_batches(kinds, repeats, self.config.train_batch_size)


def measure(config: ReportConfig, tell: Tell = silent) -> Facts:
    """The facts of a dataset folder, each picture read whole. Raises ValueError where there is no such folder."""
    dataset = Path(config.train_data_dir).absolute()
    folders = folders_of_dataset(dataset)
    found = images.scan(dataset, config.num_repeats, tell=tell, caption_encoding=config.caption_encoding)
    reader = captions.Reader(encoding=config.caption_encoding)
    for item in found.items:
        reader.read(item.path)
    resolution = config.resolution or RESOLUTION
    return Facts(
        folders, dataset, config, resolution, found.items, found.broken, found.unsure,
        tuple(name for names in reader.others.values() for name in names),
        tuple(_placed(found.items, size) for size in sizes_of(resolution)),
        handover.read(folders, tell), findings.read(folders), (folders.report / findings.REPORT).is_file(),
    )  # fmt: skip


def _placed(items: Iterable[ImageItem], size: buckets.Size) -> tuple[buckets.Placement, ...]:
    fitted = buckets.fit(Pictures(), size, UNIT)
    return tuple(buckets.place((item.width, item.height), size, fitted) for item in items)
