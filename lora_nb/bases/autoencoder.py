"""A VAE asked: pictures to latents, and back.

Shapes: B batch, C channels, H W pixels, h w latents.
"""

import torch
from diffusers import AutoencoderKL
from torch import Tensor

from lora_nb.bases.weights import move


def factor(vae: AutoencoderKL) -> int:
    """Pixels per latent along one side; 8 in all that are in use."""
    return 2 ** (len(vae.config.block_out_channels) - 1)


def encode(vae: AutoencoderKL, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (B, C, h, w) of the latents, as the VAE gives them, of (B, 3, H, W) in [-1, 1]."""
    posterior = vae.encode(pixels).latent_dist
    return posterior.mean, posterior.std


def decode(vae: AutoencoderKL, latents: Tensor) -> Tensor:
    """(B, 3, H, W) in about [-1, 1] of scaled latents; in float32, since these VAEs overflow in float16."""
    dtype, device = vae.dtype, vae.device
    move(vae, torch.float32)
    try:
        return vae.decode(latents.to(device, torch.float32) / vae.config.scaling_factor).sample
    finally:
        move(vae, dtype)
