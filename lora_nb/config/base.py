"""The settings that name a base, for training and for drawing."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.declare import setting


@dataclass(frozen=True)
class Base:
    """Which base, and what it predicts."""

    pretrained_model_name_or_path: str = setting("demo", 'Hugging Face id, diffusers folder, .safetensors/.ckpt file, or "demo" (small, built in)', label="base model")
    prediction_type: Literal["auto", "epsilon", "v_prediction"] = setting("auto", "what the base predicts; auto: what its own files say. Say v_prediction for a .safetensors or .ckpt that does not", advanced=True)
    zero_terminal_snr: Literal["auto", "yes", "no"] = setting("auto", "whether the base was trained down to pure noise; auto: what its own files say", advanced=True)
    vae: str = setting("", "another VAE in the place of the base's own: a .safetensors file, a diffusers folder or a Hugging Face id (owner/name), made for the same family; empty: its own", label="other VAE", advanced=True)
