"""A diffusers folder written as one checkpoint in the original LDM layout: the inverse of what is under test."""

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

RESNET = {
    "norm1": "in_layers.0", "conv1": "in_layers.2", "norm2": "out_layers.0", "conv2": "out_layers.3",
    "time_emb_proj": "emb_layers.1", "conv_shortcut": "skip_connection",
}  # fmt: skip
OUTER = {
    "add_embedding.linear_1": "label_emb.0.0", "add_embedding.linear_2": "label_emb.0.2",
    "time_embedding.linear_1": "time_embed.0", "time_embedding.linear_2": "time_embed.2",
    "conv_in": "input_blocks.0.0", "conv_norm_out": "out.0", "conv_out": "out.2",
    "mid_block.resnets.0": "middle_block.0", "mid_block.attentions.0": "middle_block.1",
    "mid_block.resnets.1": "middle_block.2",
}  # fmt: skip
VAE = {
    "mid_block.resnets.0": "mid.block_1", "mid_block.resnets.1": "mid.block_2",
    "mid_block.attentions.0.group_norm": "mid.attn_1.norm", "mid_block.attentions.0.to_q": "mid.attn_1.q",
    "mid_block.attentions.0.to_k": "mid.attn_1.k", "mid_block.attentions.0.to_v": "mid.attn_1.v",
    "mid_block.attentions.0.to_out.0": "mid.attn_1.proj_out", "conv_norm_out": "norm_out",
    "conv_shortcut": "nin_shortcut", "downsamplers.0": "downsample", "upsamplers.0": "upsample", "resnets": "block",
}  # fmt: skip


Weights = dict[str, Tensor]
DIFFUSION = "diffusion_pytorch_model.safetensors"
OPEN_CLIP = {
    "embeddings.token_embedding": "token_embedding", "final_layer_norm": "ln_final", "layer_norm1": "ln_1",
    "layer_norm2": "ln_2", "mlp.fc1": "mlp.c_fc", "mlp.fc2": "mlp.c_proj", "self_attn.out_proj": "attn.out_proj",
    "encoder.layers": "transformer.resblocks",
}  # fmt: skip


def read_as_ldm(folder: Path, layers: int = 1, text_prefix: str = "text_model.") -> dict[str, Tensor]:
    """The tensors of the folder under LDM names; `layers` is the U-Net's layers_per_block."""
    tensors = _read_models(folder, layers)
    for key, value in load_file(folder / "text_encoder" / "model.safetensors").items():
        tensors[f"cond_stage_model.transformer.{text_prefix}{key.removeprefix('text_model.')}"] = value
    return tensors


def read_sd2_as_ldm(folder: Path) -> dict[str, Tensor]:
    """The tensors of an SD 2 folder under Stability's names, with the last layer that is never read."""
    second = as_open_clip(load_file(folder / "text_encoder" / "model.safetensors"))
    layers = [int(key.split(".")[2]) for key in second if ".resblocks." in key]
    last = {key: value for key, value in second.items() if f".resblocks.{max(layers)}." in key}
    more = {key.replace(f".{max(layers)}.", f".{max(layers) + 1}."): value + 1 for key, value in last.items()}
    second |= {**more, "text_projection": torch.ones(4, 4)}
    return _read_models(folder, 1) | {f"cond_stage_model.model.{key}": value for key, value in second.items()}


def read_sdxl_as_ldm(folder: Path) -> dict[str, Tensor]:
    """The tensors of an SDXL folder under Stability's names."""
    texts = (load_file(folder / part / "model.safetensors") for part in ("text_encoder", "text_encoder_2"))
    return sdxl_as_ldm(*(load_file(folder / part / DIFFUSION) for part in ("unet", "vae")), *texts)


