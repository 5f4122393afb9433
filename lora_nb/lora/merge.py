"""LoRA files merged into the weights of a base."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import torch

from lora_nb.bases.base import Base, Part
from lora_nb.lora.inject import own_places
from lora_nb.lora.lora_file import LoraFile, read_lora


def merge_files(base: Base, paths: Sequence[Path], multipliers: Sequence[float]) -> None:
    """Make a base what it is with these files at these strengths, one after the other; 1 where none is given.

    Its fingerprint becomes another. Raises ValueError for a file of another base.
    """
    for number, path in enumerate(paths):
        multiplier = multipliers[number] if number < len(multipliers) else 1.0
        merge(base.parts, read_lora(path), multiplier)
        known = f"{base.fingerprint} {file_sha256(path)} {multiplier}"
        base.fingerprint = hashlib.sha256(known.encode()).hexdigest()


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
