"""Base models: load them frozen, encode prompts and pictures with them.

Shapes: B batch, T tokens, D width, C channels, H W pixels, h w latents.
"""

import contextlib
import hashlib
import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.utils import logging as diffusers_logging
from torch import Tensor, nn
from transformers import CLIPTextModel, CLIPTokenizer
from transformers.utils import logging as transformers_logging

from lora_nb import hub
from lora_nb.bases import base_file, lookup, single_file
from lora_nb.bases.clip_tokenizer import load_tokenizer, refuse_misfit
from lora_nb.events import OnEvent, Progress, silent
from lora_nb.wording import first_line

CHUNK = 75


@dataclass
class BaseModel:
    """A Stable Diffusion, frozen and in eval mode.

    `fingerprint` identifies the weights. For a single file `sha256` is the file's and `short_hash` kohya's
    ss_sd_model_hash; for a folder both are "". `notes` are sentences on what settings overrule.
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


def load_base(
    name: str,
    dtype: torch.dtype = torch.float32,
    on_event: OnEvent = silent,
    prediction_type: str = "auto",
    zero_terminal_snr: str = "auto",
) -> BaseModel:
    """The base called `name` (Hugging Face id, diffusers folder, .safetensors/.ckpt file, "demo") on the CPU.

    `prediction_type` and `zero_terminal_snr` ("yes", "no") count more than what its own files say. Raises
    ValueError with one sentence when it is absent, damaged, or not of the SD 1.5 family.
    """
    found = lookup.resolve_base(name)
    on_event(Progress("Loading the base", 0, 1))
    with quiet():
        if isinstance(found, Path) and found.is_file():
            base = _load_file(found, dtype)
        else:
            folder = found if isinstance(found, Path) else _download(found, on_event)
            base = _load_folder(
                folder, dtype, name if folder != found or name == lookup.DEMO else folder.name
            )
    refuse_misfit(base.tokenizer, base.text_encoder.config.vocab_size, name)
    for model in (base.text_encoder, base.vae, base.unet):
        model.eval().requires_grad_(False)
    return _as_told(base, prediction_type, zero_terminal_snr)


def _as_told(base: BaseModel, prediction_type: str, zero_terminal_snr: str) -> BaseModel:
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


def _download(repo: str, on_event: OnEvent) -> Path:
    lookup.check_family(hub.find_base(repo), repo)  # before gigabytes of another family are downloaded
    return lookup.check_folder(hub.download_base(repo, on_event))


def _load_folder(folder: Path, dtype: torch.dtype, name: str) -> BaseModel:
    scheduler = lookup.read_json(folder / "scheduler" / "scheduler_config.json")
    return BaseModel(
        tokenizer=load_tokenizer(lookup.tokenizer_folder(folder)),
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
    path = lookup.weight_file(folder, part)
    lookup.read_json(folder / part / "config.json")
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


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Without the loaders' own progress bars and remarks."""
    logs = (transformers_logging, diffusers_logging)
    levels = [log.get_verbosity() for log in logs]
    bar = transformers_logging.is_progress_bar_enabled()
    for log in logs:
        log.set_verbosity_error()
    transformers_logging.disable_progress_bar()
    try:
        yield
    finally:
        for log, level in zip(logs, levels, strict=True):
            log.set_verbosity(level)
        if bar:
            transformers_logging.enable_progress_bar()


def _load_file(path: Path, dtype: torch.dtype) -> BaseModel:
    found = single_file.load(path, dtype)
    sha256, short_hash = file_hashes(path)
    return BaseModel(
        tokenizer=load_tokenizer(lookup.tokenizer_folder(path)),
        text_encoder=found.text_encoder,
        vae=found.vae,
        unet=found.unet,
        scheduler_config=found.scheduler_config,
        name=path.name,
        fingerprint=sha256,
        prediction_type=found.scheduler_config.get("prediction_type", "epsilon"),
        sha256=sha256,
        short_hash=short_hash,
    )