def sdxl_as_ldm(unet: Weights, vae: Weights, first: Weights, second: Weights) -> Weights:
    """The weights of SDXL's models under Stability's names."""
    tensors = _models(unet, vae, 2)
    for key, value in first.items():
        tensors[f"conditioner.embedders.0.transformer.text_model.{key.removeprefix('text_model.')}"] = value
    renamed = as_open_clip(second)
    return tensors | {f"conditioner.embedders.1.model.{key}": value for key, value in renamed.items()}


def as_open_clip(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """A CLIP text model's weights as OpenCLIP has them."""
    found, apart = {"logit_scale": torch.zeros(())}, {}
    for key, value in weights.items():
        key = key.removeprefix("text_model.")
        for ours, theirs in OPEN_CLIP.items():
            key = key.replace(ours, theirs)
        if key == "text_projection.weight":
            found["text_projection"] = value.T
        elif key == "embeddings.position_embedding.weight":
            found["positional_embedding"] = value
        elif "_proj." in key and "self_attn" in key:
            head, _, rest = key.partition("self_attn.")
            apart[f"{head}attn.in_proj_{rest.split('.')[1]}", "qkv".index(rest[0])] = value
        else:
            found[key] = value
    for name in {name for name, _ in apart}:
        found[name] = torch.cat([apart[name, part] for part in range(3)])
    return found


def _read_models(folder: Path, layers: int) -> dict[str, Tensor]:
    return _models(*(load_file(folder / part / DIFFUSION) for part in ("unet", "vae")), layers)


def _models(unet: Weights, vae: Weights, layers: int) -> Weights:
    tensors = {f"model.diffusion_model.{unet_key(key, layers, unet)}": value for key, value in unet.items()}
    levels = 1 + max(int(key.split(".")[2]) for key in vae if "down_blocks" in key)
    for key, value in vae.items():
        name = vae_key(key, levels)
        is_projection = "mid.attn_1." in name and "norm" not in name and name.endswith("weight")
        tensors[f"first_stage_model.{name}"] = value[..., None, None] if is_projection else value
    return tensors


def unet_key(key: str, layers: int, names: dict) -> str:
    parts = key.split(".")
    if parts[0] in ("down_blocks", "up_blocks"):
        return _block_key(parts, layers, names)
    for name, ldm in OUTER.items():
        if key.startswith(name + "."):
            return ldm + _rename(key.removeprefix(name), RESNET)
    raise KeyError(key)


def _block_key(parts: list[str], layers: int, names: dict) -> str:
    side, i, kind, j = parts[0], int(parts[1]), parts[2], int(parts[3])
    rest = _rename("." + ".".join(parts[4:]), RESNET)
    if side == "down_blocks":
        if kind == "downsamplers":
            return f"input_blocks.{(layers + 1) * (i + 1)}.0.op{rest.removeprefix('.conv')}"
        return f"input_blocks.{(layers + 1) * i + j + 1}.{int(kind == 'attentions')}{rest}"
    if kind == "upsamplers":
        has_attention = any(name.startswith(f"up_blocks.{i}.attentions.") for name in names)
        return f"output_blocks.{(layers + 1) * (i + 1) - 1}.{1 + has_attention}{rest}"
    return f"output_blocks.{(layers + 1) * i + j}.{int(kind == 'attentions')}{rest}"


def vae_key(key: str, levels: int) -> str:
    for name, ldm in VAE.items():
        key = key.replace(f".{name}.", f".{ldm}.")
    parts = key.split(".")
    if parts[1] == "up_blocks":
        parts[1:3] = ["up", str(levels - 1 - int(parts[2]))]
    elif parts[1] == "down_blocks":
        parts[1] = "down"
    return ".".join(parts)


def _rename(rest: str, names: dict[str, str]) -> str:
    first, _, tail = rest.removeprefix(".").partition(".")
    return "." + names.get(first, first) + (f".{tail}" if tail else "")


def write_ldm(folder: Path, path: Path, **options) -> Path:
    save_file({key: value.contiguous() for key, value in read_as_ldm(folder, **options).items()}, path)
    return path
