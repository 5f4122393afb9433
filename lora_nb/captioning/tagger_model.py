"""A tagger's ONNX model asked how sure it is of each of its tags."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from PIL import Image

from lora_nb import files, hub
from lora_nb.captioning.choice import CHARACTER, GENERAL, RATING, Score
from lora_nb.captioning.scores import DIGITS, FLOOR, Row
from lora_nb.events import Tell, silent
from lora_nb.wording import first_line

MODELS = ("model.onnx", "model_optimized.onnx")
TABLE, MAPPING = "selected_tags.csv", "tag_mapping.json"
DEMO_FOLDER = Path(__file__).parents[1] / "demo" / "tagger"
SIDE = 448
PREDICTION = "prediction"  # the output of PixAI's that is no embedding and no logits
KINDS = {
    0: GENERAL,
    1: "artist",
    3: "copyright",
    4: CHARACTER,
    5: "meta",
    9: RATING,
}  # Danbooru's; 9 is the tagger's
PROVIDERS = ("CUDAExecutionProvider", "ROCMExecutionProvider", "DmlExecutionProvider", "CPUExecutionProvider")


@dataclass(frozen=True)
class TaggerFiles:
    """Where the model and its tags lie."""

    model: Path
    tags: Path


@dataclass(frozen=True)
class Vocabulary:
    """The (name, kind) of every output of a model; `scaled` says that it takes -1 to 1 and answers with logits."""

    tags: tuple[tuple[str, str], ...]
    scaled: bool = False

    def scores(self, row: Row) -> list[Score]:
        """The kept scores of a picture by their tags, in the order of the model."""
        known = sorted((number, score) for number, score in row.items() if 0 <= number < len(self.tags))
        return [Score(*self.tags[number], score) for number, score in known]


@dataclass(frozen=True)
class Tagger:
    """A loaded model: what its input looks like, and what its outputs are.

    `as_trained` is of PixAI's kind: it takes what it was trained with, RGB squashed into a square, from -1 to 1.
    """

    session: onnxruntime.InferenceSession
    channels_first: bool
    side: int
    batch: int | None
    vocabulary: Vocabulary
    as_trained: bool = False

    def prepare(self, picture: Image.Image) -> np.ndarray:
        """(side, side, 3) bytes of a picture, as this model takes them."""
        if self.as_trained:
            return np.asarray(picture.resize((self.side, self.side), Image.Resampling.BILINEAR))
        return prepare(picture, self.side)

    def probabilities(self, pixels: np.ndarray) -> np.ndarray:
        """(B, tags) from (B, H, W, 3) in 0-255."""
        size = self.batch or len(pixels)
        return np.concatenate([self._run(pixels[at : at + size]) for at in range(0, len(pixels), size)])

    def _run(self, pixels: np.ndarray) -> np.ndarray:
        count = len(pixels)
        if self.batch and count < self.batch:
            pixels = np.concatenate([pixels, np.zeros((self.batch - count, *pixels.shape[1:]), pixels.dtype)])
        given = self.session.get_inputs()[0]
        pixels = pixels.transpose(0, 3, 1, 2) if self.channels_first else pixels
        pixels = pixels.astype(np.float16 if "float16" in given.type else np.float32)
        if self.vocabulary.scaled or self.as_trained:
            pixels = pixels / pixels.dtype.type(127.5) - 1
        wanted = [PREDICTION] if self.as_trained else None
        outputs = self.session.run(wanted, {given.name: np.ascontiguousarray(pixels)})
        found = next(each for each in outputs if each.shape[-1] == len(self.vocabulary.tags))[:count]
        return _sigmoid(found.astype(np.float32)) if self.vocabulary.scaled else found


def _sigmoid(logits: np.ndarray) -> np.ndarray:
    return 0.5 * (1 + np.tanh(logits / 2))  # which does not overflow


def rows(probabilities: np.ndarray, floor: float = FLOOR) -> list[Row]:
    """For each picture the scores from `floor` on, rounded as they are kept."""
    rounded = np.round(probabilities.astype(np.float64), DIGITS)
    return [{int(number): float(row[number]) for number in np.flatnonzero(row >= floor)} for row in rounded]


def prepare(picture: Image.Image, side: int = SIDE) -> np.ndarray:
    """(side, side, 3) BGR bytes: padded with white to a centred square, then resized (SmilingWolf's way)."""
    longest = max(picture.size)
    square = Image.new("RGB", (longest, longest), "white")
    square.paste(picture, ((longest - picture.width) // 2, (longest - picture.height) // 2))
    if longest != side:
        square = square.resize((side, side), Image.Resampling.BICUBIC)
    return np.asarray(square)[:, :, ::-1]


def find_tagger(name: str, tell: Tell = silent) -> TaggerFiles:
    """The files of a tagger: the built-in "demo", a local folder, or a Hugging Face id, downloaded if need be.

    An id may be followed by a folder of the repository: owner/name/folder.
    """
    folder = DEMO_FOLDER if name == "demo" else Path(name).expanduser()
    if folder.is_dir():
        return _in_folder(folder)
    repo, inner = "/".join(name.split("/")[:2]), "".join(f"{part}/" for part in name.split("/")[2:])
    if inner:
        tags = hub.download_file(repo, inner + MAPPING, tell)
        return TaggerFiles(hub.download_file(repo, inner + MODELS[1], tell), tags)
    tags = hub.download_file(repo, TABLE, tell)
    return TaggerFiles(hub.download_file(repo, MODELS[0], tell), tags)


def _in_folder(folder: Path) -> TaggerFiles:
    model = next((folder / name for name in MODELS if (folder / name).is_file()), folder / MODELS[0])
    tags = next((folder / name for name in (TABLE, MAPPING) if (folder / name).is_file()), folder / TABLE)
    if missing := [file.name for file in (model, tags) if not file.is_file()]:
        raise ValueError(f"tagger {folder} lacks {missing[0]}: give a folder with {MODELS[0]} and {TABLE}")
    return TaggerFiles(model, tags)


def load_tagger(found: TaggerFiles, vocabulary: Vocabulary) -> Tagger:
    """The model, on the GPU when onnxruntime has one. Raises ValueError for files that do not fit."""
    available = onnxruntime.get_available_providers()
    if "CUDAExecutionProvider" in available and hasattr(onnxruntime, "preload_dlls"):
        onnxruntime.preload_dlls()
    try:
        providers = [provider for provider in PROVIDERS if provider in available]
        session = onnxruntime.InferenceSession(str(found.model), providers=providers)
    except Exception as error:  # onnxruntime's errors share no class of their own
        raise ValueError(
            f"{found.model} cannot be loaded ({first_line(error)}): download it again"
        ) from error
    count = len(vocabulary.tags)
    if all(output.shape[-1] not in (count, None) for output in session.get_outputs()):
        where, name = found.tags, found.model.name
        raise ValueError(f"{where} has {count} tags, and {name} another number: take both from one model")
    layout = _layout(session.get_inputs()[0].shape, found.model)
    as_trained = layout[0] and PREDICTION in [output.name for output in session.get_outputs()]
    return Tagger(session, *layout, vocabulary, as_trained)


def _layout(shape: Sequence[Any], model: Path) -> tuple[bool, int, int | None]:
    if len(shape) != 4 or 3 not in (shape[1], shape[3]):
        raise ValueError(f"{model} takes {shape}, not a batch of RGB pictures: give a WD14 tagger")
    channels_first = shape[1] == 3
    side = shape[2]
    batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None
    return channels_first, side if isinstance(side, int) and side > 0 else SIDE, batch


def read_vocabulary(path: Path) -> Vocabulary:
    """The tags in selected_tags.csv or tag_mapping.json. Raises ValueError for a file that is neither."""
    if path.suffix == ".json":
        return Vocabulary(_read_mapping(path), scaled=True)
    with open(path, encoding="utf-8", newline="") as file:
        table = csv.DictReader(file)
        if not {"name", "category"} <= set(table.fieldnames or ()):
            raise ValueError(
                f"{path} lacks the columns name and category: take it from the tagger's own page"
            )
        kinds = [(row["name"], row["category"]) for row in table]
    return Vocabulary(tuple((name, KINDS.get(int(kind), kind)) for name, kind in kinds))


def _read_mapping(path: Path) -> tuple[tuple[str, str], ...]:
    """Of {"0": {"tag": ..., "category": ...}} or {"idx_to_tag": {"0": ...}, "tag_to_category": {...}}."""
    try:
        fields = files.from_json(path.read_bytes())
        if "idx_to_tag" in fields:
            kinds = fields["tag_to_category"]
            found = {int(number): (name, kinds[name]) for number, name in fields["idx_to_tag"].items()}
        else:
            found = {int(number): (each["tag"], each["category"]) for number, each in fields.items()}
        return tuple((str(found[number][0]), str(found[number][1]).lower()) for number in range(len(found)))
    except (ValueError, TypeError, KeyError, AttributeError):
        raise ValueError(f"{path} holds no tags by number: take it from the tagger's own page") from None
