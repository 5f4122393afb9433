"""Stable Diffusion 1.5: a U-Net told of prompts by one CLIP text model.

Shapes: B batch, T tokens, D width, C channels, H W pixels, h w latents.
"""

import hashlib
import pickle
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, StableDiffusionPipeline, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

from lora_nb.bases import base_file, clip_text, sd15_files, single_file
from lora_nb.bases.base import Condition, Facts, Framing, Part, Size
from lora_nb.bases.clip_tokenizer import load_tokenizer, refuse_misfit
from lora_nb.bases.folder import read_json, weight_file
from lora_nb.bases.process import Diffusion
from lora_nb.bases.sd15_parts import load_in_diffusers, parts_of
from lora_nb.bases.solver import make_solver
from lora_nb.bases.weights import file_hashes, move
from lora_nb.wording import first_line


@dataclass
class StableDiffusion15:
    """A Stable Diffusion 1.5 in memory; what its members are is said in `bases.base.Base`."""

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
    process: Diffusion = field(init=False)

    def __post_init__(self) -> None:
        self.process = Diffusion(self.scheduler_config, self.prediction_type)

    @property
    def facts(self) -> Facts:
        velocity = self.prediction_type == "v_prediction"
        return Facts(
            version="sd_v1_v" if velocity else "sd_v1",
            architecture="stable-diffusion-v1/lora",
            prediction="v" if velocity else "epsilon",
            sd_version="SD1",
            zero_terminal_snr=bool(self.scheduler_config.get("rescale_betas_zero_snr")),
        )

    @property
    def denoiser(self) -> UNet2DConditionModel:
        return self.unet

    @property
    def parts(self) -> tuple[Part, ...]:
        return parts_of(self.unet, self.text_encoder)

    @property
    def factor(self) -> int:
        """Pixels per latent along one side: 8."""
        return 2 ** (len(self.vae.config.block_out_channels) - 1)

    @property
    def unit(self) -> int:
        """Each U-Net level is to halve evenly; 64."""
        return self.factor * 2 ** (len(self.unet.config.block_out_channels) - 1)

    @property
    def native_size(self) -> int:
        return int(self.unet.config.sample_size) * self.factor

    def latent_shape(self, size: Size) -> tuple[int, int, int]:
        return self.unet.config.in_channels, size[1] // self.factor, size[0] // self.factor

    def text_length(self, texts: Sequence[str], most: int | None = None) -> int:
        """The smallest multiple of 75 tokens that holds each of `texts`: what A1111 pads a prompt to."""
        length = clip_text.fitting_length(self.tokenizer, texts)
        return length if most is None else min(most, length)

    def encode(self, texts: Sequence[str], text_layer: int, length: int) -> Condition:
        self.check_text_layer(text_layer)
        return Condition(clip_text.encode(self.tokenizer, self.text_encoder, texts, text_layer, length))

    def predict(self, noisy: Tensor, times: Tensor, told: Condition, framings: Sequence[Framing]) -> Tensor:
        return self.unet(noisy, times, told.states).sample

    def encode_images(self, pixels: Tensor) -> tuple[Tensor, Tensor]:
        posterior = self.vae.encode(pixels).latent_dist
        return posterior.mean, posterior.std

    def scale(self, latents: Tensor) -> Tensor:
        return latents * self.vae.config.scaling_factor

    def decode(self, latents: Tensor) -> Tensor:
        """In float32: this VAE overflows in float16."""
        dtype, device = self.vae.dtype, self.vae.device
        move(self.vae, torch.float32)
        try:
            return self.vae.decode(latents.to(device, torch.float32) / self.vae.config.scaling_factor).sample
        finally:
            move(self.vae, dtype)

    def denoise(
        self,
        noise: Tensor,
        told: Condition,
        instead: Condition | None,
        steps: int,
        guidance: float,
        size: Size,
    ) -> Tensor:
        """By DPM-Solver++ (2M) on Karras' noise levels.

        In float32 diffusers' pipeline gives the same latents to the bit; in half precision it would round them to that
        at each step, which these are spared.
        """
        states = told.states if instead is None else torch.cat([instead.states, told.states])
        solver = make_solver(self.scheduler_config)
        solver.set_timesteps(steps, device=states.device)
        latents = noise.to(states.device) * solver.init_noise_sigma
        for time in solver.timesteps:
            seen = solver.scale_model_input(latents, time).expand(len(states), -1, -1, -1).to(states.dtype)
            answer = self.unet(seen, time, encoder_hidden_states=states).sample.float()
            if instead is not None:
                away, towards = answer.chunk(2)
                answer = away + guidance * (towards - away)
            latents = solver.step(answer, time, latents).prev_sample
        return latents

    def checkpoint_gradients(self) -> None:
        self.unet.enable_gradient_checkpointing()
        self.unet.train()
        old_name = self.text_encoder.gradient_checkpointing_enable
        getattr(self.text_encoder, "activation_checkpointing_enable", old_name)({"use_reentrant": False})

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
        sd15_files.refuse_clip_skip(text_layer, self.text_encoder.config.num_hidden_layers)

    def forget(self) -> None:
        self.unet = self.text_encoder = self.vae = None


