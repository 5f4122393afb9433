"""Settings of the steps that look at the pictures themselves."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.dataset import DatasetConfig
from lora_nb.declare import again, needs, setting

HASHES = ("phash", "dhash", "ahash", "whash")
NETWORKS = ("cnn", "clip")


@dataclass(frozen=True)
class CurateConfig:
    """Broken pictures and duplicates, set aside and never deleted."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    method: Literal["aligned", "phash", "dhash", "ahash", "whash", "cnn", "clip"] = setting("aligned", "aligned: one picture laid over the other, finds crops and mirror images too; phash and the like: imagededup's hashes; cnn, clip: a network (downloaded), finds redrawn ones")
    min_alignment: float = setting(0.5, "how well one picture has to fit when laid over the other, 0 to 1; docs/copies.md shows what each value finds", min=0.1, max=1, only_with=needs("method", "aligned"), advanced=True)
    max_distance_threshold: int = setting(6, "of hashes: bits of 64 that may differ between two copies; 0 finds only the same picture", min=0, max=32, only_with=needs("method", *HASHES), advanced=True)
    min_similarity_threshold: float = setting(0.95, "of cnn and clip: likeness of two copies, 1 is the same", min=0, max=1, only_with=needs("method", *NETWORKS), advanced=True)
    embedder: str = setting("openai/clip-vit-base-patch32", "of clip: a Hugging Face id or a folder", only_with=needs("method", "clip"), advanced=True)


@dataclass(frozen=True)
class CheckConfig:
    """Everything about the pictures that may spoil a LoRA: found and said, nothing is moved."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    method: Literal["aligned", "phash", "dhash", "ahash", "whash", "cnn", "clip"] = again(CurateConfig, "method")
    min_alignment: float = again(CurateConfig, "min_alignment")
    max_distance_threshold: int = again(CurateConfig, "max_distance_threshold")
    min_similarity_threshold: float = again(CurateConfig, "min_similarity_threshold")
    embedder: str = again(CurateConfig, "embedder")
    training_side: int = setting(512, "the side you will train at; sharpness and size are judged at it", min=64, max=4096)
    min_sharpness: float = setting(0.1, "of the sharpest parts of a picture; below it, it is called blurred; 0: do not look", min=0, max=1, advanced=True)
    max_aspect: float = setting(2.5, "longer side by shorter side; above it, the shape is called extreme; 0: do not look", min=0, max=100, advanced=True)
    max_flat: float = setting(0.85, "share of a picture without any structure; above it, it is called nearly empty; 0: do not look", min=0, max=1, advanced=True)
    max_clipped: float = setting(0.6, "share of a picture that is black, or white, beyond detail; above it, the exposure is called wrong; 0: do not look", min=0, max=1, advanced=True)
    max_text: float = setting(0.01, "share of a picture that text covers; above it, text or a watermark is likely; needs the extra [text]; 0: do not look", min=0, max=1, advanced=True)
    max_oddness: float = setting(2.0, "how much farther from the others than is usual in this set; above it, a picture is the odd one; 0: do not look", min=0, max=100, advanced=True)
    min_variety: float = setting(0.08, "how far the pictures lie apart on the whole; below it, the set is too alike; 0: do not look", min=0, max=1, advanced=True)
    min_pictures: int = setting(15, "fewer pictures than this are said to be few; 0: do not look", min=0, advanced=True)


@dataclass(frozen=True)
class KeepOtherConfig:
    """Another picture of a group of copies, kept in place of the one that was kept."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    picture: str = setting("", "the copy to keep, by its path in the dataset, as `curate` and `check` name it")


@dataclass(frozen=True)
class PrepareConfig:
    """Pictures brought to a size, a format, a background; the originals stay and `undo` brings them back."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    names: tuple[str, ...] = setting((), "only these pictures, by their paths in the dataset, with ; between them; empty: all of them", advanced=True)
    size: str = setting("", "512, 768 or 512x768 (width x height); empty: leave the size to the trainer, which sorts pictures into buckets by shape: best for most")
    cut: Literal["crop", "fit"] = setting("crop", "crop: fill the size and cut off what is over; fit: the whole picture within the size", only_with=needs("size"))
    focus: Literal["centre", "focal", "face"] = setting("focal", "what a crop keeps: the middle, the part with most to see, or the largest face (where there is one; else the part with most to see)", only_with=needs("size"))
    upscale: bool = setting(False, "enlarge pictures that are smaller than the size: they get pixels, not detail", only_with=needs("size"))
    format: Literal["keep", "png", "jpg", "webp"] = setting("keep", "the format to save in; png loses nothing, jpg and webp are smaller")
    quality: int = setting(95, "of jpg and webp: 95 looks like the original, 80 is much smaller", min=1, max=100, advanced=True)
    transparent: Literal["keep", "white", "colour", "mask"] = setting("keep", "what is see-through: keep it (read as white), white, a colour, or white with a mask beside it: the trainer of your choice then leaves it out of the loss")
    background: str = setting("#808080", "the colour, as #rrggbb", only_with=needs("transparent", "colour"))
    make_masks: bool = setting(False, "write a mask of the foreground beside each picture (name-masklabel.png), by a segmentation model")
    mask_model: str = setting("onnx-community/BiRefNet_lite-ONNX", "a Hugging Face id (with onnx/model.onnx) or an .onnx file", only_with=needs("make_masks"), advanced=True)
    mask_file: str = setting("", "a mask you drew (white: learn this), for the one picture that names says", advanced=True)
    face_detector: str = setting("opencv/face_detection_yunet", "a Hugging Face id or an .onnx file of YuNet", only_with=needs("focus", "face"), advanced=True)
