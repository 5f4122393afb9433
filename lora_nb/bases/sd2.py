"""Stable Diffusion 2: as 1.5, told of prompts by OpenCLIP's larger model, read at its last layer but one."""

import re
from dataclasses import replace
from pathlib import Path

import torch
from transformers import CLIPTextModel

from lora_nb.bases import open_clip, sd2_files, sd15, single_file
from lora_nb.bases.base import Facts
from lora_nb.bases.file_kind import SD2

PADDING = "!"  # of its tokenizer
# The configuration has one layer less than OpenCLIP's file: clip_skip 1 is the last but one, as diffusers has it.
READER = single_file.Reader(
    "text_encoder", CLIPTextModel, re.compile(r"cond_stage_model\.model\."), open_clip.renamed
)
IN_A_FILE = single_file.FileLayout(SD2, sd2_files.FILES.configs, (READER,))


def facts_of(prediction_type: str, zero_terminal_snr: bool) -> Facts:
    """What files say of a Stable Diffusion 2: the one for 768 px predicts a velocity."""
    velocity = prediction_type == "v_prediction"
    return Facts(
        version="sd_v2_v" if velocity else "sd_v2",
        architecture=f"stable-diffusion-v2-{'768-v' if velocity else '512'}/lora",
        prediction="v" if velocity else "epsilon",
        sd_version="SD2",
        zero_terminal_snr=zero_terminal_snr,
        v2=True,
    )


def load(
    found: Path, dtype: torch.dtype, name: str, prediction_type: str = "auto", zero_terminal_snr: str = "auto"
) -> sd15.StableDiffusion15:
    """The base in a folder or single file, frozen and in eval mode, on the CPU.

    Raises ValueError for a damaged one, and for a file that does not say what it predicts: both kinds look alike.
    """
    if found.is_dir():
        base = sd15.load_folder(found, dtype, name, sd2_files.FILES)
    else:
        base = sd15.load_file(found, dtype, name, IN_A_FILE)
        base.tokenizer.pad_token = PADDING
        if prediction_type == "auto" and "prediction_type" not in base.scheduler_config:
            raise ValueError(
                f"{found.name} does not say what it predicts: set prediction_type = v_prediction for the Stable "
                "Diffusion 2 of 768 px, epsilon for the one of 512 px"
            )
    return replace(sd15.ready(base, prediction_type, zero_terminal_snr), say=facts_of)
