"""Proof that a LoRA file works: read into a fresh base (by diffusers where it can), finite, and with an effect."""

from pathlib import Path

import torch
from torch import Tensor

from lora_nb.bases.base import Base, Framing
from lora_nb.bases.weights import quiet
from lora_nb.lora import inject
from lora_nb.lora.kinds import of_update
from lora_nb.lora.lora_file import read_lora
from lora_nb.training import checkpoints


def prove(path: Path, base: Base, prompt: str, clip_skip: int) -> str:
    """One sentence on what the file does to `base`, which must hold no LoRA. Raises ValueError if it does not work."""
    if not checkpoints.has_changed_anything(path):
        raise ValueError(
            f"{path.name} changes nothing: every update in it is zero (learning rate too low, or no step taken?)"
        )
    pipeline, update = base.pipeline(), read_lora(path)
    in_diffusers = all(of_update(module).in_diffusers for module in update.modules.values())
    without = _predict(base, prompt, clip_skip)
    with quiet():
        if in_diffusers:
            base.load_update(pipeline, path)
        else:
            inject.apply(base.parts, update)
    with_lora = _predict(base, prompt, clip_skip)
    if not with_lora.isfinite().all():
        raise ValueError(
            f"{path.name} makes the model answer with NaN: the training has diverged; lower learning_rate"
        )
    change = ((with_lora - without).norm() / without.norm()).item()
    if change == 0:
        loads = "loads in diffusers" if in_diffusers else "loads"
        raise ValueError(f"{path.name} {loads} but changes nothing in the model's answer")
    reader = "by diffusers " if in_diffusers else ""
    return f"{path.name} was read back {reader}and changes the model's answer by {change:.1%}."


@torch.no_grad()
def _predict(base: Base, prompt: str, text_layer: int) -> Tensor:
    """The denoiser's answer (1, C, h, w) to fixed noise at the middle of its way."""
    parameter, size = next(base.denoiser.parameters()), (base.native_size, base.native_size)
    noise = torch.randn(1, *base.latent_shape(size), generator=torch.Generator().manual_seed(0))
    told = base.encode([prompt], text_layer, base.text_length([""])).to(parameter.dtype)
    time = base.process.middle()[None].to(parameter.device)
    framing = Framing(size, (0, 0), size)
    return base.predict(noise.to(parameter.device, parameter.dtype), time, told, [framing]).float().cpu()
