"""Base models loaded by name, whatever their family."""

import hashlib
from importlib import import_module
from pathlib import Path

import torch

from lora_nb import hub
from lora_nb.bases import lookup, vae_file, web_base
from lora_nb.bases.base import Base
from lora_nb.bases.weights import quiet
from lora_nb.events import Progress, Tell, silent


def load_base(
    name: str,
    dtype: torch.dtype = torch.float32,
    tell: Tell = silent,
    prediction_type: str = "auto",
    zero_terminal_snr: str = "auto",
    vae: str = "",
) -> Base:
    """The base called `name` (Hugging Face id, diffusers folder, .safetensors/.ckpt file, web address, name of the
    catalogue, "demo") on the CPU.

    `prediction_type` and `zero_terminal_snr` ("yes", "no") count more than what its own files say; `vae` names another
    in the place of its own. Raises ValueError with one sentence when it is absent, damaged, or of no family that can
    be trained.
    """
    found = lookup.resolve_base(name)
    if isinstance(found, str) and web_base.knows(found):
        name = str(web_base.download(found, tell=tell))
        found = lookup.resolve_base(name)
    name = lookup.located(name)
    family = lookup.family_of(name)
    other = vae_file.find(vae, tell) if vae else None
    tell(Progress("Loading the base", 0, 1))
    with quiet():
        if isinstance(found, str):
            # before gigabytes of another family are downloaded
            family = lookup.family_of_download(hub.find_base(found, family.layout), found)
            place = family.check(hub.download_base(found, family.layout, tell))
        else:
            place = found
        shown = name if place != found or name == lookup.DEMO else place.name
        base = import_module(family.module).load(place, dtype, shown, prediction_type, zero_terminal_snr)
        return _with_vae(base, other, vae) if other else base


def _with_vae(base: Base, found: Path, name: str) -> Base:
    """`base` with the VAE at `found` in the place of its own; another base by its fingerprint."""
    if not hasattr(base, "other_vae"):
        raise ValueError(f"vae = {name} cannot be used: the VAE of {base.name} is its own")
    base.vae, base.other_vae = vae_file.load(found, name, base.vae)
    both = f"{base.fingerprint}\nvae:{base.other_vae.sha256}"
    base.fingerprint = hashlib.sha256(both.encode()).hexdigest()
    return base
