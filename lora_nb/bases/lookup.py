"""Base models by name: where they lie and whether they can be used. Reads no weights, imports no torch."""

import re
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.bases import base_file
from lora_nb.hub import WEIGHT_FILES

DEMO = "demo"
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
DEMO_FOLDER = Path(__file__).parents[1] / "demo" / "base"
SD15_FOLDER = Path(__file__).parents[1] / "sd15"
PARTS = ("tokenizer", "text_encoder", "unet", "vae")
SD15_RESOLUTION = 512
SD15_UNIT = 64

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


def resolve_base(name: str) -> Path | str:
    """The folder or file called `name`, or the Hugging Face id it is. Raises ValueError for anything else."""
    if name == DEMO:
        return check_folder(DEMO_FOLDER)
    path = Path(name).expanduser()
    if name and path.is_dir():
        return check_folder(path)
    if name and path.is_file():
        base_file.check_single_file(path)
        return path
    if HUB_ID.fullmatch(name) and path.suffix not in base_file.SUFFIXES:
        return name
    raise ValueError(
        f'base model "{name}" was not found: give a Hugging Face id (owner/name), a diffusers folder, '
        f'a .safetensors or .ckpt file, or "{DEMO}"'
    )


def public_name(name: str) -> str:
    """What to call a base before others: a Hugging Face id as it is, of a path the last part."""
    path = Path(name).expanduser()
    is_id = HUB_ID.fullmatch(name) and path.suffix not in base_file.SUFFIXES and not path.exists()
    return name if is_id else path.name


def native_resolution(name: str) -> int:
    """Side in pixels of the square the base was made for; 512 where only its weights could tell."""
    folder = DEMO_FOLDER if name == DEMO else Path(name).expanduser()
    unet, vae = _component_json(name, folder, "unet"), _component_json(name, folder, "vae")
    if "sample_size" not in unet or "block_out_channels" not in vae:
        return SD15_RESOLUTION
    return int(unet["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1)


def check_clip_skip(name: str, clip_skip: int) -> None:
    """Raises ValueError when the text encoder of base `name` has fewer layers, as far as that can be known unloaded."""
    folder = DEMO_FOLDER if name == DEMO else Path(name).expanduser()
    known = SD15_FOLDER if name and folder.is_file() else folder
    layers = _component_json(name, known, "text_encoder").get("num_hidden_layers")
    if layers is not None:
        refuse_clip_skip(clip_skip, int(layers))


def refuse_clip_skip(clip_skip: int, layers: int) -> None:
    """Raises ValueError for a layer that a text encoder of `layers` layers does not have."""
    if clip_skip > layers:
        raise ValueError(
            f"clip_skip = {clip_skip} is not usable: this base's text encoder has {layers} layers, so at most {layers}"
        )


def picture_unit(name: str) -> int:
    """Pixels a picture's side is a multiple of (`models.picture_unit`); 64 where only the base's weights could tell."""
    folder = DEMO_FOLDER if name == DEMO else Path(name).expanduser()
    levels = [
        len(_component_json(name, folder, part).get("block_out_channels", ())) for part in ("unet", "vae")
    ]
    return 2 ** (sum(levels) - 2) if all(levels) else SD15_UNIT


def _component_json(name: str, folder: Path, part: str) -> dict[str, Any]:
    path = folder / part / "config.json"
    if not path.is_file() and HUB_ID.fullmatch(name):
        from huggingface_hub import try_to_load_from_cache

        cached = try_to_load_from_cache(name, f"{part}/config.json")
        path = Path(cached) if isinstance(cached, str) else path
    return read_json(path) if path.is_file() else {}


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file. Raises ValueError naming a file that is none."""
    try:
        content = files.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ValueError(f"{path} is not readable JSON: {error}") from None
    if not isinstance(content, dict):
        raise ValueError(f"{path} holds no JSON object")
    return content


def tokenizer_folder(base: Path) -> Path:
    """Where the tokenizer of a diffusers folder or a single file lies.

    A single file holds none: SD 1.5's is CLIP's, which ships here. The demo base was made for the same vocabulary
    and has no copy of its own.
    """
    ships_here = base.is_file() or base.resolve() == DEMO_FOLDER.resolve()
    return (SD15_FOLDER if ships_here else base) / "tokenizer"


def check_folder(folder: Path) -> Path:
    """`folder`, if it is a diffusers folder of the SD 1.5 family. Raises ValueError."""
    places = {part: folder / part for part in (*PARTS, "scheduler")} | {"tokenizer": tokenizer_folder(folder)}
    missing = [part for part, place in places.items() if not place.is_dir()]
    index = folder / "model_index.json"
    kind = read_json(index).get("_class_name", "") if index.is_file() else "StableDiffusionPipeline"
    if missing and index.is_file() and "StableDiffusion" not in kind:
        raise ValueError(f"{folder} holds a {kind}: {base_file.ONLY_SD15}")
    _refuse_kind(kind, str(folder))
    if missing:
        raise ValueError(f"{folder} is not a diffusers folder: it lacks {', '.join(missing)}")
    _check_unet_config(folder, str(folder))
    return folder


def check_family(folder: Path, name: str) -> None:
    """Raises ValueError about `name` when the two files its family shows in, in `folder`, are not SD 1.5's."""
    kind = read_json(folder / "model_index.json").get("_class_name", "")
    if "StableDiffusion" not in kind:
        raise ValueError(f"{name} holds a {kind}: {base_file.ONLY_SD15}")
    _refuse_kind(kind, name)
    _check_unet_config(folder, name)


def _refuse_kind(kind: str, name: str) -> None:
    if "XL" in kind or "Diffusion3" in kind:
        raise ValueError(f"{name} holds a {kind}: {base_file.ONLY_SD15}")


def _check_unet_config(folder: Path, name: str) -> None:
    unet = read_json(folder / "unet" / "config.json")
    if unet.get("addition_embed_type"):
        raise ValueError(f"{name} holds a Stable Diffusion XL model: {base_file.ONLY_SD15}")
    if unet.get("use_linear_projection") or unet.get("cross_attention_dim") == 1024:
        raise ValueError(f"{name} holds a Stable Diffusion 2 model: {base_file.ONLY_SD15}")
    if unet.get("in_channels", 4) != 4:
        raise ValueError(
            f"{name} holds an inpainting model ({unet['in_channels']} input channels): {base_file.ONLY_SD15}"
        )


def weight_file(folder: Path, part: str) -> Path:
    """A model's weight file: safetensors before .bin, full precision before fp16. Raises ValueError."""
    names = WEIGHT_FILES[part]
    path = next((folder / part / name for name in names if (folder / part / name).is_file()), None)
    if path is None:
        raise ValueError(f"{folder / part} holds no weights: {names[0]} is missing; download the base again")
    if path.suffix == ".safetensors":
        base_file.read_header(path)
    return path
