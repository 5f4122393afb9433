"""Single checkpoint files (.safetensors, .ckpt) in the original LDM layout, as the models of diffusers."""

import pickle
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPTextConfig, CLIPTextModel

from lora_nb.bases import base_file, sd15_files
from lora_nb.bases.folder import read_json
from lora_nb.wording import first_line

TEXT_ENCODER_KEY = re.compile(r"cond_stage_model\.transformer\.(?:text_model\.)?")

# What reading a cut or overwritten pickle raises.
DAMAGE = (
    RuntimeError,
    EOFError,
    LookupError,
    ValueError,
    AttributeError,
    TypeError,
    AssertionError,
    struct.error,
)


@dataclass(frozen=True)
class SingleFile:
    """What a checkpoint file holds."""

    text_encoder: CLIPTextModel
    vae: AutoencoderKL
    unet: UNet2DConditionModel
    scheduler_config: dict[str, Any]


def load(path: Path, dtype: torch.dtype, layout: Path = sd15_files.SD15_FOLDER) -> SingleFile:
    """The models in a checkpoint; `layout` is a diffusers folder that holds their configs and no weights.

    The file is mapped, not read: at `dtype` itself the weights take memory only as they are used. Raises
    ValueError when the file is damaged, holds code, or is of another family.
    """
    weights = _read_weights(path)
    base_file.check_layout(path, {key: tuple(value.shape) for key, value in weights.items()})
    scheduler = read_json(layout / "scheduler" / "scheduler_config.json")
    if "v_pred" in weights:
        scheduler["prediction_type"] = "v_prediction"
    if "ztsnr" in weights:
        scheduler["rescale_betas_zero_snr"] = True
    return SingleFile(
        text_encoder=_convert_text_encoder(path, weights, layout, dtype),
        vae=_convert(AutoencoderKL, "vae", base_file.VAE_KEY, path, weights, layout, dtype),
        unet=_convert(UNet2DConditionModel, "unet", base_file.UNET_KEY, path, weights, layout, dtype),
        scheduler_config=scheduler,
    )


def _read_weights(path: Path) -> dict[str, Tensor]:
    """The tensors of a checkpoint by name, EMA copies left out."""
    content = _read_safetensors(path) if path.suffix.lower() == ".safetensors" else _read_pickle(path)
    content = content.get("state_dict", content) if isinstance(content, Mapping) else content
    if not isinstance(content, Mapping):
        raise ValueError(f"{path.name} holds no weights by name: it is not a Stable Diffusion checkpoint")
    tensors = {str(key): value for key, value in content.items() if isinstance(value, Tensor)}
    return {key: value for key, value in tensors.items() if not key.startswith("model_ema.")}


def _read_safetensors(path: Path) -> dict[str, Tensor]:
    try:
        return load_file(path)
    except SafetensorError as error:
        raise ValueError(f"{path.name} is damaged: {first_line(error)}; download it again") from None


def _read_pickle(path: Path) -> Any:
    with open(path, "rb") as file:
        mapped = file.read(2) == b"PK"
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped)
    except pickle.UnpicklingError as error:
        named = re.search(r"GLOBAL ([\w.]+)", str(error))
        what = f" ({named[1]})" if named else ""
        reason = f"it holds program code besides weights{what}"
        raise ValueError(
            f"{path.name} was refused: {reason}; use the .safetensors version of this base"
        ) from None
    except DAMAGE as error:
        raise ValueError(f"{path.name} is damaged: {first_line(error)}; download it again") from None


def _convert(
    cls: type,
    part: str,
    prefix: str,
    path: Path,
    weights: Mapping[str, Tensor],
    layout: Path,
    dtype: torch.dtype,
) -> Any:
    own = {key: value for key, value in weights.items() if key.startswith(prefix)}
    options = {"config": str(layout), "subfolder": part, "local_files_only": True}
    try:
        model = cls.from_single_file(own, torch_dtype=dtype, **options)
    except (KeyError, ValueError, RuntimeError, NotImplementedError) as error:
        raise _other_architecture(path, part, error) from None
    base_file.refuse_missing(
        path, [name for name, parameter in model.named_parameters() if parameter.is_meta]
    )
    return model


def _convert_text_encoder(
    path: Path, weights: Mapping[str, Tensor], layout: Path, dtype: torch.dtype
) -> CLIPTextModel:
    keys = {key: TEXT_ENCODER_KEY.match(key) for key in weights}
    own = {key[match.end() :]: weights[key].to(dtype) for key, match in keys.items() if match}
    own.pop("embeddings.position_ids", None)
    config = CLIPTextConfig.from_pretrained(layout / "text_encoder")
    with torch.device("meta"):
        model = CLIPTextModel(config)
    flat = getattr(model, "text_model", model)
    try:
        missing, _ = flat.load_state_dict(own, strict=False, assign=True)
    except RuntimeError as error:
        raise _other_architecture(path, "text encoder", error) from None
    base_file.refuse_missing(path, missing)
    positions = torch.arange(config.max_position_embeddings)[None]
    flat.embeddings.register_buffer("position_ids", positions, persistent=False)
    return model


def _other_architecture(path: Path, part: str, error: BaseException) -> ValueError:
    reason = first_line(error)
    return ValueError(f"{path.name} has a {part} that is not that of Stable Diffusion 1.5: {reason}")
