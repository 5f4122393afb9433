"""Pictures of a dataset folder: found, measured, opened upright in RGB."""

import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TypeVar

from PIL import Image, UnidentifiedImageError

from lora_nb.dataset import captions, encodings, gate
from lora_nb.events import Notice, Progress, Tell, silent

T = TypeVar("T")

IMAGE_EXTENSIONS = frozenset((".jpg", ".jpeg", ".png", ".webp", ".bmp", ".avif"))
# Whatever its ending says, a file is read as one of these only: Pillow's EPS reader would run Ghostscript.
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "DIB", "AVIF", "GIF", "TIFF")
REPEATS = re.compile(r"(\d+)_(.+)")
MASK = (
    "-masklabel.png"  # how a picture's mask ends that lies beside it, as OneTrainer calls it: white is learnt
)
ORIENTATION = 0x0112
UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True)
class ImageItem:
    """A readable picture; its size is the upright one, `subset` the name of the folder it lies in."""

    path: Path
    width: int
    height: int
    caption: str | None
    num_repeats: int
    subset: str


@dataclass(frozen=True)
class Broken:
    """A file that looks like a picture and cannot be read as one."""

    path: Path
    reason: str


@dataclass(frozen=True)
class Scan:
    """What a dataset folder holds."""

    items: tuple[ImageItem, ...]
    broken: tuple[Broken, ...]
    unsure: tuple[Path, ...] = ()  # readable pictures whose captions are not: those have None


def scan(
    folder: Path,
    num_repeats: int = 1,
    caption_extension: str = captions.CAPTION_EXTENSION,
    verify: bool = True,
    tell: Tell = silent,
    caption_encoding: str = encodings.AUTO,
) -> Scan:
    """The pictures in `folder` and its direct sub-folders, always in the same order.

    A sub-folder called `N_name` has N repeats, any other `num_repeats`. `verify` decodes every picture whole;
    without it only the header is read. Captions that are not UTF-8 are told. Raises ValueError when `folder` is
    none, OSError when a file cannot be read. What a killed step left between is made whole first.
    """
    gate.mend(Path(folder))
    found = dict(places(Path(folder), num_repeats, tell))
    return read(found, caption_extension, verify, tell, caption_encoding)


def read(
    folders: Mapping[Path, int],
    caption_extension: str = captions.CAPTION_EXTENSION,
    verify: bool = True,
    tell: Tell = silent,
    caption_encoding: str = encodings.AUTO,
) -> Scan:
    """As `scan`, of these folders, each with the repeats of the pictures directly in it."""
    found = {path: repeats for folder, repeats in folders.items() for path in list_images(folder)}
    measure = _measure_whole if verify else measure_header
    items, broken, texts = [], [], captions.Reader(caption_extension, caption_encoding)
    for path, size in each(measure, list(found), "Reading images", tell):
        if isinstance(size, str):
            broken.append(Broken(path, size))
        else:
            items.append(ImageItem(path, *size, texts.read(path), found[path], path.parent.name))
    texts.report(tell)
    return Scan(tuple(items), tuple(broken), tuple(texts.unsure))


def each(
    read: Callable[[Path], T], paths: Sequence[Path], stage: str, tell: Tell = silent
) -> Iterator[tuple[Path, T]]:
    """Every path with what `read` returns for it, in order; a few threads read ahead."""
    with warnings.catch_warnings(), ThreadPoolExecutor(min(4, os.cpu_count() or 1)) as pool:
        warnings.simplefilter("ignore")  # of Pillow, about pictures that are nevertheless read
        for done, result in enumerate(zip(paths, pool.map(read, paths), strict=True), start=1):
            yield result
            tell(Progress(stage, done, len(paths)))


def unreadable(folder: Path, names: Sequence[str]) -> list[tuple[str, str]]:
    """(name, reason) of each of these pictures in `folder` whose header already shows that it is none."""
    measured = each(measure_header, [Path(folder, name) for name in names], "Reading images")
    return [(name, size) for name, (_, size) in zip(names, measured, strict=True) if isinstance(size, str)]


def list_images(folder: Path) -> list[Path]:
    """The files directly in `folder` that are called like pictures, in order, without hidden ones and masks."""
    names = (path for path in folder.iterdir() if is_picture(path))
    return sorted(path for path in names if not path.name.startswith(".") and path.is_file())


def is_picture(path: Path) -> bool:
    """Whether a file is called like a picture, and not like a picture's mask."""
    return path.suffix.lower() in IMAGE_EXTENSIONS and not path.name.endswith(MASK)


def mask_path(image: Path) -> Path:
    """Where the mask of a picture lies, there or not."""
    return image.with_name(image.stem + MASK)


def places(folder: Path, num_repeats: int, tell: Tell = silent) -> Iterator[tuple[Path, int]]:
    """`folder` and its direct sub-folders, each with the repeats of its pictures. Raises ValueError when it is none."""
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder: give the dataset folder, the one with the pictures")
    yield folder, num_repeats
    for place in sorted(Path(entry.path) for entry in os.scandir(folder) if entry.is_dir()):
        if not place.name.startswith(".") and place.name != "__MACOSX":
            match = REPEATS.fullmatch(place.name)
            repeats = int(match[1]) if match else num_repeats
            if repeats > 0:
                yield place, repeats
            else:
                tell(Notice(f"{place.name} is left out: its name asks for 0 repeats", "warning"))


