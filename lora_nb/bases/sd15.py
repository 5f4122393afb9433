"""Stable Diffusion 1.5: a U-Net told of prompts by one CLIP text model.

Shapes: B batch, T tokens, D width, C channels, H W pixels, h w latents.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from lora_nb.bases import clip_text, folder_models, sd15_files, single_file, solver
from lora_nb.bases.base import Condition, Drawing, Facts, Framing, Part, Size, join
from lora_nb.bases.clip_tokenizer import load_tokenizer, refuse_misfit
from lora_nb.bases.file_kind import SD15
from lora_nb.bases.overruled import overruled
from lora_nb.bases.process import Diffusion
from lora_nb.bases.sd15_parts import load_in_diffusers, parts_of
from lora_nb.bases.stable_files import StableFiles, refuse_clip_skip, tokenizer_folder
from lora_nb.bases.unet_base import UNetBase
from lora_nb.bases.vae_file import OtherVae, said_of
from lora_nb.bases.weighted_text import Text
from lora_nb.bases.weights import checkpoint_text_gradients, file_hashes

READER = single_file.Reader(
    "text_encoder", CLIPTextModel, re.compile(r"cond_stage_model\.transformer\.(?:text_model\.)?")
)
IN_A_FILE = single_file.FileLayout(SD15, sd15_files.FILES.configs, (READER,))


def facts_of(prediction_type: str, zero_terminal_snr: bool) -> Facts:
    """What files say of a Stable Diffusion 1.5."""
    velocity = prediction_type == "v_prediction"
    return Facts(
        version="sd_v1_v" if velocity else "sd_v1",
        architecture="stable-diffusion-v1/lora",
        prediction="v" if velocity else "epsilon",
        sd_version="SD1",
        zero_terminal_snr=zero_terminal_snr,
    )


@dataclass
class StableDiffusion15(UNetBase):
    """A Stable Diffusion 1.5 in memory; what its members are is said in `bases.base.Base`.

    `say` gives the facts by prediction type and zero-terminal SNR.
    """

    tokenizer: CLIPTokenizer
    text_encoder: CLIPTextModel
    vae: AutoencoderKL
    unet: UNet2DConditionModel
    scheduler_config: dict[str, Any]
    name: str
    fingerprint: str
    prediction_type: str = "epsilon"
    sha256: str = ""
    short_hash: str = ""
    notes: tuple[str, ...] = ()
    other_vae: OtherVae | None = None
    say: Callable[[str, bool], Facts] = facts_of
    process: Diffusion = field(init=False)

    def __post_init__(self) -> None:
        self.process = Diffusion(self.scheduler_config, self.prediction_type)

    @property
    def facts(self) -> Facts:
        said = self.say(self.prediction_type, bool(self.scheduler_config.get("rescale_betas_zero_snr")))
        return replace(said, **said_of(self.other_vae))

    @property
    def parts(self) -> tuple[Part, ...]:
        return parts_of(self.unet, self.text_encoder)

    def text_length(self, texts: Sequence[Text], most: int | None = None) -> int:
        """The smallest multiple of 75 tokens that holds each of `texts`: what A1111 pads a prompt to."""
        length = clip_text.fitting_length(self.tokenizer, texts)
        return length if most is None else min(most, length)

    def encode(self, texts: Sequence[Text], text_layer: int, length: int) -> Condition:
        self.check_text_layer(text_layer)
        return Condition(clip_text.encode(self.tokenizer, self.text_encoder, texts, text_layer, length))

    def predict(self, noisy: Tensor, times: Tensor, told: Condition, framings: Sequence[Framing]) -> Tensor:
        return self.unet(noisy, times, told.states).sample

    def denoise(
        self,
        noise: Tensor,
        told: Condition,
        instead: Condition | None,
        drawing: Drawing,
        size: Size,
    ) -> Tensor:
        both = told if instead is None else join([instead, told])
        return solver.draw(self._answer, both, noise, self.scheduler_config, drawing)

    def _answer(self, noisy: Tensor, time: Tensor, told: Condition) -> Tensor:
        return self.predict(noisy, time, told, ())

    def checkpoint_gradients(self) -> None:
        self.unet.enable_gradient_checkpointing()
        self.unet.train()
        checkpoint_text_gradients(self.text_encoder)

    def pipeline(self) -> StableDiffusionPipeline:
        return StableDiffusionPipeline(
            vae=self.vae,
            text_encoder=self.text_encoder,
            tokenizer=self.tokenizer,
            unet=self.unet,
            scheduler=DDIMScheduler.from_config(self.scheduler_config, clip_sample=False),
            safety_checker=None,
            feature_extractor=None,
            requires_safety_checker=False,
        )

    def load_update(self, pipeline: StableDiffusionPipeline, path: Path, adapter: str | None = None) -> None:
        load_in_diffusers(pipeline, path, adapter)

    def check_text_layer(self, text_layer: int) -> None:
        refuse_clip_skip(text_layer, self.text_encoder.config.num_hidden_layers)

    def forget(self) -> None:
        self.unet = self.text_encoder = self.vae = None


def load(
    found: Path, dtype: torch.dtype, name: str, prediction_type: str = "auto", zero_terminal_snr: str = "auto"
) -> StableDiffusion15:
    """The base in a folder or single file, frozen and in eval mode, on the CPU. Raises ValueError for a damaged one."""
    base = load_file(found, dtype, name) if found.is_file() else load_folder(found, dtype, name)
    return ready(base, prediction_type, zero_terminal_snr)


def ready(base: StableDiffusion15, prediction_type: str, zero_terminal_snr: str) -> StableDiffusion15:
    """`base` frozen, as settings say; where it says otherwise itself there is a note."""
    refuse_misfit(base.tokenizer, base.text_encoder.config.vocab_size, base.name)
    for model in (base.text_encoder, base.vae, base.unet):
        model.eval().requires_grad_(False)
    told, notes = overruled(base.scheduler_config, base.name, prediction_type, zero_terminal_snr)
    return replace(
        base, scheduler_config=told, prediction_type=told.get("prediction_type", "epsilon"), notes=notes
    )


def load_folder(
    folder: Path, dtype: torch.dtype, name: str, files: StableFiles = sd15_files.FILES
) -> StableDiffusion15:
    """The base in a diffusers folder."""
    weights = files.weights
    models = {
        part: folder_models.load_part(cls, folder, part, weights[part], folder_models.dtype_of(part, dtype))
        for part, cls in (
            ("text_encoder", CLIPTextModel),
            ("vae", AutoencoderKL),
            ("unet", UNet2DConditionModel),
        )
    }
    return StableDiffusion15(
        tokenizer=load_tokenizer(tokenizer_folder(folder)),
        **models,
        scheduler_config=folder_models.scheduler_config(folder),
        name=name,
        fingerprint=folder_models.fingerprint(folder, weights),
    )


def load_file(
    path: Path, dtype: torch.dtype, name: str, layout: single_file.FileLayout = IN_A_FILE
) -> StableDiffusion15:
    """The base in a checkpoint."""
    found = single_file.load(path, dtype, layout)
    sha256, short_hash = file_hashes(path)
    return StableDiffusion15(
        tokenizer=load_tokenizer(tokenizer_folder(path)),
        text_encoder=found.texts[0],
        vae=found.vae,
        unet=found.unet,
        scheduler_config=found.scheduler_config,
        name=name,
        fingerprint=sha256,
        sha256=sha256,
        short_hash=short_hash,
    )
