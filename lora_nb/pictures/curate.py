"""Broken and duplicate pictures of a dataset: found, and set aside."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lora_nb.config.pictures import CurateConfig
from lora_nb.dataset import aside, captions, gate
from lora_nb.dataset.aside import Leaving
from lora_nb.dataset.gate import Changes
from lora_nb.dataset.images import Broken
from lora_nb.events import Tell, silent
from lora_nb.pictures import findings
from lora_nb.pictures.clusters import clusters_of
from lora_nb.pictures.findings import Cluster, Findings, Unread
from lora_nb.pictures.looking import look_at_all
from lora_nb.project import folders_of_dataset


def curate(config: CurateConfig, tell: Tell = silent) -> Findings:
    """Set aside what cannot be read and all but the best of each cluster, each with its caption.

    A kept picture without a caption gets the text of its best copy that has one; the copy keeps its own.
    """
    folders = folders_of_dataset(Path(config.train_data_dir))
    with gate.step(Path(config.train_data_dir), "curate") as changes:
        looked, broken = look_at_all(config, tell)
        clusters = clusters_of(looked, config.max_distance_threshold)
        unwanted = [(one.path, one.reason) for one in broken]
        unwanted += [reason for cluster in clusters for reason in _reasons(cluster)]
        leaving = aside.plan_aside(folders, unwanted, changes)
        found = _findings(leaving, broken, clusters)
        findings.write(folders, found, changes.write)
        for cluster in clusters:
            _pass_caption_on(cluster, changes)
        aside.move_aside(folders, leaving, changes)
    return found


def find_duplicates(config: CurateConfig, tell: Tell = silent) -> tuple[Cluster, ...]:
    """The clusters of pictures that show the same; unreadable ones are in none. Nothing is moved."""
    looked, _ = look_at_all(config, tell)
    return clusters_of(looked, config.max_distance_threshold)


def _reasons(cluster: Cluster) -> list[tuple[Path, str]]:
    """Each copy of a cluster with the reason to set it aside."""
    kept, why = cluster.kept.name, cluster.reason
    return [
        (copy.path, f"a copy of {kept} ({copy.distance} of 64 bits differ), which is {why}")
        for copy in cluster.copies
    ]


def _findings(leaving: Sequence[Leaving], broken: Sequence[Broken], clusters: Sequence[Cluster]) -> Findings:
    """What was found, with where each picture will lie."""
    places = {one.path: one.target for one in leaving}
    unread = tuple(Unread(one.path, one.reason, places[one.path]) for one in broken)
    moved = [
        replace(cluster, copies=tuple(replace(copy, set_aside=places[copy.path]) for copy in cluster.copies))
        for cluster in clusters
    ]
    return Findings(unread, tuple(moved))


def _pass_caption_on(cluster: Cluster, changes: Changes) -> None:
    if not _caption_bytes(cluster.kept):
        text = next(filter(None, (_caption_bytes(copy.path) for copy in cluster.copies)), b"")
        if text:
            changes.write(captions.caption_path(cluster.kept), text)


def _caption_bytes(image: Path) -> bytes:
    """The caption as it stands in its file, in whatever encoding; b"" for a blank one and for none."""
    path = captions.caption_path(image)
    content = path.read_bytes() if path.is_file() else b""
    return content if content.strip() else b""
