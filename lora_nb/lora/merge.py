"""LoRA files merged into the weights of a base."""

import hashlib
from collections.abc import Sequence
from itertools import chain, repeat
from pathlib import Path

import torch

from lora_nb.bases.base import Base, Part
from lora_nb.config import base as config_base
from lora_nb.lora.inject import own_places
from lora_nb.lora.lora_file import LoraFile, read_lora


def merge_files(base: Base, choice: config_base.Base) -> None:
    """Make a base what it is with the files of its settings, one after the other, at their strengths.

    Its fingerprint becomes another. Raises ValueError for a file of another base.
    """
    for path, multiplier in files_of(choice):
        merge(base.parts, read_lora(path), multiplier)
        known = f"{base.fingerprint} {file_sha256(path)} {multiplier}"
        base.fingerprint = hashlib.sha256(known.encode()).hexdigest()


def files_of(choice: config_base.Base) -> list[tuple[Path, float]]:
    """The files to merge, each with its strength: 1 where none is given."""
    strengths = chain(choice.base_weights_multiplier, repeat(1.0))
    return [(Path(path), strength) for path, strength in zip(choice.base_weights, strengths, strict=False)]


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@torch.no_grad()
def merge(parts: Sequence[Part], file: LoraFile, multiplier: float) -> None:
    """Add `multiplier` times a file's change to the weights themselves, reckoned in float32."""
    for name, (part, path) in own_places(parts, file).items():
        weight = part.model.get_submodule(path).weight
        own, update = weight.float().cpu(), file.modules[name].as_float()
        try:
            merged = own + multiplier * update.change(own)
        except RuntimeError:
            raise ValueError(f"the LoRA does not fit this base: {name} is of another shape") from None
        weight.copy_(merged)
