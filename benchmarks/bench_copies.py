"""Which planted copies each way of finding them finds, and how many different photos it takes for copies.

python benchmarks/bench_copies.py FOLDER_OF_SUBJECTS [docs/copies.md]
"""

import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image, ImageEnhance, ImageOps

from lora_nb.pictures import aligned, copies
from lora_nb.pictures.eyes import eye_for
from lora_nb.pictures.looking import Look, look_at_all
from lora_nb.pictures.pairing import Paired

QUALITY = 92
Picture = Image.Image


def cropped(share: float, at: float) -> Callable[[Picture], Picture]:
    """A cut to `share` of both sides, whose free edge is divided `at`: 0 the upper left corner, 0.5 the middle."""

    def cut(picture: Picture) -> Picture:
        width, height = round(picture.width * share), round(picture.height * share)
        left, top = round((picture.width - width) * at), round((picture.height - height) * at)
        return picture.crop((left, top, left + width, top + height))

    return cut


def resized(share: float) -> Callable[[Picture], Picture]:
    """The picture at `share` of its size."""
    return lambda picture: picture.resize(
        (round(picture.width * share), round(picture.height * share)), Image.Resampling.LANCZOS
    )


KINDS: dict[str, tuple[Callable[[Picture], Picture], int]] = {
    "resized to 50 %": (resized(0.5), QUALITY),
    "recompressed (JPEG 40)": (lambda picture: picture, 40),
    "cropped to 95 %, centre": (cropped(0.95, 0.5), QUALITY),
    "cropped to 95 %, corner": (cropped(0.95, 0), QUALITY),
    "cropped to 90 %, centre": (cropped(0.9, 0.5), QUALITY),
    "cropped to 90 %, corner": (cropped(0.9, 1), QUALITY),
    "cropped to 80 %, centre": (cropped(0.8, 0.5), QUALITY),
    "cropped to 80 %, corner": (cropped(0.8, 0), QUALITY),
    "cropped to 73 %, off centre": (cropped(0.73, 0.3), QUALITY),
    "cropped to 3:4": (
        lambda picture: ImageOps.fit(picture, (picture.width * 3 // 4, picture.height)),
        QUALITY,
    ),
    "mirrored": (ImageOps.mirror, QUALITY),
    "mirrored and cropped to 85 %": (lambda picture: cropped(0.85, 0.2)(ImageOps.mirror(picture)), QUALITY),
    "brighter by 30 %": (lambda picture: ImageEnhance.Brightness(picture).enhance(1.3), QUALITY),
    "enlarged by 1.5": (resized(1.5), QUALITY),
}
WAYS = [
    *(("aligned", least) for least in (0.4, 0.5, 0.6)),
    *((f"{letter}hash", most) for letter in "pdaw" for most in (6, 10, 16)),
]


def plant(photos: list[Path], folder: Path) -> None:
    """A copy of each kind of every photo, called `number-kind.jpg`; kind 0 is the photo itself."""
    for number, path in enumerate(photos):
        picture = Image.open(path).convert("RGB")
        picture.save(folder / f"{number:03}-00.jpg", quality=95)
        for kind, (change, quality) in enumerate(KINDS.values(), start=1):
            change(picture).save(folder / f"{number:03}-{kind:02}.jpg", quality=quality)


def searched(looks: tuple[Look, ...], method: str, threshold: float) -> Paired:
    """What a way finds at a threshold."""
    return aligned.find(looks, threshold) if method == "aligned" else copies.by_hash(looks, int(threshold))


def judged(looks: tuple[Look, ...], paired: Paired) -> tuple[dict[int, int], set[tuple[str, str]]]:
    """How many copies of each kind are paired with their photo, and the pairs of different photos."""
    names = [look.path.stem.split("-") for look in looks]
    found: dict[int, set[str]] = {kind: set() for kind in range(1, len(KINDS) + 1)}
    false = set()
    for one in paired.pairings:
        (photo, kind), (other, its_kind) = names[one.first], names[one.second]
        if photo != other:
            false.add((min(photo, other), max(photo, other)))
        elif "00" in (kind, its_kind):
            found[max(int(kind), int(its_kind))].add(photo)
    return {kind: len(photos) for kind, photos in found.items()}, false


def rows(folder: Path, photos: int) -> Iterator[list[str]]:
    """A row of the table for each way and threshold."""
    paths, seen = sorted(folder.glob("*.jpg")), {}
    for method, threshold in WAYS:
        begin = time.perf_counter()
        if method not in seen:
            seen = {method: look_at_all(paths, eye_for(method))[0]}
        looked = time.perf_counter() - begin
        found, false = judged(seen[method], searched(seen[method], method, threshold))
        share = sum(found.values()) / (photos * len(KINDS))
        kinds = [f"{number / photos:.0%}" for number in found.values()]
        seconds = time.perf_counter() - begin
        print(
            method,
            threshold,
            f"{share:.1%}",
            len(false),
            *kinds,
            f"{looked:.1f} + {seconds - looked:.1f} s",
            flush=True,
        )
        yield [method, f"{threshold:g}", f"{share:.1%}", str(len(false)), *kinds]


def main() -> None:
    """Print the table, and write it where the second argument says."""
    logging.disable(logging.INFO)
    warnings.simplefilter("ignore")
    photos = sorted(Path(sys.argv[1]).glob("*/*.jpg"))
    with tempfile.TemporaryDirectory() as folder:
        plant(photos, Path(folder))
        table = list(rows(Path(folder), len(photos)))
    head = ["method", "threshold", "found", "false alarms", *KINDS]
    lines = ["| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *table)]
    if len(sys.argv) > 2:
        write(Path(sys.argv[2]), lines, len(photos))


def write(path: Path, lines: list[str], photos: int) -> None:
    """Put the table between its marks in a page."""
    begin, end = "<!-- table: begin -->", "<!-- table: end -->"
    before, _, rest = path.read_text(encoding="utf-8").partition(begin)
    pairs = photos * (photos - 1) // 2
    said = f"{photos} photos, {photos * len(KINDS)} planted copies, {pairs} pairs of different photos."
    path.write_text(
        f"{before}{begin}\n{said}\n\n" + "\n".join(lines) + f"\n{end}{rest.partition(end)[2]}",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
