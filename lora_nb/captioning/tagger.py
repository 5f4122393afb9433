"""Pictures -> WD14 tags in their captions."""

import csv
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

from lora_nb import hub
from lora_nb.captioning.annotate import annotate, open_or_error
from lora_nb.config.captioning import TagConfig
from lora_nb.dataset import captions
from lora_nb.dataset.captions import CaptionReport
from lora_nb.dataset.images import ImageItem
from lora_nb.events import Progress, Tell, silent
from lora_nb.wording import first_line

MODEL, TAGS = "model.onnx", "selected_tags.csv"
DEMO_FOLDER = Path(__file__).parents[1] / "demo" / "tagger"
SIDE = 448
GENERAL, CHARACTER = 0, 4  # categories of selected_tags.csv; 9 is a rating, which never is a tag
PROVIDERS = ("CUDAExecutionProvider", "ROCMExecutionProvider", "DmlExecutionProvider", "CPUExecutionProvider")
KAOMOJI = frozenset((
    "0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3",
    "6_9", ">_o", "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||",
))  # fmt: skip


@dataclass(frozen=True)
class Tagger:
    """A loaded WD14 model: what its input looks like, and the (name, category) of every output."""

    session: onnxruntime.InferenceSession
    channels_first: bool
    side: int
    batch: int | None
    tags: tuple[tuple[str, int], ...]

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """(side, side, 3) BGR bytes of a picture."""
        return prepare(picture, self.side)

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """(B, tags) from (B, H, W, 3) BGR in 0-255."""
        count = len(pixels)
        if self.batch and count < self.batch:
            pixels = np.concatenate([pixels, np.zeros((self.batch - count, *pixels.shape[1:]), pixels.dtype)])
        given = self.session.get_inputs()[0]
        pixels = pixels.transpose(0, 3, 1, 2) if self.channels_first else pixels
        pixels = pixels.astype(np.float16 if "float16" in given.type else np.float32)
        outputs = self.session.run(None, {given.name: np.ascontiguousarray(pixels)})
        return next(output for output in outputs if output.shape[-1] == len(self.tags))[:count]


def tag_images(config: TagConfig, tell: Tell = silent) -> CaptionReport:
    """Write the tags of every picture into its caption; an unreadable picture is named and the others go on.

    Tags stand in the model's order, general ones before names of characters (as sd-scripts writes them).
    """
    return annotate(config, "tag", lambda todo: _tags(config, todo, tell), captions.merge_tags, tell)


def _tags(
    config: TagConfig, todo: Sequence[ImageItem], tell: Tell
) -> Iterator[tuple[ImageItem, str | ValueError]]:
    tagger = load_tagger(find_tagger(config.tagger, tell))
    size = tagger.batch or config.batch_size
    with ThreadPoolExecutor(4) as pool:
        for start in range(0, len(todo), size):
            batch = todo[start : start + size]
            paths = [item.path for item in batch]
            prepared = list(pool.map(lambda path: open_or_error(path, tagger.prepare), paths))
            readable = [pixels for pixels in prepared if isinstance(pixels, np.ndarray)]
            rows = iter(tagger.probabilities(np.stack(readable)) if readable else ())
            for item, pixels in zip(batch, prepared, strict=True):
                fine = isinstance(pixels, np.ndarray)
                yield (
                    item,
                    captions.join_tags(choose_tags(tagger.tags, next(rows), config)) if fine else pixels,
                )
            tell(Progress("Tagging", start + len(batch), len(todo)))


def prepare(picture: Image.Image, side: int = SIDE) -> np.ndarray:
    """(side, side, 3) BGR bytes: padded with white to a centred square, then resized (SmilingWolf's way)."""
    longest = max(picture.size)
    square = Image.new("RGB", (longest, longest), "white")
    square.paste(picture, ((longest - picture.width) // 2, (longest - picture.height) // 2))
    if longest != side:
        square = square.resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(square)[:, :, ::-1]


def choose_tags(tags: Sequence[tuple[str, int]], row: np.ndarray, config: TagConfig) -> list[str]:
    """The tags whose probability reaches their category's threshold, without the undesired ones."""
    undesired = {
        captions.same_tag(tag) for tag in captions.split_tags(captions.join_tags(config.undesired_tags))
    }
    chosen = []
    for category, threshold in ((GENERAL, config.general_threshold), (CHARACTER, config.character_threshold)):
        for (name, its_category), probability in zip(tags, row.tolist(), strict=True):
            if (
                its_category == category
                and probability >= threshold
                and captions.same_tag(name) not in undesired
            ):
                chosen.append(spaced(name) if config.remove_underscore else name)
    return chosen


def spaced(name: str) -> str:
    """`long_hair` with a space; faces like `^_^` as they are."""
    return name if name in KAOMOJI else name.replace("_", " ")


def find_tagger(name: str, tell: Tell = silent) -> Path:
    """The folder of a tagger: the built-in "demo", a local folder, or a Hugging Face id, downloaded if need be."""
    folder = DEMO_FOLDER if name == "demo" else Path(name).expanduser()
    if folder.is_dir():
        missing = [file for file in (MODEL, TAGS) if not (folder / file).is_file()]
        if missing:
            raise ValueError(f"tagger {folder} lacks {missing[0]}: give a folder with {MODEL} and {TAGS}")
        return folder
    hub.download_file(name, TAGS, tell)
    return hub.download_file(name, MODEL, tell).parent


def load_tagger(folder: Path) -> Tagger:
    """The tagger in `folder`, on the GPU when onnxruntime has one. Raises ValueError for files that do not fit."""
    tags = _read_tags(folder / TAGS)
    available = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" in available and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    try:
        providers = [provider for provider in PROVIDERS if provider in available]
        session = onnxruntime.InferenceSession(str(folder / MODEL), providers=providers)
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise ValueError(
            f"{folder / MODEL} cannot be loaded ({first_line(error)}): download it again"
        ) from error
    if all(output.shape[-1] not in (len(tags), None) for output in session.get_outputs()):
        raise ValueError(
            f"{folder / TAGS} has {len(tags)} tags, and {MODEL} another number: take both from one model"
        )
    return Tagger(session, *_layout(session.get_inputs()[0].shape, folder), tags)


def _layout(shape: Sequence[Any], folder: Path) -> tuple[bool, int, int | None]:
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise ValueError(f"{folder / MODEL} takes {shape}, not a batch of RGB pictures: give a WD14 tagger")
    channels_first = shape[1] == 3
    side = shape[2]
    batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None
    return channels_first, side if isinstance(side, int) and side > 0 else SIDE, batch


def _read_tags(path: Path) -> tuple[tuple[str, int], ...]:
    with open(path, encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file)
        if not {"name", "category"} <= set(rows.fieldnames or ()):
            raise ValueError(
                f"{path} lacks the columns name and category: take it from the tagger's own page"
            )
        return tuple((row["name"], int(row["category"])) for row in rows)
