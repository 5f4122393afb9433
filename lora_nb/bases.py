"""Base models by name: where they lie and whether they can be used. Reads no weights, imports no torch."""

import re
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from lora_nb import files

DEMO = "demo"
SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
DEMO_FOLDER = Path(__file__).parent / "demo" / "base"
SD15_FOLDER = Path(__file__).parent / "sd15"
SINGLE_FILE_SUFFIXES = (".safetensors", ".ckpt")
PARTS = ("tokenizer", "text_encoder", "unet", "vae")
DIFFUSION = ("diffusion_pytorch_model", "diffusion_pytorch_model")
# Names of the weight files without their ending: as .safetensors, as .bin.
WEIGHTS = {"text_encoder": ("model", "pytorch_model"), "unet": DIFFUSION, "vae": DIFFUSION}
SD15_RESOLUTION = 512
SD15_UNIT = 64
ONLY_SD15 = "only the Stable Diffusion 1.5 family can be trained here"

HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")
LORA_KEY = re.compile(r"lora_(up|down|A|B)\b|\.hada_w|\.lokr_w|lora\.(up|down)\.weight")
UNET_KEY = "model.diffusion_model."
TEXT_KEY = "cond_stage_model."
VAE_KEY = "first_stage_model."
CROSS_ATTENTION = "model.diffusion_model.input_blocks.1.1.transformer_blocks.0.attn2.to_k.weight"

# What a part of a key gives away, in the order they are looked for.
FOREIGN = (
    ("conditioner.embedders.", "a Stable Diffusion XL model"),
    ("label_emb.", "a Stable Diffusion XL model"),
    ("cond_stage_model.model.", "a Stable Diffusion 2 model"),
    ("joint_blocks.", "a Stable Diffusion 3 model"),
    ("double_blocks.", "a Flux model"),
    ("single_transformer_blocks.", "a Flux model"),
    ("control_model.", "a ControlNet"),
    ("emb_params", "a textual inversion embedding"),
    ("string_to_param", "a textual inversion embedding"),
)


def resolve_base(name: str) -> Path | str:
    """The folder or file called `name`, or the Hugging Face id it is. Raises ValueError for anything else."""
    if name == DEMO:
        return check_folder(DEMO_FOLDER)
    path = Path(name).expanduser()
    if name and path.is_dir():
        return check_folder(path)
    if name and path.is_file():
        check_single_file(path)
        return path
    if HUB_ID.fullmatch(name) and path.suffix not in SINGLE_FILE_SUFFIXES:
        return name
    raise ValueError(
        f'base model "{name}" was not found: give a Hugging Face id (owner/name), a diffusers folder, '
        f'a .safetensors or .ckpt file, or "{DEMO}"'
    )


def public_name(name: str) -> str:
    """What to call a base before others: a Hugging Face id as it is, of a path the last part."""
    path = Path(name).expanduser()
    is_id = HUB_ID.fullmatch(name) and path.suffix not in SINGLE_FILE_SUFFIXES and not path.exists()
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
        raise ValueError(f"{folder} holds a {kind}: {ONLY_SD15}")
    _refuse_kind(kind, str(folder))
    if missing:
        raise ValueError(f"{folder} is not a diffusers folder: it lacks {', '.join(missing)}")
    _check_unet_config(folder, str(folder))
    return folder


def check_family(folder: Path, name: str) -> None:
    """Raises ValueError about `name` when the two files its family shows in, in `folder`, are not SD 1.5's."""
    kind = read_json(folder / "model_index.json").get("_class_name", "")
    if "StableDiffusion" not in kind:
        raise ValueError(f"{name} holds a {kind}: {ONLY_SD15}")
    _refuse_kind(kind, name)
    _check_unet_config(folder, name)


def _refuse_kind(kind: str, name: str) -> None:
    if "XL" in kind or "Diffusion3" in kind:
        raise ValueError(f"{name} holds a {kind}: {ONLY_SD15}")


def _check_unet_config(folder: Path, name: str) -> None:
    unet = read_json(folder / "unet" / "config.json")
    if unet.get("addition_embed_type"):
        raise ValueError(f"{name} holds a Stable Diffusion XL model: {ONLY_SD15}")
    if unet.get("use_linear_projection") or unet.get("cross_attention_dim") == 1024:
        raise ValueError(f"{name} holds a Stable Diffusion 2 model: {ONLY_SD15}")
    if unet.get("in_channels", 4) != 4:
        raise ValueError(
            f"{name} holds an inpainting model ({unet['in_channels']} input channels): {ONLY_SD15}"
        )


def weight_file(folder: Path, part: str) -> Path:
    """A model's weight file: safetensors before .bin, full precision before fp16. Raises ValueError."""
    safe, pickled = WEIGHTS[part]
    kinds = ((safe, ".safetensors"), (pickled, ".bin"))
    names = [f"{stem}{variant}{end}" for stem, end in kinds for variant in ("", ".fp16")]
    path = next((folder / part / name for name in names if (folder / part / name).is_file()), None)
    if path is None:
        raise ValueError(f"{folder / part} holds no weights: {names[0]} is missing; download the base again")
    if path.suffix == ".safetensors":
        read_header(path)
    return path


