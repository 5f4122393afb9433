"""Proof that a LoRA file works: read by diffusers' own loader into a fresh base, finite, and with an effect."""

from pathlib import Path

import torch
from diffusers import StableDiffusionPipeline
from diffusers.schedulers import DDIMScheduler
from torch import Tensor

from lora_nb.bases.models import BaseModel, encode_prompts, quiet
from lora_nb.training import checkpoints


def prove(path: Path, base: BaseModel, prompt: str, clip_skip: int) -> str:
    """One sentence on what the file does to `base`, which must hold no LoRA. Raises ValueError if it does not work."""
    if not checkpoints.has_changed_anything(path):
        raise ValueError(
            f"{path.name} changes nothing: every update in it is zero (learning rate too low, or no step taken?)"
        )
    pipeline = StableDiffusionPipeline(
        vae=base.vae,
        text_encoder=base.text_encoder,
        tokenizer=base.tokenizer,
        unet=base.unet,
        scheduler=DDIMScheduler.from_config(base.scheduler_config, clip_sample=False),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    without = _predict(base, prompt, clip_skip)
    with quiet():
        load_in_diffusers(pipeline, path)
    with_lora = _predict(base, prompt, clip_skip)
    if not with_lora.isfinite().all():
        raise ValueError(
            f"{path.name} makes the model answer with NaN: the training has diverged; lower learning_rate"
        )
    change = ((with_lora - without).norm() / without.norm()).item()
    if change == 0:
        raise ValueError(f"{path.name} loads in diffusers but changes nothing in the model's answer")
    return f"{path.name} was read back by diffusers and changes the model's answer by {change:.1%}."


def load_in_diffusers(pipeline: StableDiffusionPipeline, path: Path, adapter: str | None = None) -> None:
    """Load a kohya file by diffusers' own loaders.

    As `pipeline.load_lora_weights`, which in diffusers 0.39 finds no layer of a text encoder of transformers >= 5.6:
    its modules no longer lie in `text_model`.
    """
    found = pipeline.lora_state_dict(path.parent, weight_name=path.name)
    if not hasattr(pipeline.text_encoder, "text_model"):
        found = [{key.replace(".text_model.", "."): value for key, value in part.items()} for part in found]
    state, alphas = found
    options = {"adapter_name": adapter, "_pipeline": pipeline}
    if any(key.startswith("unet.") for key in state):
        pipeline.load_lora_into_unet(state, alphas, pipeline.unet, **options)
    if any(key.startswith("text_encoder.") for key in state):
        pipeline.load_lora_into_text_encoder(state, alphas, pipeline.text_encoder, **options)


@torch.no_grad()
def _predict(base: BaseModel, prompt: str, clip_skip: int) -> Tensor:
    """The U-Net's answer (1, C, h, w) to fixed noise at the middle timestep."""
    config, parameter = base.unet.config, next(base.unet.parameters())
    side = config.sample_size if isinstance(config.sample_size, int) else 64
    noise = torch.randn(1, config.in_channels, side, side, generator=torch.Generator().manual_seed(0))
    hidden = encode_prompts(base, [prompt], clip_skip, 75).to(parameter.dtype)
    return base.unet(noise.to(parameter.device, parameter.dtype), 500, hidden).sample.float().cpu()
