"""What every base has whose U-Net works on a VAE's latents, whatever tells it of prompts.

Shapes: B batch, C channels, H W pixels, h w latents.
"""

from diffusers import AutoencoderKL, UNet2DConditionModel
from torch import Tensor

from lora_nb.bases import autoencoder
from lora_nb.bases.base import Size


class UNetBase:
    """The members of `bases.base.Base` that follow from `unet` and `vae` alone."""

    unet: UNet2DConditionModel
    vae: AutoencoderKL

    @property
    def denoiser(self) -> UNet2DConditionModel:
        return self.unet

    @property
    def factor(self) -> int:
        """Pixels per latent along one side: 8."""
        return autoencoder.factor(self.vae)

    @property
    def unit(self) -> int:
        """Each U-Net level is to halve evenly."""
        return self.factor * 2 ** (len(self.unet.config.block_out_channels) - 1)

    @property
    def native_size(self) -> int:
        return int(self.unet.config.sample_size) * self.factor

    def latent_shape(self, size: Size) -> tuple[int, int, int]:
        return self.unet.config.in_channels, size[1] // self.factor, size[0] // self.factor

    def encode_images(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        return autoencoder.encode(self.vae, pixels)

    def scale(self, latents: Tensor) -> Tensor:
        return latents * self.vae.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        return autoencoder.decode(self.vae, latents)
