"""A random Stable Diffusion XL of the real classes, tiny: VAE factor 4, 64 px, text widths 32 and 48, pooled 40."""

import json
import shutil
from pathlib import Path

import torch

from conftest import write_tokenizer

STATES = (32, 48)
POOLED = 40


def build_tiny_sdxl(
    folder: Path, prediction_type: str = "epsilon", zero_snr: bool = False, seed: int = 0
) -> None:
    """Write a diffusers folder with weights of `seed`; its U-Net has the blocks of the real one."""
    from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    torch.set_num_threads(1)
    words = write_tokenizer(folder / "tokenizer")
    shutil.copytree(folder / "tokenizer", folder / "tokenizer_2")
    said = folder / "tokenizer_2" / "tokenizer_config.json"
    said.write_text(json.dumps({**json.loads(said.read_text()), "pad_token": "!"}))
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        kinds = (
            ("text_encoder", CLIPTextModel, "quick_gelu", 32),
            ("text_encoder_2", CLIPTextModelWithProjection, "gelu", POOLED),
        )
        for (part, cls, bend, projected), width in zip(kinds, STATES, strict=True):
            config = CLIPTextConfig(
                vocab_size=len(words), hidden_size=width, intermediate_size=2 * width, num_hidden_layers=3,
                num_attention_heads=4, max_position_embeddings=77, hidden_act=bend, projection_dim=projected,
                pad_token_id=1,
                bos_token_id=words["<|startoftext|>"], eos_token_id=words["<|endoftext|>"],
            )  # fmt: skip
            cls(config).save_pretrained(folder / part)
        UNet2DConditionModel(
            sample_size=16, block_out_channels=(16, 16, 32), layers_per_block=2, norm_num_groups=8,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
            transformer_layers_per_block=(1, 1, 2), attention_head_dim=(4, 4, 4), use_linear_projection=True,
            cross_attention_dim=sum(STATES), addition_embed_type="text_time", addition_time_embed_dim=8,
            projection_class_embeddings_input_dim=POOLED + 6 * 8,
        ).save_pretrained(folder / "unet")  # fmt: skip
        AutoencoderKL(
            block_out_channels=(8, 16, 16), layers_per_block=1, norm_num_groups=8, latent_channels=4,
            down_block_types=("DownEncoderBlock2D",) * 3, sample_size=64, scaling_factor=0.13025,
            up_block_types=("UpDecoderBlock2D",) * 3,
        ).save_pretrained(folder / "vae")  # fmt: skip
    EulerDiscreteScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", steps_offset=1,
        prediction_type=prediction_type, rescale_betas_zero_snr=zero_snr, timestep_spacing="leading",
    ).save_pretrained(folder / "scheduler")  # fmt: skip
    classes = {
        "scheduler": ["diffusers", "EulerDiscreteScheduler"], "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"], "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"], "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
    }  # fmt: skip
    index = {"_class_name": "StableDiffusionXLPipeline", "_diffusers_version": "0.39.0", **classes}
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))
