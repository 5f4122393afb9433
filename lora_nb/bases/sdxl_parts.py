"""Where an update goes in a Stable Diffusion XL, and what files call its layers."""

import re
from functools import partial
from pathlib import Path

from diffusers import StableDiffusionXLPipeline, UNet2DConditionModel
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection

from lora_nb.bases import sd15_parts
from lora_nb.bases.base import Part

BLOCK = re.compile(r"(down_blocks|up_blocks)\.(\d+)\.(\w+?)\.(\d+)\.(.*)")
MIDDLE = {"resnets.0": "0", "attentions.0": "1", "resnets.1": "2"}
RESNET = {
    "conv1": "in_layers.2", "conv2": "out_layers.3", "time_emb_proj": "emb_layers.1",
    "conv_shortcut": "skip_connection",
}  # fmt: skip
PER_SIZE = 3  # of Stability's blocks: two residual ones with their attentions, and the step to the next size


def parts_of(
    unet: UNet2DConditionModel, first: CLIPTextModel, second: CLIPTextModelWithProjection
) -> tuple[Part, ...]:
    """What an update is put into."""
    locon, other = sd15_parts.unet_locon_targets, sd15_parts.unet_name
    return (
        Part("unet", unet, False, sd15_parts.unet_targets, unet_name, locon, other),
        _reader("text_encoder", first, "lora_te1"),
        _reader("text_encoder_2", second, "lora_te2"),
    )


def _reader(name: str, model: CLIPTextModel | CLIPTextModelWithProjection, prefix: str) -> Part:
    layer_name = partial(sd15_parts.text_encoder_name, prefix=prefix)
    return Part(name, model, True, sd15_parts.text_encoder_targets, layer_name)


def unet_name(path: str) -> str:
    """The kohya name of a U-Net layer from its diffusers module path: that of Stability's own code."""
    return "lora_unet_" + stability_path(path).replace(".", "_")


def stability_path(path: str) -> str:
    """Where a layer of a block lies in Stability's U-Net; any other is left as it is."""
    if match := BLOCK.fullmatch(path):
        side, size, kind, number, rest = match.groups()
        inner = _inner(rest) if kind == "resnets" else rest
        if side == "down_blocks":
            return _down(int(size), kind, int(number), inner)
        return _up(int(size), kind, int(number), inner)
    for ours, theirs in MIDDLE.items():
        if path.startswith(f"mid_block.{ours}."):
            return f"middle_block.{theirs}.{_inner(path.removeprefix(f'mid_block.{ours}.'))}"
    return path


def _inner(rest: str) -> str:
    return RESNET.get(rest, rest)


def _down(size: int, kind: str, number: int, inner: str) -> str:
    if kind == "downsamplers":
        return f"input_blocks.{PER_SIZE * (size + 1)}.0.op"
    return f"input_blocks.{PER_SIZE * size + number + 1}.{int(kind == 'attentions')}.{inner}"


def _up(size: int, kind: str, number: int, inner: str) -> str:
    if kind == "upsamplers":
        return f"output_blocks.{PER_SIZE * size + 2}.2.{inner}"
    return f"output_blocks.{PER_SIZE * size + number}.{int(kind == 'attentions')}.{inner}"


def load_in_diffusers(pipeline: StableDiffusionXLPipeline, path: Path, adapter: str | None = None) -> None:
    """Load a kohya file by diffusers' own loaders, for every version of transformers (`sd15_parts`)."""
    state, alphas = pipeline.lora_state_dict(
        path.parent, weight_name=path.name, unet_config=pipeline.unet.config
    )
    options = {"adapter_name": adapter, "_pipeline": pipeline}
    if any(key.startswith("unet.") for key in state):
        pipeline.load_lora_into_unet(state, alphas, pipeline.unet, **options)
    for name in ("text_encoder", "text_encoder_2"):
        model = getattr(pipeline, name)
        own, theirs = (_of_reader(part, name, model) for part in (state, alphas or {}))
        if own:
            pipeline.load_lora_into_text_encoder(own, theirs, model, prefix=name, **options)


def _of_reader(
    state: dict[str, Tensor | float], name: str, model: CLIPTextModel
) -> dict[str, Tensor | float]:
    """What of a state is a text model's, by the names its modules have here."""
    own = {key: value for key, value in state.items() if key.startswith(f"{name}.")}
    if hasattr(model, "text_model"):
        return own
    return {key.replace(".text_model.", "."): value for key, value in own.items()}
