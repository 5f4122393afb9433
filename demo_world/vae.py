"""The VAE: AutoencoderKL trained on the world, its latents whitened to Stable Diffusion 1.5's scaling factor."""

import random

import numpy as np
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from render import Pictures, pictures, sheet, shrink
from settings import SCALING, SCRATCH, SIZE
from training import Run, rank, side_by_side

# B batch, C channels, H W pixels, h w latents.
FILE = SCRATCH / "vae.pt"


def build() -> AutoencoderKL:
    """Return an untrained VAE: f = 4, four latent channels."""
    return AutoencoderKL(
        down_block_types=("DownEncoderBlock2D",) * 3,
        up_block_types=("UpDecoderBlock2D",) * 3,
        block_out_channels=(32, 64, 128),
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=16,
        sample_size=SIZE,
        scaling_factor=SCALING,
    )


def load() -> AutoencoderKL:
    """Return the trained, whitened VAE."""
    vae = build()
    vae.load_state_dict(torch.load(FILE))
    return vae.eval().requires_grad_(False)


def small(drawn: Pictures, seed: int) -> np.ndarray:
    """Return the pictures at the training size, uint8 (B, H, W, 3)."""
    rng = random.Random(seed)
    return np.stack([shrink(image, SIZE, rng) for image in drawn.images])


def to_tensor(images: np.ndarray) -> Tensor:
    """Return uint8 (B, H, W, 3) as float (B, 3, H, W) in -1..1."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_images(tensor: Tensor) -> np.ndarray:
    """Return float (B, 3, H, W) in -1..1 as uint8 (B, H, W, 3)."""
    return ((tensor.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()


def varied(batch: Tensor, crop: int) -> Tensor:
    """Return crops with random mirrors and exchanged colour channels, so that unseen styles and colours also survive."""
    top, left = (int(torch.randint(0, SIZE - crop + 1, (1,))) for _ in "hw")
    batch = batch[..., top : top + crop, left : left + crop]
    half = len(batch) // 2
    first = batch[:half].flip(-1)
    if torch.rand(()) < 0.3:
        first = first[:, torch.randperm(3)]
    return torch.cat([first, batch[half:]]).contiguous()


def edges(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return the differences between neighbours, down and across."""
    return x[..., 1:, :] - x[..., :-1, :], x[..., 1:] - x[..., :-1]


def loss_of(vae: AutoencoderKL, x: Tensor) -> tuple[Tensor, float]:
    """Return the training loss (L1, edges, a little KL) and the mean squared error."""
    with torch.autocast("cpu", torch.bfloat16):
        posterior = vae.encode(x).latent_dist
        y = vae.decode(posterior.sample()).sample
    y = y.float()
    edge = sum(F.l1_loss(a, b) for a, b in zip(edges(y), edges(x), strict=True))
    kl = posterior.kl().mean() / posterior.mean[0].numel()
    return F.l1_loss(y, x) + 0.5 * edge + F.mse_loss(y, x) + 1e-4 * kl, float(F.mse_loss(y.detach(), x))


@torch.no_grad()
def whiten(vae: AutoencoderKL, x: Tensor) -> None:
    """Scale the latents inside quant_conv and post_quant_conv to mean 0 and deviation 1 / SCALING; decoding is unchanged."""
    means = torch.cat([vae.encode(part).latent_dist.mean for part in x.split(64)])
    shift, spread = means.mean((0, 2, 3)), means.std((0, 2, 3))
    factor = 1 / (SCALING * spread)
    quant, post = vae.quant_conv, vae.post_quant_conv
    quant.weight[:4] *= factor[:, None, None, None]
    quant.bias[:4] = (quant.bias[:4] - shift) * factor
    quant.bias[4:] += 2 * factor.log()
    post.bias += (post.weight[:, :, 0, 0] * shift).sum(1)
    post.weight /= factor[None, :, None, None]


@torch.no_grad()
def psnr(vae: AutoencoderKL, images: np.ndarray) -> float:
    """Return the mean peak signal-to-noise ratio of reconstructions, in dB, each picture on its own."""
    x = to_tensor(images)
    y = torch.cat([vae.decode(vae.encode(part).latent_dist.mean).sample for part in x.split(64)]).clamp(-1, 1)
    return float((10 * torch.log10(4 / (x - y).square().mean((1, 2, 3)))).mean())


def train() -> None:
    """Train, whiten and store the VAE; resumes."""
    side_by_side(_train)


def _train(steps: int = 3000, batch: int = 8) -> None:
    """Train; a sheet of reconstructions at every checkpoint. `batch`: pictures a worker."""
    drawn = small(pictures("base", 24000), 0)
    held_out = small(pictures("tagger_test", 2000), 1)[:128]
    run = Run("vae", nn.ModuleDict({"vae": build()}), steps, 1e-3)
    vae = run.modules["vae"].train()
    while run.step < steps:
        chosen = to_tensor(drawn[torch.randint(0, len(drawn), (batch,)).numpy()])
        loss, error = loss_of(vae, varied(chosen, 48 if run.step < 0.6 * steps else SIZE))
        if run.update(loss, mse=error):
            average = run.averaged(nn.ModuleDict({"vae": build()}))["vae"]
            print("PSNR", round(psnr(average, held_out), 2), flush=True)
            with torch.no_grad():
                again = to_images(
                    average.decode(average.encode(to_tensor(held_out[:30])).latent_dist.mean).sample
                )
            sheet(np.concatenate([held_out[:30], again]), 15, run.folder / "sheet.png")
    if rank() == 0:
        final = run.averaged(nn.ModuleDict({"vae": build()}))["vae"]
        whiten(final, to_tensor(drawn[:1000]))
        torch.save(final.state_dict(), FILE)