def check_single_file(path: Path) -> None:
    """Raises ValueError, in one sentence, when the file cannot be an SD 1.5 checkpoint.

    A .safetensors file is judged by its header; of a pickled file (.ckpt) only the outside is looked at.
    """
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(256)
    if size == 0:
        raise ValueError(f"{path.name} is empty (0 bytes): download it again")
    _refuse_text(path, start)
    if path.suffix.lower() not in SINGLE_FILE_SUFFIXES:
        raise ValueError(
            f"{path.name} is no model file: its name should end in {' or '.join(SINGLE_FILE_SUFFIXES)}"
        )
    if path.suffix.lower() == ".safetensors":
        check_layout(path, {key: tuple(entry["shape"]) for key, entry in read_header(path).items()})
    elif start.startswith(b"PK"):
        _check_zip(path)
    elif not start.startswith(b"\x80"):
        raise ValueError(f"{path.name} is damaged or no checkpoint of PyTorch: download it again")


def _refuse_text(path: Path, start: bytes) -> None:
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] == b"<":
        raise ValueError(
            f"{path.name} is a web page, not a model: the link needs a login or is no download link"
        )
    if text.startswith(b"version https://git-lfs"):
        raise ValueError(f"{path.name} is a Git LFS pointer, not the model: fetch it with `git lfs pull`")
    if len(text) >= 8 and all(byte in b"\t\r\n" or 32 <= byte < 127 for byte in text[:8]):
        first = text.decode("utf-8", "replace").splitlines()[0][:80]
        raise ValueError(f"{path.name} holds text, not a model: it begins with {first!r}; download it again")


def _check_zip(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        raise ValueError(f"{path.name} is cut off: its end is missing; download it again")
    with zipfile.ZipFile(path) as archive:
        if not any(name.endswith("data.pkl") for name in archive.namelist()):
            raise ValueError(
                f"{path.name} is a zip archive, not a checkpoint: unpack it and give the model inside"
            )


def read_header(path: Path) -> dict[str, dict[str, Any]]:
    """dtype, shape and data_offsets of each tensor of a .safetensors file. Raises ValueError for damage."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        start = file.read(8)
        length = int.from_bytes(start, "little")
        if start[:2] == b"PK":
            raise ValueError(
                f"{path.name} is a zip or a .ckpt renamed to .safetensors: give it its own ending"
            )
        if len(start) < 8 or not 2 <= length <= 200_000_000:
            raise ValueError(f"{path.name} is damaged or no .safetensors file: download it again")
        text = file.read(length)
    if len(text) < length:
        raise ValueError(f"{path.name} is cut off within its header: download it again")
    try:
        header = files.from_json(text)
        header.pop("__metadata__", None)
        end = 8 + length + max((entry["data_offsets"][1] for entry in header.values()), default=0)
        _ = [tuple(entry["shape"]) for entry in header.values()]
    except (ValueError, AttributeError, LookupError, TypeError):
        raise ValueError(f"{path.name} is damaged: its header is not readable; download it again") from None
    if end > size:
        raise ValueError(f"{path.name} is cut off: {size:,} of {end:,} bytes are there; download it again")
    return header


def check_layout(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> None:
    """Raises ValueError when the tensors' names and shapes are not those of a whole SD 1.5 checkpoint."""
    foreign = _foreign_kind(shapes)
    if foreign:
        raise ValueError(f"{path.name} is {foreign}, not a Stable Diffusion 1.5 base: {ONLY_SD15}")
    context = shapes.get(CROSS_ATTENTION, (0, 0))[-1]
    channels = (shapes.get(f"{UNET_KEY}input_blocks.0.0.weight") or (0, 4, 0, 0))[1]
    if context == 1024:
        raise ValueError(
            f"{path.name} is a Stable Diffusion 2 model, not a Stable Diffusion 1.5 base: {ONLY_SD15}"
        )
    if channels != 4:
        raise ValueError(f"{path.name} is an inpainting model ({channels} input channels): {ONLY_SD15}")
    models = ((UNET_KEY, "U-Net"), (TEXT_KEY, "text encoder"), (VAE_KEY, "VAE"))
    lacking = [word for key, word in models if not _any_starts(shapes, key)]
    if len(lacking) == 3:
        raise ValueError(
            f"{path.name} is not a Stable Diffusion 1.5 checkpoint: none of its {len(shapes)} names is known"
        )
    if lacking:
        raise ValueError(
            f"{path.name} lacks the {' and the '.join(lacking)}: choose a whole SD 1.5 checkpoint"
        )


def _any_starts(names: Iterable[str], prefix: str) -> bool:
    return any(name.startswith(prefix) for name in names)


def _foreign_kind(names: Iterable[str]) -> str | None:
    names = list(names)
    if any(LORA_KEY.search(name) for name in names):
        return "a LoRA"
    for part, kind in FOREIGN:
        if any(part in name for name in names):
            return kind
    if _any_starts(names, ("down_blocks.")):
        return "the U-Net alone of a diffusers folder"
    if _any_starts(names, "decoder.") and _any_starts(names, "encoder."):
        return "a VAE alone"
    return None


def refuse_missing(path: Path, names: Iterable[str]) -> None:
    """Raises ValueError when weights called `names` are missing; position_ids are computed, not stored."""
    missing = sorted(name for name in names if not name.endswith("position_ids"))
    if missing:
        raise ValueError(f"{path} is not whole: {len(missing)} of its weights are missing, e.g. {missing[0]}")


def first_line(error: BaseException) -> str:
    """What an error says, in one line."""
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)[
        :200
    ]
