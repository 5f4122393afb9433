"""Broken and duplicate pictures of a dataset: found, and set aside."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from imagededup.methods import AHash, DHash, PHash, WHash
from PIL import Image

from lora_nb.config.pictures import CurateConfig
from lora_nb.dataset import aside, captions, gate, images
from lora_nb.dataset.aside import Leaving
from lora_nb.dataset.gate import Changes
from lora_nb.dataset.images import Broken
from lora_nb.events import Tell, silent
from lora_nb.pictures import findings
from lora_nb.pictures.findings import Cluster, Copy, Findings, Unread
from lora_nb.project import folders_of_dataset

METHODS = {"phash": PHash, "dhash": DHash, "ahash": AHash, "whash": WHash}
SHARPNESS_SIDE = 512
BLOCK = 1 << 22  # pairs compared at a time


@dataclass(frozen=True)
class Looked:
    """What a look at one whole picture tells: what decides which of several copies is kept."""

    path: Path
    hash: int
    width: int
    height: int
    sharpness: float
    size: int
    captioned: bool

    @property
    def merits(self) -> tuple[float, ...]:
        """Larger is better, the first difference decides."""
        return (self.width * self.height, self.sharpness, self.size, self.captioned)


def curate(config: CurateConfig, tell: Tell = silent) -> Findings:
    """Set aside what cannot be read and all but the best of each cluster, each with its caption.

    A kept picture without a caption gets the text of its best copy that has one; the copy keeps its own.
    """
    folders = folders_of_dataset(Path(config.train_data_dir))
    with gate.step(Path(config.train_data_dir), "curate") as changes:
        looked, broken = _look_at_all(config, tell)
        clusters = _clusters(looked, config.max_distance_threshold)
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
    looked, _ = _look_at_all(config, tell)
    return _clusters(looked, config.max_distance_threshold)


def _look_at_all(config: CurateConfig, tell: Tell) -> tuple[list[Looked], list[Broken]]:
    found = images.scan(Path(config.train_data_dir).absolute(), verify=False, tell=tell)
    hasher = METHODS[config.method](verbose=False)
    paths = sorted([*(item.path for item in found.items), *(broken.path for broken in found.broken)])
    captioned = {item.path for item in found.items if item.caption} | set(found.unsure)

    def look(path: Path) -> Looked | Broken:
        try:
            picture = images.open_upright(path)
        except ValueError as error:
            return Broken(path, str(error).removeprefix(f"{path}: "))
        code = int(hasher.encode_image(image_array=np.asarray(picture)), 16)
        size = path.stat().st_size
        return Looked(path, code, *picture.size, measure_sharpness(picture), size, path in captioned)

    looked = [one for _, one in images.each(look, paths, "Looking at pictures", tell)]
    return [one for one in looked if isinstance(one, Looked)], [
        one for one in looked if isinstance(one, Broken)
    ]


def measure_sharpness(picture: Image.Image) -> float:
    """Variance of the Laplacian at a common size, to two digits: closer ones are equally sharp."""
    grey = picture.convert("L")
    grey.thumbnail((SHARPNESS_SIDE, SHARPNESS_SIDE), Image.Resampling.BOX)
    pixels = np.pad(np.asarray(grey, dtype=np.float32), 1, mode="edge")
    across = pixels[1:-1, :-2] + pixels[1:-1, 2:] - 2 * pixels[1:-1, 1:-1]
    down = pixels[:-2, 1:-1] + pixels[2:, 1:-1] - 2 * pixels[1:-1, 1:-1]
    return float(f"{(across + down).var():.2g}")


def near_pairs(hashes: np.ndarray, max_distance: int) -> np.ndarray:
    """Every (i, j), i < j, whose 64-bit `hashes` differ in at most `max_distance` bits; shape (pairs, 2)."""
    pairs = []
    rows = max(1, BLOCK // max(1, len(hashes)))
    for start in range(0, len(hashes), rows):
        block = hashes[start : start + rows, None] ^ hashes[None, start:]
        i, j = np.nonzero(np.bitwise_count(block) <= max_distance)
        later = i < j
        pairs.append(np.stack([i[later], j[later]], axis=1) + start)
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)


def connected(count: int, pairs: Iterable[Sequence[int]]) -> list[list[int]]:
    """The groups of two or more among `count` things that `pairs` connect, directly or through others."""
    parent = list(range(count))

    def root(one: int) -> int:
        while parent[one] != one:
            parent[one] = parent[parent[one]]
            one = parent[one]
        return one

    for first, second in pairs:
        parent[root(second)] = root(first)
    groups: dict[int, list[int]] = {}
    for one in range(count):
        groups.setdefault(root(one), []).append(one)
    return [group for group in groups.values() if len(group) > 1]


def _clusters(looked: list[Looked], max_distance: int) -> tuple[Cluster, ...]:
    pairs = near_pairs(np.array([one.hash for one in looked], dtype=np.uint64), max_distance)
    groups = connected(len(looked), pairs.tolist())
    return tuple(_best_of([looked[one] for one in group]) for group in groups)


def _best_of(group: list[Looked]) -> Cluster:
    kept, *others = sorted(group, key=lambda one: one.merits, reverse=True)
    copies = tuple(Copy(one.path, (one.hash ^ kept.hash).bit_count()) for one in others)
    return Cluster(kept.path, copies, _why(kept, others[0]))


def _why(kept: Looked, second: Looked) -> str:
    decisive = next(
        (k for k, (a, b) in enumerate(zip(kept.merits, second.merits, strict=True)) if a > b), None
    )
    return {
        0: f"the largest, {kept.width}x{kept.height}",
        1: f"the sharpest of equal size, {kept.width}x{kept.height}",
        2: f"the largest file of equal size and sharpness, {kept.size / 1000:.0f} kB",
        3: "the one with a caption",
        None: "the first of equals by name",
    }[decisive]


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
