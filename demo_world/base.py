"""The base model: a U-Net of Stable Diffusion 1.5's shape trained with its text encoder, and the diffusers folder it becomes."""

import random
import shutil
from pathlib import Path

import numpy as np
import torch
from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from torch import Tensor, nn
from transformers import CLIPTextModel

import text as text_stage
import vae as vae_stage
from prompts import prompt
from render import pictures, sheet
from settings import DEMO, LATENT, SCRATCH, UNET_STYLES, WIDTH
from training import Run, rank, side_by_side

# B batch, C channels, h w latents, T tokens, D width.
FOLDER = DEMO / "base"
PICTURES = ("base", 24000)
GAMMA = 5.0  # Min-SNR weighting, arXiv 2303.09556
PREVIEW = (
    "1girl, red hair, long hair, smile, blue background",
    "1boy, green hair, spiked hair, sunglasses, yellow background",
    "1girl, pink hair, twintails, white background",
    "1girl, black hair, bob cut, glasses, red shirt, pink background",
    "1boy, bald, beard, grey background",
    "1girl, blue hair, hair bun, closed eyes, orange background",
    "1boy, blonde hair, short hair, frown, green background",
    "1girl, purple hair, long hair, wavy hair, open mouth, aqua background",
    "a girl with white hair and glasses on a purple background",
    "cartoon, orange hair, afro, glasses",
    "no lineart, 1girl, blonde hair, long hair, green shirt, red background",
    "",
)


def build() -> UNet2DConditionModel:
    """Return an untrained U-Net: the blocks of Stable Diffusion 1.5, three levels of them, one layer each."""
    return UNet2DConditionModel(
        sample_size=LATENT,
        in_channels=4,
        out_channels=4,
        block_out_channels=(64, 128, 176),
        layers_per_block=1,
        norm_num_groups=16,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=WIDTH,
        attention_head_dim=4,
    )


def scheduler() -> DPMSolverMultistepScheduler:
    """Return the noise schedule of Stable Diffusion 1.5, with a sampler that is good at 16 steps."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=1000,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        prediction_type="epsilon",
        steps_offset=1,
        use_karras_sigmas=False,
    )


@torch.no_grad()
def latents() -> Tensor:
    """Return the scaled latents (B, 4, h, w) of all training pictures, cached."""
    cache = SCRATCH / "latents.pt"
    if not cache.exists():
        model = vae_stage.load()
        images = vae_stage.small(pictures(*PICTURES), 3)
        with torch.autocast("cpu", torch.bfloat16):
            parts = [
                model.encode(vae_stage.to_tensor(part)).latent_dist.mean.float()
                for part in np.array_split(images, len(images) // 64)
            ]
        torch.save(torch.cat(parts) * model.config.scaling_factor, cache.with_suffix(".tmp"))
        cache.with_suffix(".tmp").rename(cache)
    return torch.load(cache)


def _frozen_text() -> CLIPTextModel:
    """Return the pre-trained text encoder; the U-Net learns to read it as it is."""
    model = text_stage.build()
    model.load_state_dict(torch.load(text_stage.FILE))
    return model.eval().requires_grad_(False)


@torch.no_grad()
def text_states(model: CLIPTextModel, ids: Tensor, clip_skip: bool) -> Tensor:
    """Return the text states (B, T, D)."""
    with torch.autocast("cpu", torch.bfloat16):
        return text_stage.encode(model, ids, clip_skip).float()


def loss_of(unet: UNet2DConditionModel, x: Tensor, states: Tensor, alphas: Tensor) -> Tensor:
    """Return the Min-SNR weighted error of the predicted noise."""
    times = torch.randint(0, len(alphas), (len(x),))
    alpha = alphas[times][:, None, None, None]
    noise = torch.randn_like(x)
    with torch.autocast("cpu", torch.bfloat16):
        told = unet(alpha.sqrt() * x + (1 - alpha).sqrt() * noise, times, states).sample
    snr = alphas[times] / (1 - alphas[times])
    weight = snr.clamp(max=GAMMA) / snr
    return (weight * (told.float() - noise).square().mean((1, 2, 3))).mean()


def pipeline(both: nn.ModuleDict) -> StableDiffusionPipeline:
    """Return the whole pipeline around trained modules."""
    return StableDiffusionPipeline(
        vae=vae_stage.load(),
        text_encoder=both["text"],
        tokenizer=text_stage.CLIPTokenizer.from_pretrained(text_stage.FOLDER),
        unet=both["unet"],
        scheduler=scheduler(),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )


def write(both: nn.ModuleDict, folder: Path = FOLDER) -> None:
    """Write the diffusers folder in 16 bits, replacing the old one at once."""
    fresh, old = folder.with_name("base.new"), folder.with_name("base.old")
    for leftover in (fresh, old):
        shutil.rmtree(leftover, ignore_errors=True)
    pipeline(both).to(dtype=torch.float16).save_pretrained(fresh, safe_serialization=True)
    config = (
        fresh / "text_encoder" / "config.json"
    )  # transformers would otherwise load 16 bits into a 32 bit pipeline
    config.write_text(config.read_text().replace('"float16"', '"float32"'))
    for weights in fresh.rglob("*.safetensors"):
        weights.chmod(0o644)
    shutil.rmtree(fresh / "tokenizer")  # CLIP's own, which lies in lora_nb/sd15 for every base
    if folder.exists():
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def drawn(
    pipe: StableDiffusionPipeline,
    prompts: list[str | None],
    guidance: float = 5.0,
    seed: int = 0,
    **settings: object,
) -> np.ndarray:
    """Return one uint8 picture a prompt, each with its own seed; prompts of None where `settings` has embeddings."""
    pipe.set_progress_bar_config(disable=True)
    generators = [torch.Generator().manual_seed(seed + index) for index in range(len(prompts))]
    images = pipe(
        prompts if prompts[0] is not None else None,
        num_inference_steps=16,
        guidance_scale=guidance,
        generator=generators,
        output_type="np",
        height=4 * LATENT,
        width=4 * LATENT,
        **settings,
    ).images
    return (images * 255).round().astype(np.uint8)


def train() -> None:
    """Train the U-Net and write the base; resumes."""
    latents()
    side_by_side(_train)


def _train(steps: int = 2800, batch: int = 24) -> None:
    """Train; a preview sheet and the folder at every checkpoint. `batch`: pictures a worker."""
    x = latents()
    whole = pictures(*PICTURES)
    usable = [index for index in range(len(x)) if whole.styles[index] in UNET_STYLES]
    tags, text = whole.tags, _frozen_text()
    tokenizer = text_stage.CLIPTokenizer.from_pretrained(text_stage.FOLDER)
    strange = text_stage.strange_words()
    alphas = scheduler().alphas_cumprod
    run = Run("base", nn.ModuleDict({"unet": build()}), steps, 1e-3, every=400)
    run.modules["unet"].set_attn_processor(
        AttnProcessor()
    )  # on a CPU twice as fast backwards as the fused attention
    rng = random.Random(2 * run.step + rank())
    while run.step < steps:
        run.modules.train()
        chosen = rng.sample(usable, batch)
        ids = text_stage.tokens(tokenizer, [prompt(tags[index], rng, strange) for index in chosen])
        states = text_states(text, ids, clip_skip=run.step % 8 == 7)
        if run.update(loss_of(run.modules["unet"], x[chosen], states, alphas)):
            average = nn.ModuleDict(dict(run.averaged(nn.ModuleDict({"unet": build()})), text=_frozen_text()))
            sheet(drawn(pipeline(average), list(PREVIEW)), 12, run.folder / f"sheet-{run.step:05d}.png")
            write(average)