def _measure_whole(path: Path) -> tuple[int, int] | str:
    try:
        return open_upright(path).size
    except ValueError as error:
        return str(error).removeprefix(f"{path}: ")


def measure_header(path: Path) -> tuple[int, int] | str:
    """Width and height of the upright picture as its header says them, or why it is none. Raises OSError."""
    with open(path, "rb") as file:
        try:
            with Image.open(file, formats=FORMATS) as image:
                width, height = image.size
                return (height, width) if orientation(image) >= 5 else (width, height)
        except Exception as error:
            return _reason(error, file)


def open_upright(path: Path) -> Image.Image:
    """The whole picture in RGB, turned as its EXIF says, alpha on white, the first frame of an animation.

    Raises ValueError with the reason for a file that is no whole picture, OSError when it cannot
    be read.
    """
    return _decode(path, draft=None)


def open_reduced(path: Path, side: int, mode: str = "RGB") -> tuple[Image.Image, tuple[int, int]]:
    """The upright picture for a look at it, and the size it has: a JPEG is read at a fraction, not below `side` pixels.

    `mode` is "RGB" or "L". Raises like `open_upright`.
    """
    return _decode_at(path, (side, side), mode)


def open_see_through(path: Path) -> Image.Image:
    """As `open_upright`, in RGBA where the picture has transparency."""
    return _decode_at(path, None, "RGBA")[0]


def coarseness(path: Path) -> int:
    """How coarsely a JPEG is quantised: the sum of its first table; 0 for another file."""
    try:
        with Image.open(path, formats=FORMATS) as image:
            return sum(getattr(image, "quantization", {}).get(0, ()))
    except Exception:  # whatever a decoder meets in a damaged file
        return 0


def thumbnail(path: Path, side: int = 160) -> bytes:
    """A JPEG of the upright picture, at most `side` pixels wide and high. Raises like `open_upright`."""
    image = _decode(path, draft=(side, side))
    image.thumbnail((side, side))
    content = BytesIO()
    image.save(content, "JPEG", quality=85)
    return content.getvalue()


def resize_crop(
    image: Image.Image, resized: tuple[int, int], crop: tuple[int, int, int, int], by: str = "lanczos"
) -> Image.Image:
    """`image` brought to (width, height) `resized` by this filter, then cut to (left, top, right, bottom) `crop`."""
    if image.size != resized:
        image = image.resize(resized, Image.Resampling[by.upper()])
    return image.crop(crop)


def _decode(path: Path, draft: tuple[int, int] | None) -> Image.Image:
    return _decode_at(path, draft, "RGB")[0]


def _decode_at(path: Path, draft: tuple[int, int] | None, mode: str) -> tuple[Image.Image, tuple[int, int]]:
    file = BytesIO(Path(path).read_bytes())
    # Decoders meet damaged files with any exception there is (struct.error, IndexError, zlib.error, ...); the
    # bytes are in memory, so none of them can be a disk's.
    try:
        with Image.open(file, formats=FORMATS) as image:
            size = image.size
            if draft:
                image.draft(mode, draft)
            image.load()
            turned = orientation(image)
            grey = image.mode == mode == "L" and not image.has_transparency_data
            seen = image if grey else _to_mode(image, mode)
            seen = seen.transpose(UPRIGHT[turned]) if turned in UPRIGHT else seen
            return seen, size[::-1] if turned >= 5 else size
    except Exception as error:
        raise ValueError(f"{path}: {_reason(error, file)}") from error


def orientation(image: Image.Image) -> int:
    """How the picture is to be turned, as its EXIF says it: 1 to 8."""
    try:
        value = image.getexif().get(ORIENTATION, 1)
    except Exception:  # damaged EXIF does not make a whole picture unreadable
        return 1
    return value if value in UPRIGHT else 1


def _to_mode(image: Image.Image, mode: str) -> Image.Image:
    if mode == "RGBA":
        return image.convert("RGBA") if image.has_transparency_data else _to_rgb(image)
    return _to_rgb(image).convert(mode)


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):
        wide = image.convert("I")
        scale = 1 / 257 if image.mode != "I" or wide.getextrema()[1] > 255 else 1
        return wide.point(lambda value: value * scale + 0.5).convert("L").convert("RGB")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image.convert("RGB")


def _reason(error: Exception, file: BytesIO) -> str:
    file.seek(0)
    start = file.read(512)
    if not start:
        return "the file is empty"
    if isinstance(error, Image.DecompressionBombError):
        return f"more than {2 * Image.MAX_IMAGE_PIXELS // 10**6} million pixels"
    if isinstance(error, UnidentifiedImageError):
        if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
            return "a web page, not a picture"
        if start[4:8] == b"ftyp" and start[8:12] in (b"heic", b"heix", b"mif1", b"heif"):
            return "a HEIC photo under another ending: convert it to JPEG"
        return "not a picture in a known format"
    return f"damaged: {error}"


def no_pictures(folder: str) -> ValueError:
    """The error for a dataset folder without pictures."""
    return ValueError(f"{folder} holds no picture: import some first")
