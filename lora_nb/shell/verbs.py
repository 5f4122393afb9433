"""The subcommands by their names."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lora_nb.config.dataset import (
    CaptionConfig,
    CurateConfig,
    DatasetConfig,
    ImportConfig,
    RecodeConfig,
    RestoreConfig,
    TagConfig,
    TopTagsConfig,
    TriggerConfig,
)
from lora_nb.config.drawing import GridConfig, SampleConfig
from lora_nb.config.training import TrainConfig
from lora_nb.events import Finished, Poll, Tell
from lora_nb.shell import dataset_verbs, run_verbs


@dataclass(frozen=True)
class Verb:
    """A subcommand. `run` takes the config, the listener and what asks for "stop", "save" and "sample".

    Where it `loads` torch and the like, that takes some seconds.
    """

    config: type
    run: Callable[[Any, Tell, Poll], Finished]
    loads: bool = False


VERBS = {
    "import": Verb(ImportConfig, dataset_verbs.import_pictures),
    "scan": Verb(DatasetConfig, dataset_verbs.scan_pictures),
    "curate": Verb(CurateConfig, dataset_verbs.curate_pictures, loads=True),
    "restore": Verb(RestoreConfig, dataset_verbs.restore_pictures),
    "tag": Verb(TagConfig, dataset_verbs.tag_pictures, loads=True),
    "caption": Verb(CaptionConfig, dataset_verbs.caption_pictures, loads=True),
    "trigger": Verb(TriggerConfig, dataset_verbs.put_trigger),
    "recode": Verb(RecodeConfig, dataset_verbs.recode_captions),
    "undo": Verb(DatasetConfig, dataset_verbs.undo_step),
    "top_tags": Verb(TopTagsConfig, dataset_verbs.list_tags),
    "train": Verb(TrainConfig, run_verbs.train_lora, loads=True),
    "sample": Verb(SampleConfig, run_verbs.draw_samples, loads=True),
    "grid": Verb(GridConfig, run_verbs.draw_grid, loads=True),
}
