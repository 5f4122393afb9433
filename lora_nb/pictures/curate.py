"""Broken and duplicate pictures of a dataset: found, and set aside."""

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from lora_nb.config.pictures import CurateConfig
from lora_nb.dataset import aside, captions, gate, images
from lora_nb.dataset.aside import Leaving
from lora_nb.dataset.gate import Changes
from lora_nb.dataset.images import Broken
from lora_nb.events import Tell, silent
from lora_nb.pictures import findings
from lora_nb.pictures.clusters import clusters_of
from lora_nb.pictures.copies import find_copies
from lora_nb.pictures.findings import Cluster, Copy, Findings, Unread
from lora_nb.pictures.looking import Look
from lora_nb.pictures.merits import Merits, judge
from lora_nb.pictures.pairing import Distances
from lora_nb.project import Folders, folders_of_dataset

CHOSEN = "the one you chose"


def curate(config: CurateConfig, tell: Tell = silent) -> Findings:
    """Set aside what cannot be read and all but the best of each cluster, each with its caption.

    A kept picture without a caption gets the text of its best copy that has one; the copy keeps its own.
    """
    folders = folders_of_dataset(Path(config.train_data_dir))
    with gate.step(Path(config.train_data_dir), "curate") as changes:
        clusters, broken, distances = search(config, tell)
        unwanted = [(one.path, one.reason) for one in broken]
        unwanted += [reason for cluster in clusters for reason in _reasons(cluster)]
        leaving = aside.plan_aside(folders, unwanted, changes)
        found = replace(_findings(leaving, broken, clusters), distances=distances)
        findings.write(folders, findings.with_earlier(folders, found), changes.write)
        for cluster in clusters:
            _pass_caption_on(cluster, changes)
        aside.move_aside(folders, leaving, changes)
    return found


def find_duplicates(config: CurateConfig, tell: Tell = silent) -> tuple[Cluster, ...]:
    """The clusters of pictures that show the same; unreadable ones are in none. Nothing is moved."""
    return search(config, tell)[0]


def search(
    config: CurateConfig, tell: Tell = silent
) -> tuple[tuple[Cluster, ...], tuple[Broken, ...], Distances]:
    """The clusters, what cannot be read, and where all pairs lay. Nothing is moved."""
    found = images.scan(Path(config.train_data_dir).absolute(), verify=False, tell=tell)
    paths = sorted([*(item.path for item in found.items), *(broken.path for broken in found.broken)])
    captioned = {item.path for item in found.items if item.caption} | set(found.unsure)
    looks, paired, broken = find_copies(config, paths, tell)
    judged = partial(_judged, captioned)
    return clusters_of(looks, paired.pairings, judged), broken, paired.distances


def _judged(captioned: set[Path], look: Look) -> Merits:
    return judge(look.path, look.path in captioned)


def keep_other(folders: Folders, cluster: Cluster, path: Path) -> Cluster:
    """Keep `path`, one of a cluster's copies, in place of the one that was kept, which is set aside; in one step.

    A picture that is set aside comes back for it. Raises ValueError for one that is no copy of this cluster.
    """
    chosen = next((copy for copy in cluster.copies if copy.path == path), None)
    if chosen is None or not (chosen.set_aside or chosen.path).exists():
        names = ", ".join(copy.path.name for copy in cluster.copies)
        raise ValueError(
            f"{path.name} is no copy of {cluster.kept.name} that is still there: choose from {names}"
        )
    with gate.step(folders.dataset, "keep_other") as changes:
        kept = _brought_back(folders, chosen, changes)
        others = [copy for copy in cluster.copies if copy != chosen]
        unwanted = [cluster.kept, *(copy.path for copy in others if not copy.set_aside)]
        reason = f"a copy of {kept.name}, which is {CHOSEN}"
        leaving = aside.plan_aside(folders, [(each, reason) for each in unwanted if each.exists()], changes)
        places = {one.path: one.target for one in leaving}
        how = f"was kept before {kept.name}"
        left = [Copy(cluster.kept, how, places.get(cluster.kept))]
        left += [replace(copy, set_aside=copy.set_aside or places.get(copy.path)) for copy in others]
        swapped = Cluster(kept, tuple(left), CHOSEN)
        _pass_caption_on(Cluster(kept, (Copy(cluster.kept, how),), CHOSEN), changes)
        findings.write(folders, findings.replaced(folders, cluster, swapped), changes.write)
        aside.move_aside(folders, leaving, changes)
    return swapped


def _brought_back(folders: Folders, copy: Copy, changes: Changes) -> Path:
    """Where a copy lies in the dataset now."""
    if copy.set_aside is None:
        return copy.path
    name = copy.set_aside.relative_to(folders.set_aside.absolute()).as_posix()
    return aside.put_back(folders, [name], changes)[0]


def _reasons(cluster: Cluster) -> list[tuple[Path, str]]:
    """Each copy of a cluster with the reason to set it aside."""
    kept, why = cluster.kept.name, cluster.reason
    return [(copy.path, f"a copy of {kept} ({copy.how}), which is {why}") for copy in cluster.copies]


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
