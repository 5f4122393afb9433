"""A Stable Diffusion 1.5 on disk: known by its files, judged and measured without loading it. Imports no torch."""

from pathlib import Path

from lora_nb.bases import base_file
from lora_nb.bases.folder import component_json, read_json, weight_file
from lora_nb.hub import Layout

PACKAGE = Path(__file__).parents[1]
DEMO_FOLDER = PACKAGE / "demo" / "base"
SD15_FOLDER = PACKAGE / "sd15"
PARTS = ("tokenizer", "text_encoder", "unet", "vae")
SD15_RESOLUTION = 512
SD15_UNIT = 64
DIFFUSION = tuple(
    f"diffusion_pytorch_model{end}" for end in (".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin")
)
DEMO = "demo"
LAYOUT = Layout(
    index="model_index.json",
    family=("model_index.json", "unet/config.json"),
    small=("scheduler/*.json", "tokenizer/*", "text_encoder/config.json", "vae/config.json"),
    weights={
        "text_encoder": (
            "model.safetensors",
            "model.fp16.safetensors",
            "pytorch_model.bin",
            "pytorch_model.fp16.bin",
        ),
        "unet": DIFFUSION,
        "vae": DIFFUSION,
    },
)


def place_of(name: str) -> Path:
    """Where the base called `name` lies, if it lies on this machine."""
    return DEMO_FOLDER if name == DEMO else Path(name).expanduser()


def native_resolution(name: str) -> int:
    """Side in pixels of the square the base was made for; 512 where only its weights could tell."""
    folder = place_of(name)
    unet, vae = component_json(name, folder, "unet"), component_json(name, folder, "vae")
    if "sample_size" not in unet or "block_out_channels" not in vae:
        return SD15_RESOLUTION
    return int(unet["sample_size"]) * 2 ** (len(vae["block_out_channels"]) - 1)


def check_clip_skip(name: str, clip_skip: int) -> None:
    """Raises ValueError when the text encoder of base `name` has fewer layers, as far as that can be known unloaded."""
    folder = place_of(name)
    known = SD15_FOLDER if name and folder.is_file() else folder
    layers = component_json(name, known, "text_encoder").get("num_hidden_layers")
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
    folder = place_of(name)
    levels = [
        len(component_json(name, folder, part).get("block_out_channels", ())) for part in ("unet", "vae")
    ]
    return 2 ** (sum(levels) - 2) if all(levels) else SD15_UNIT


def tokenizer_folder(base: Path) -> Path:
    """Where the tokenizer of a diffusers folder or a single file lies.

    A single file holds none: SD 1.5's is CLIP's, which ships here. The demo base was made for the same vocabulary
    and has no copy of its own.
    """
    ships_here = base.is_file() or base.resolve() == DEMO_FOLDER.resolve()
    return (SD15_FOLDER if ships_here else base) / "tokenizer"


def knows(path: Path) -> bool:
    """Whether a folder or file is of this family."""
    try:
        return bool(check(path))
    except (ValueError, OSError):
        return False


def check(path: Path) -> Path:
    """`path`, if it is a folder or file of the SD 1.5 family. Raises ValueError."""
    if path.is_dir():
        return check_folder(path)
    base_file.check_single_file(path)
    return path


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


def check_weights(folder: Path) -> None:
    """Raises ValueError when a model of a diffusers folder has no weights."""
    for part, names in LAYOUT.weights.items():
        weight_file(folder, part, names)


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