def load(
    found: Path, dtype: torch.dtype, name: str, prediction_type: str = "auto", zero_terminal_snr: str = "auto"
) -> StableDiffusion15:
    """The base in a folder or single file, frozen and in eval mode, on the CPU. Raises ValueError for a damaged one."""
    base = (_load_file if found.is_file() else _load_folder)(found, dtype, name)
    refuse_misfit(base.tokenizer, base.text_encoder.config.vocab_size, name)
    for model in (base.text_encoder, base.vae, base.unet):
        model.eval().requires_grad_(False)
    return _as_told(base, prediction_type, zero_terminal_snr)


def _as_told(base: "StableDiffusion15", prediction_type: str, zero_terminal_snr: str) -> "StableDiffusion15":
    """`base` with what the settings say of it; where it says otherwise itself there is a note."""
    scheduler, notes = dict(base.scheduler_config), []
    for setting, told, key, value in (
        ("prediction_type", prediction_type, "prediction_type", prediction_type),
        ("zero_terminal_snr", zero_terminal_snr, "rescale_betas_zero_snr", zero_terminal_snr == "yes"),
    ):
        if told == "auto":
            continue
        if scheduler.get(key, value) != value:
            notes.append(f"{setting} = {told} is followed, though {base.name} itself says {scheduler[key]}")
        scheduler[key] = value
    kind = scheduler.get("prediction_type", "epsilon")
    return replace(base, scheduler_config=scheduler, prediction_type=kind, notes=tuple(notes))


def _load_folder(folder: Path, dtype: torch.dtype, name: str) -> StableDiffusion15:
    scheduler = read_json(folder / "scheduler" / "scheduler_config.json")
    return StableDiffusion15(
        tokenizer=load_tokenizer(sd15_files.tokenizer_folder(folder)),
        text_encoder=_load_part(CLIPTextModel, folder, "text_encoder", dtype),
        vae=_load_part(AutoencoderKL, folder, "vae", dtype),
        unet=_load_part(UNet2DConditionModel, folder, "unet", dtype),
        scheduler_config=scheduler,
        name=name,
        fingerprint=_folder_fingerprint(folder),
        prediction_type=_check_prediction(scheduler.get("prediction_type", "epsilon"), folder),
    )


def _check_prediction(prediction_type: str, source: Path) -> str:
    if prediction_type not in ("epsilon", "v_prediction"):
        raise ValueError(f"{source} predicts {prediction_type}: only epsilon and v_prediction can be trained")
    return prediction_type


def _load_part(cls: type, folder: Path, part: str, dtype: torch.dtype) -> Any:
    path = weight_file(folder, part, sd15_files.LAYOUT.weights[part])
    read_json(folder / part / "config.json")
    options = {"variant": "fp16"} if ".fp16." in path.name else {}
    try:
        model, info = cls.from_pretrained(
            folder, subfolder=part, use_safetensors=path.suffix == ".safetensors",
            torch_dtype=dtype, output_loading_info=True, local_files_only=True, **options,
        )  # fmt: skip
    except (OSError, ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError,
            pickle.UnpicklingError) as error:  # fmt: skip
        raise ValueError(f"{path} could not be read: {first_line(error)}") from None
    base_file.refuse_missing(path, info["missing_keys"])
    return model


def _load_file(path: Path, dtype: torch.dtype, name: str) -> StableDiffusion15:
    found = single_file.load(path, dtype)
    sha256, short_hash = file_hashes(path)
    return StableDiffusion15(
        tokenizer=load_tokenizer(sd15_files.tokenizer_folder(path)),
        text_encoder=found.text_encoder,
        vae=found.vae,
        unet=found.unet,
        scheduler_config=found.scheduler_config,
        name=name,
        fingerprint=sha256,
        prediction_type=found.scheduler_config.get("prediction_type", "epsilon"),
        sha256=sha256,
        short_hash=short_hash,
    )


def _folder_fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for part in sd15_files.LAYOUT.weights:
        path = weight_file(folder, part, sd15_files.LAYOUT.weights[part])
        digest.update(f"{part}:{file_hashes(path)[0]}\n".encode())
    return digest.hexdigest()
