"""The folders a run learns from, each with the settings that its pictures are treated by."""

import glob
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from lora_nb import declare, events
from lora_nb.config.examples import Captions, Pictures
from lora_nb.config.training import TrainConfig
from lora_nb.dataset import gate, subsets
from lora_nb.dataset.images import REPEATS, is_picture, mask_path, places
from lora_nb.dataset.subsets import Subset


@dataclass(frozen=True)
class Source:
    """A folder of pictures, each seen `repeats` times; `given` are the settings in which it differs from the run.

    Sources of one `group` share their batches. `is_reg` marks pictures that say what the base is to keep; `masks` is
    the folder of their masks where those do not lie beside them.
    """

    folder: Path
    repeats: int
    pictures: Pictures
    captions: Captions
    batch_size: int
    group: int = 0
    class_tokens: str = ""
    is_reg: bool = False
    given: Mapping[str, Any] = field(default_factory=dict)
    masks: Path | None = None

    def mask_of(self, picture: Path) -> Path | None:
        """The file that says where a picture is learnt; None for none."""
        if self.masks is None:
            beside = mask_path(picture)
            return beside if beside.is_file() else None
        named = sorted(self.masks.glob(f"{glob.escape(picture.stem)}.*"))
        return next((path for path in named if is_picture(path)), None)

    @property
    def words(self) -> str:
        """What its pictures without a caption show: its class tokens, or the words of a folder called N_name."""
        match = REPEATS.fullmatch(self.folder.name)
        return self.class_tokens or (match[2] if match else "")


def sources_of(config: TrainConfig, tell: events.Tell) -> tuple[Source, ...]:
    """The sources of a run, always in the same order. Raises ValueError for a folder that there is not."""
    if config.pictures.dataset_config:
        if config.pictures.subsets:
            raise ValueError("dataset_config and subsets both name folders: give one of them")
        groups = subsets.read_file(Path(config.pictures.dataset_config))
        return (*_of_groups(groups, config), *_regular(config, tell, groups[0].given))
    return (*_of_dataset(config, tell), *_regular(config, tell))


def _of_groups(groups: tuple[subsets.Group, ...], config: TrainConfig) -> Iterator[Source]:
    for number, group in enumerate(groups):
        for subset in group.subsets:
            yield _source(config, subset.folder, subset.given["num_repeats"], subset, group.given, number)


def _of_dataset(config: TrainConfig, tell: events.Tell) -> Iterator[Source]:
    """The dataset folder and what lies in it, then the folders that the run names beside it."""
    folder = Path(config.place.train_data_dir)
    if not folder.is_dir():
        raise ValueError(f"{folder} does not exist: give the folder with your pictures as train_data_dir")
    gate.mend(folder)
    named = {one.folder.resolve(): one for one in subsets.read_subsets(config.pictures.subsets, folder)}
    for place, repeats in places(folder, config.pictures.num_repeats, tell):
        yield _source(config, place, repeats, named.pop(place.resolve(), None))
    for subset in named.values():
        match = REPEATS.fullmatch(subset.folder.name)
        yield _source(config, subset.folder, int(match[1]) if match else config.pictures.num_repeats, subset)


def _regular(
    config: TrainConfig, tell: events.Tell, shared: Mapping[str, Any] | None = None
) -> Iterator[Source]:
    if config.pictures.reg_data_dir:
        try:
            found = list(places(Path(config.pictures.reg_data_dir), 1, tell))
        except ValueError as error:
            raise ValueError(f"reg_data_dir: {error}") from None
        for place, repeats in found:
            yield _source(config, place, repeats, Subset(place, is_reg=True), shared)


def _source(
    config: TrainConfig,
    folder: Path,
    repeats: int,
    subset: Subset | None,
    shared: Mapping[str, Any] | None = None,
    group: int = 0,
) -> Source:
    subset = subset or Subset(folder)
    given = {**(shared or {}), **subset.given}
    return Source(
        folder=folder,
        repeats=given.get("num_repeats", repeats),
        pictures=_with(config.pictures, given),
        captions=_with(config.captions, given),
        batch_size=given.get("train_batch_size", config.length.train_batch_size),
        group=group,
        class_tokens=subset.class_tokens,
        is_reg=subset.is_reg,
        given=given,
        masks=subset.masks,
    )


def _with(slice: Any, given: Mapping[str, Any]) -> Any:
    """A slice of the settings with those of `given` that are in it."""
    own = {each.name for each in declare.settings_of(type(slice))}
    return replace(slice, **{name: value for name, value in given.items() if name in own})
