"""Stable Diffusion XL: a U-Net told of prompts by two CLIP text models, and of a picture's size and crop.

Shapes: B batch, T tokens, D width, C channels, H W pixels, h w latents.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionXLPipeline, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from lora_nb.bases import (
    clip_text,
    folder_models,
    open_clip,
    sdxl_files,
    single_file,
    solver,
)
from lora_nb.bases.base import Condition, Drawing, Facts, Framing, Part, Size, join
from lora_nb.bases.clip_tokenizer import load_tokenizer, refuse_misfit
from lora_nb.bases.file_kind import SDXL
from lora_nb.bases.overruled import overruled
from lora_nb.bases.process import Diffusion
from lora_nb.bases.sdxl_parts import load_in_diffusers, parts_of
from lora_nb.bases.stable_files import tokenizer_folder
from lora_nb.bases.unet_base import UNetBase
from lora_nb.bases.vae_file import OtherVae, said_of
from lora_nb.bases.weighted_text import Text
from lora_nb.bases.weights import checkpoint_text_gradients, file_hashes

LAST_BUT_ONE = 2  # the layer both text encoders are read at, from the end
PADDING = "!"  # of the second one
READERS = (
    single_file.Reader(
        "text_encoder",
        CLIPTextModel,
        re.compile(r"conditioner\.embedders\.0\.transformer\.(?:text_model\.)?"),
    ),
    single_file.Reader(
        "text_encoder_2",
        CLIPTextModelWithProjection,
        re.compile(r"conditioner\.embedders\.1\.model\."),
        open_clip.renamed,
    ),
)
IN_A_FILE = single_file.FileLayout(SDXL, sdxl_files.FILES.configs, READERS)


@dataclass
class StableDiffusionXL(UNetBase):
    """A Stable Diffusion XL in memory; what its members are is said in `bases.base.Base`."""

    tokenizers: tuple[CLIPTokenizer, CLIPTokenizer]
    text_encoder: CLIPTextModel
    text_encoder_2: CLIPTextModelWithProjection
    vae: AutoencoderKL
    unet: UNet2DConditionModel
    scheduler_config: dict[str, Any]
    name: str
    fingerprint: str
    sha256: str = ""
    short_hash: str = ""
    notes: tuple[str, ...] = ()
    other_vae: OtherVae | None = None
    process: Diffusion = field(init=False)

    def __post_init__(self) -> None:
        self.process = Diffusion(self.scheduler_config, self.prediction_type)

    @property
    def prediction_type(self) -> str:
        return self.scheduler_config.get("prediction_type", "epsilon")

    @property
    def facts(self) -> Facts:
        return Facts(
            version="sdxl_base_v1-0",
            architecture="stable-diffusion-xl-v1-base/lora",
            prediction="v" if self.prediction_type == "v_prediction" else "epsilon",
            sd_version="SDXL",
            zero_terminal_snr=bool(self.scheduler_config.get("rescale_betas_zero_snr")),
            implementation="https://github.com/Stability-AI/generative-models",
            **said_of(self.other_vae),
        )

    @property
    def parts(self) -> tuple[Part, ...]:
        return parts_of(self.unet, self.text_encoder, self.text_encoder_2)

    def text_length(self, texts: Sequence[Text], most: int | None = None) -> int:
        """The smallest multiple of 75 tokens that holds each of `texts`: what A1111 pads a prompt to."""
        length = clip_text.fitting_length(self.tokenizers[0], texts)
        return length if most is None else min(most, length)

    def encode(self, texts: Sequence[Text], text_layer: int, length: int) -> Condition:
        """The states of both text encoders side by side, neither normed, and the second one's pooled state."""
        self.check_text_layer(text_layer)
        one, two = self.tokenizers
        narrow = clip_text.encode(one, self.text_encoder, texts, LAST_BUT_ONE, length, normed=False)
        wide, pooled = clip_text.encode_pooled(two, self.text_encoder_2, texts, LAST_BUT_ONE, length)
        return Condition(torch.cat([narrow, wide], dim=2), {"pooled": pooled})

    def predict(self, noisy: Tensor, times: Tensor, told: Condition, framings: Sequence[Framing]) -> Tensor:
        more = {"text_embeds": told.more["pooled"], "time_ids": six_numbers(framings).to(noisy.device)}
        return self.unet(noisy, times, told.states, added_cond_kwargs=more).sample

    def denoise(
        self,
        noise: Tensor,
        told: Condition,
        instead: Condition | None,
        drawing: Drawing,
        size: Size,
    ) -> Tensor:
        """As of an uncropped picture that always had this size."""
        both = told if instead is None else join([instead, told])
        framings = [Framing(size, (0, 0), size)] * len(both.states)

        def ask(noisy: Tensor, time: Tensor, told: Condition) -> Tensor:
            return self.predict(noisy, time, told, framings)

        return solver.draw(ask, both, noise, self.scheduler_config, drawing)

    def checkpoint_gradients(self) -> None:
        self.unet.enable_gradient_checkpointing()
        self.unet.train()
        for model in (self.text_encoder, self.text_encoder_2):
            checkpoint_text_gradients(model)

    def pipeline(self) -> StableDiffusionXLPipeline:
        one, two = self.tokenizers
        return StableDiffusionXLPipeline(
            vae=self.vae,
            text_encoder=self.text_encoder,
            text_encoder_2=self.text_encoder_2,
            tokenizer=one,
            tokenizer_2=two,
            unet=self.unet,
            scheduler=DDIMScheduler.from_config(self.scheduler_config, clip_sample=False),
            add_watermarker=False,
        )

    def load_update(
        self, pipeline: StableDiffusionXLPipeline, path: Path, adapter: str | None = None
    ) -> None:
        load_in_diffusers(pipeline, path, adapter)

    def check_text_layer(self, text_layer: int) -> None:
        sdxl_files.check_clip_skip(self.name, text_layer)

    def forget(self) -> None:
        self.unet = self.text_encoder = self.text_encoder_2 = self.vae = None