def file_hashes(path: Path) -> tuple[str, str]:
    """sha256 of the file, and kohya's short hash: 8 hex digits of the sha256 of 64 KiB at offset 1 MiB."""
    with open(path, "rb") as file:
        whole = hashlib.file_digest(file, "sha256").hexdigest()
        file.seek(0x100000)
        return whole, hashlib.sha256(file.read(0x10000)).hexdigest()[:8]


def _folder_fingerprint(folder: Path) -> str:
    digest = hashlib.sha256()
    for part in hub.WEIGHT_FILES:
        digest.update(f"{part}:{file_hashes(lookup.weight_file(folder, part))[0]}\n".encode())
    return digest.hexdigest()


def move(model: nn.Module, *target: torch.device | torch.dtype | str) -> None:
    """Move and cast a model in place; diffusers' own `to` (0.42) warns about any cast at all."""
    nn.Module.to(model, *target)


def pixel_factor(vae: AutoencoderKL) -> int:
    """Pixels per latent along one side: 8 for Stable Diffusion 1.5."""
    return 2 ** (len(vae.config.block_out_channels) - 1)


def picture_unit(base: BaseModel) -> int:
    """Pixels a picture's side is a multiple of, so that each U-Net level halves evenly; 64 for SD 1.5."""
    return pixel_factor(base.vae) * 2 ** (len(base.unet.config.block_out_channels) - 1)


def token_count(tokenizer: CLIPTokenizer, text: str) -> int:
    """Tokens of `text` without the begin and end marks."""
    return len(_tokenize(tokenizer, text))


def fitting_length(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> int:
    """The smallest multiple of 75 tokens that holds each of `texts`: what A1111 pads a prompt to."""
    longest = max(token_count(tokenizer, text) for text in texts)
    return max(1, -(-longest // CHUNK)) * CHUNK


def _tokenize(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False, verbose=False).input_ids


def encode_prompts(base: BaseModel, captions: Sequence[str], clip_skip: int, max_token_length: int) -> Tensor:
    """The text encoder's states (B, T, D), with gradients where its weights have them.

    T = max_token_length + 2. Each 75 tokens are encoded by themselves between begin and end marks, and
    re-joined without the inner marks (sd-scripts). clip_skip 1 is the last layer; the final norm follows.
    Raises ValueError for a clip_skip above the number of layers.
    """
    lookup.refuse_clip_skip(clip_skip, base.text_encoder.config.num_hidden_layers)
    chunks = max_token_length // CHUNK
    rows = [row for caption in captions for row in _chunk(base.tokenizer, caption, chunks)]
    ids = torch.tensor(rows, device=base.text_encoder.device)
    states = base.text_encoder(input_ids=ids, output_hidden_states=True).hidden_states[-clip_skip]
    text_model = getattr(base.text_encoder, "text_model", base.text_encoder)
    states = text_model.final_layer_norm(states)
    states = states.unflatten(0, (len(captions), chunks))
    inner = states[:, :, 1:-1].flatten(1, 2)
    return torch.cat([states[:, 0, :1], inner, states[:, -1, -1:]], dim=1)


def _chunk(tokenizer: CLIPTokenizer, text: str, chunks: int) -> list[list[int]]:
    """Rows of 77 ids for 75 tokens each; padding comes after an end mark."""
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    ids = _tokenize(tokenizer, text)[: chunks * CHUNK]
    rows = []
    for start in range(0, chunks * CHUNK, CHUNK):
        row = [begin, *ids[start : start + CHUNK], end]
        rows.append(row + [pad] * (CHUNK + 2 - len(row)))
    return rows


def encode_images(vae: AutoencoderKL, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and deviation (B, C, h, w) of the unscaled latents of `pixels` (B, 3, H, W) in [-1, 1]."""
    posterior = vae.encode(pixels).latent_dist
    return posterior.mean, posterior.std
