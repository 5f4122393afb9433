"""The settings that name a base, for training and for drawing."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.declare import needs, setting


@dataclass(frozen=True)
class Base:
    """Which base, and what it predicts."""

    pretrained_model_name_or_path: str = setting("demo", 'Hugging Face id, diffusers folder, .safetensors/.ckpt file, or "demo" (small, built in)', label="base model")
    prediction_type: Literal["auto", "epsilon", "v_prediction"] = setting("auto", "what the base predicts; auto: what its own files say. Say v_prediction for a .safetensors or .ckpt that does not", label="what the base predicts", advanced=True)
    zero_terminal_snr: Literal["auto", "yes", "no"] = setting("auto", "whether the base was trained down to pure noise; auto: what its own files say", label="trained down to pure noise", advanced=True)
    vae: str = setting("", "another VAE in the place of the base's own: a .safetensors file, a diffusers folder or a Hugging Face id (owner/name), made for the same family; empty: its own", label="other VAE", advanced=True)
    base_weights: tuple[str, ...] = setting((), "LoRA files to merge into the base first, with ; between: what they hold is then not learnt again, and is needed beside the new file", label="LoRA files merged in first", advanced=True)
    base_weights_multiplier: tuple[float, ...] = setting((), "strengths of base_weights, one for each; 1 where there is none", label="strengths of those merged in", advanced=True, separators=(",;\n",), only_with=needs("base_weights"))

    def __post_init__(self) -> None:
        if len(self.base_weights_multiplier) > len(self.base_weights) > 0:
            raise ValueError(f"base_weights_multiplier holds {len(self.base_weights_multiplier)} numbers for {len(self.base_weights)} files in base_weights: give one for each")
