"""A dataset measured: what every check of the report looks at."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
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

RESOLUTION, UNIT = 512, 64  # of the base most people train on; a bucket's sides are multiples of the latter


@dataclass(frozen=True)
class Facts:
    """What a dataset holds. `placements` are in the order of `items`; `others` are captions that are not in UTF-8."""

    folders: Folders
    dataset: Path
    config: ReportConfig
    resolution: int
    items: tuple[ImageItem, ...]
    broken: tuple[Broken, ...]
    unsure: tuple[Path, ...]
    others: tuple[str, ...]
    placements: tuple[buckets.Placement, ...]
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
    def sizes(self) -> Counter[buckets.Size]:
        """How many pictures each bucket has."""
        return Counter(placement.bucket for placement in self.placements)

    @property
    def steps_per_epoch(self) -> int:
        """Exactly, with buckets, as a training counts them."""
        repeats = [item.num_repeats for item in self.items]
        sizes = [placement.bucket for placement in self.placements]
        return buckets.count_batches(sizes, repeats, self.config.train_batch_size)


def measure(config: ReportConfig, tell: Tell = silent) -> Facts:
    """The facts of a dataset folder, each picture read whole. Raises ValueError where there is no such folder."""
    dataset = Path(config.train_data_dir).absolute()
    folders = folders_of_dataset(dataset)
    found = images.scan(dataset, config.num_repeats, tell=tell, caption_encoding=config.caption_encoding)
    reader = captions.Reader(encoding=config.caption_encoding)
    for item in found.items:
        reader.read(item.path)
    resolution = config.resolution or RESOLUTION
    fitted = buckets.fit(replace(Pictures(), resolution=resolution), resolution, UNIT)
    return Facts(
        folders, dataset, config, resolution, found.items, found.broken, found.unsure,
        tuple(name for names in reader.others.values() for name in names),
        tuple(buckets.place((item.width, item.height), resolution, fitted) for item in found.items),
        handover.read(folders, tell), findings.read(folders), (folders.report / findings.REPORT).is_file(),
    )  # fmt: skip
