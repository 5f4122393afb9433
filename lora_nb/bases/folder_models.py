"""The models of a diffusers folder, read one tensor after the other."""

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from lora_nb.bases import base_file
from lora_nb.bases.folder import read_json, weight_file
from lora_nb.bases.weights import file_hashes
from lora_nb.wording import first_line

# What reading a damaged configuration or weight file raises.
DAMAGE = (
    OSError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
)


def dtype_of(part: str, dtype: torch.dtype) -> torch.dtype:
    """The numbers that a model is loaded in: the VAE always in float32.

    In float16 these VAEs overflow, and rounding their weights costs more than the memory it saves is worth.
    """
    return torch.float32 if part == "vae" else dtype


def load_part(cls: type, folder: Path, part: str, names: Sequence[str], dtype: torch.dtype) -> Any:
    """The model in `folder`/`part` ("" for `folder` itself), its weights in the first of `names` that is there.

    Raises ValueError, in one sentence, for a damaged one or one that is not whole.
    """
    path = weight_file(folder, part, names)
    read_json(folder / part / "config.json")
    options = {"variant": "fp16"} if ".fp16." in path.name else {}
    try:
        model, info = cls.from_pretrained(
            folder / part, use_safetensors=path.suffix == ".safetensors",
            torch_dtype=dtype, output_loading_info=True, local_files_only=True, **options,
        )  # fmt: skip
    except DAMAGE as error:
        raise ValueError(f"{path} could not be read: {first_line(error)}") from None
    base_file.refuse_missing(path, info["missing_keys"])
    return model


def scheduler_config(folder: Path) -> dict[str, Any]:
    """The scheduler's settings. Raises ValueError for a prediction that cannot be trained."""
    config = read_json(folder / "scheduler" / "scheduler_config.json")
    predicts = config.get("prediction_type", "epsilon")
    if predicts not in ("epsilon", "v_prediction"):
        raise ValueError(f"{folder} predicts {predicts}: only epsilon and v_prediction can be trained")
    return config


def fingerprint(folder: Path, weights: Mapping[str, Sequence[str]]) -> str:
    """What identifies the weights of all models: a hash of their files' hashes."""
    digest = hashlib.sha256()
    for part, names in weights.items():
        path = weight_file(folder, part, names)
        digest.update(f"{part}:{file_hashes(path)[0]}\n".encode())
    return digest.hexdigest()
