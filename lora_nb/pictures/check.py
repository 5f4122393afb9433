"""All checks of a dataset's pictures in one go: what is wrong is written down, nothing is moved."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lora_nb.config.pictures import NETWORKS, CheckConfig, CurateConfig
from lora_nb.dataset import images
from lora_nb.events import Notice, Tell, silent
from lora_nb.pictures import embeddings, findings, text
from lora_nb.pictures.checks import Seen, run_checks
from lora_nb.pictures.curate import search
from lora_nb.pictures.findings import Findings, Unread
from lora_nb.pictures.measures import Measures, measure
from lora_nb.project import folders_of_dataset

COLOURS = "colours and light"


def check(config: CheckConfig, tell: Tell = silent) -> Findings:
    """What may spoil a LoRA: broken pictures, copies, and what the table of checks finds; kept in report/."""
    clusters, broken, distances = search(_for_copies(config), tell)
    unread = tuple(Unread(one.path, one.reason) for one in broken)
    found = Findings(
        unread, clusters, run_checks(_see(config, {one.path for one in broken}, tell), config), distances
    )
    folders = folders_of_dataset(Path(config.train_data_dir))
    findings.write(folders, found, name=findings.LOOKED)
    return found


def _for_copies(config: CheckConfig) -> CurateConfig:
    return CurateConfig(
        config.train_data_dir, config.method, config.min_alignment, config.max_distance_threshold,
        config.min_similarity_threshold, config.embedder,
    )  # fmt: skip


def _see(config: CheckConfig, broken: set[Path], tell: Tell) -> Seen:
    found = images.scan(Path(config.train_data_dir).absolute(), verify=False)
    paths = sorted(item.path for item in found.items if item.path not in broken)
    measured = [
        one
        for _, one in images.each(lambda path: measure(path, config.training_side), paths, "Measuring", tell)
    ]
    vectors, by = _vectors(config, measured, tell)
    return Seen(tuple(measured), vectors, by, _text(config, paths, tell))


def _vectors(config: CheckConfig, measured: Sequence[Measures], tell: Tell) -> tuple[np.ndarray, str]:
    if config.method in NETWORKS and measured:
        paths = [one.path for one in measured]
        return embeddings.embed(paths, config.method, config.embedder, tell)[1], "a network's view"
    return np.stack([one.features for one in measured]) if measured else np.empty((0, 1)), COLOURS


def _text(config: CheckConfig, paths: Sequence[Path], tell: Tell) -> tuple[float, ...]:
    if not config.max_text:
        return ()
    try:
        detector = text.load()
    except ImportError:
        tell(Notice(text.ABSENT))
        return ()
    return tuple(share for _, share in images.each(detector, paths, "Looking for text", tell))
