"""A VAE of its own, found and read: what takes the place of a base's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from diffusers.loaders.single_file_utils import convert_ldm_vae_checkpoint
from safetensors import SafetensorError
from safetensors.torch import load_file

from lora_nb import hub
from lora_nb.bases import base_file
from lora_nb.bases.file_kind import VAE_KEY
from lora_nb.bases.folder import HUB_ID, read_json, weight_file
from lora_nb.bases.folder_models import load_part
from lora_nb.bases.stable_files import DIFFUSION
from lora_nb.bases.weights import file_hashes
from lora_nb.events import Tell, silent
from lora_nb.wording import first_line

CONFIG, WEIGHTS = "config.json", DIFFUSION[0]
# What latents have to have in common with those that the base was trained on.
MUST_AGREE = ("latent_channels", "block_out_channels", "scaling_factor")


@dataclass(frozen=True)
class OtherVae:
    """A VAE that was put in the place of a base's: what people call it, and kohya's two hashes of its weights."""

    name: str
    sha256: str
    short_hash: str


def said_of(vae: OtherVae | None) -> dict[str, str]:
    """What a base's facts say of another VAE; nothing without one."""
    if vae is None:
        return {}
    return {"vae_name": vae.name, "vae_sha256": vae.sha256, "vae_short_hash": vae.short_hash}


def find(name: str, tell: Tell = silent) -> Path:
    """The file or folder of the VAE called `name` (a .safetensors file, a folder or a Hugging Face id).

    A folder holds its config.json, or is that of a whole base. Raises ValueError before anything heavy is read.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return _check_file(path)
    if path.is_dir():
        return _check_folder(path)
    if HUB_ID.fullmatch(name) and path.suffix not in base_file.SUFFIXES:
        hub.download_file(name, CONFIG, tell)
        return hub.download_file(name, WEIGHTS, tell).parent
    raise ValueError(
        f'vae = "{name}" was not found: give a .safetensors file, a diffusers folder or a Hugging Face id (owner/name)'
    )


def _check_file(path: Path) -> Path:
    if path.suffix.lower() != ".safetensors":
        raise ValueError(f"vae = {path} is no .safetensors file: give a VAE in that format")
    base_file.check_outside(path)
    names = [name.removeprefix(VAE_KEY) for name in base_file.read_header(path)]
    if not all(any(name.startswith(side) for name in names) for side in ("encoder.", "decoder.")):
        raise ValueError(f"vae = {path} holds no VAE: neither encoder nor decoder are among its names")
    return path


def _check_folder(folder: Path) -> Path:
    folder = folder / "vae" if (folder / "vae" / CONFIG).is_file() else folder
    read_json(folder / CONFIG)
    weight_file(folder, "", DIFFUSION)
    return folder


def load(found: Path, name: str, own: AutoencoderKL) -> tuple[AutoencoderKL, OtherVae]:
    """The VAE at `found`, frozen and in eval mode, in the numbers of `own`, whose place it takes.

    Raises ValueError for a damaged one, and for one that makes other latents than the base knows, as far as its
    configuration or its shapes show that.
    """
    path = found if found.is_file() else weight_file(found, "", DIFFUSION)
    if found.is_file():
        model = _read_file(found, own)
    else:
        _refuse_misfit(read_json(found / CONFIG), own, str(found))
        model = load_part(AutoencoderKL, found, "", DIFFUSION, own.dtype)
    sha256, short_hash = file_hashes(path)
    return model.eval().requires_grad_(False), OtherVae(Path(name).name, sha256, short_hash)


def _refuse_misfit(config: dict[str, Any], own: AutoencoderKL, source: str) -> None:
    for name in MUST_AGREE:
        wanted, said = (_as_list(each) for each in (own.config[name], config.get(name, own.config[name])))
        if said != wanted:
            raise ValueError(
                f"vae = {source} does not fit this base: its {name} is {said}, the base's {wanted}; "
                "take one that was made for the same family"
            )


def _as_list(value: Any) -> Any:
    """JSON has no tuples."""
    return list(value) if isinstance(value, tuple) else value


def _read_file(path: Path, own: AutoencoderKL) -> AutoencoderKL:
    try:
        weights = load_file(path)
    except SafetensorError as error:
        raise ValueError(f"vae = {path} is damaged: {first_line(error)}; download it again") from None
    with torch.device("meta"):
        model = AutoencoderKL.from_config(own.config)
    if not any(".down_blocks." in name for name in weights):
        weights = convert_ldm_vae_checkpoint(weights, own.config)
    try:
        missing, _ = model.load_state_dict(
            {name: value.to(own.dtype) for name, value in weights.items()}, strict=False, assign=True
        )
    except RuntimeError as error:
        raise ValueError(f"vae = {path} does not fit this base: {first_line(error)}") from None
    base_file.refuse_missing(path, missing)
    return model