def six_numbers(framings: Sequence[Framing]) -> Tensor:
    """(B, 6) original height and width, top and left of the crop, height and width: in pixels (SDXL, 2.2).

    In float32, which holds each exactly: bfloat16 has no 1215.
    """
    rows = [[*f.original[::-1], *f.offset[::-1], *f.size[::-1]] for f in framings]
    return torch.tensor(rows, dtype=torch.float32)


def load(
    found: Path, dtype: torch.dtype, name: str, prediction_type: str = "auto", zero_terminal_snr: str = "auto"
) -> StableDiffusionXL:
    """The base in a folder or single file, frozen and in eval mode, on the CPU. Raises ValueError for a damaged one."""
    known = _load_file(found, dtype) if found.is_file() else _load_folder(found, dtype)
    told, notes = overruled(known.pop("scheduler_config"), name, prediction_type, zero_terminal_snr)
    base = StableDiffusionXL(
        tokenizers=_tokenizers(found), scheduler_config=told, name=name, notes=notes, **known
    )
    for tokenizer, model in zip(base.tokenizers, (base.text_encoder, base.text_encoder_2), strict=True):
        refuse_misfit(tokenizer, model.config.vocab_size, name)
    for model in (base.text_encoder, base.text_encoder_2, base.vae, base.unet):
        model.eval().requires_grad_(False)
    return base


def _tokenizers(found: Path) -> tuple[CLIPTokenizer, CLIPTokenizer]:
    one, two = (load_tokenizer(tokenizer_folder(found, part)) for part in sdxl_files.FILES.tokenizers)
    if found.is_file():
        two.pad_token = PADDING
    return one, two


def _load_folder(folder: Path, dtype: torch.dtype) -> dict[str, Any]:
    weights = sdxl_files.FILES.weights
    kinds = {
        "text_encoder": CLIPTextModel,
        "text_encoder_2": CLIPTextModelWithProjection,
        "vae": AutoencoderKL,
        "unet": UNet2DConditionModel,
    }
    models = {
        part: folder_models.load_part(cls, folder, part, weights[part], folder_models.dtype_of(part, dtype))
        for part, cls in kinds.items()
    }
    return {
        **models,
        "scheduler_config": folder_models.scheduler_config(folder),
        "fingerprint": folder_models.fingerprint(folder, weights),
    }


def _load_file(path: Path, dtype: torch.dtype, layout: single_file.FileLayout = IN_A_FILE) -> dict[str, Any]:
    found = single_file.load(path, dtype, layout)
    sha256, short_hash = file_hashes(path)
    return {
        "text_encoder": found.texts[0],
        "text_encoder_2": found.texts[1],
        "vae": found.vae,
        "unet": found.unet,
        "scheduler_config": found.scheduler_config,
        "fingerprint": sha256,
        "sha256": sha256,
        "short_hash": short_hash,
    }
