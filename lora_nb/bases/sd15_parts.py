"""Where an update goes in a Stable Diffusion 1.5, and what files call its layers."""

from pathlib import Path

from diffusers import StableDiffusionPipeline, UNet2DConditionModel
from transformers import CLIPTextModel

from lora_nb.bases.base import Part
from lora_nb.bases.blocks import SD_BLOCKS
from lora_nb.bases.targets import layers_in

UNET_CONTAINERS = {"Transformer2DModel"}
LOCON_CONTAINERS = {"ResnetBlock2D", "Downsample2D", "Upsample2D"}
TEXT_CONTAINERS = {"CLIPAttention", "CLIPSdpaAttention", "CLIPMLP"}


def parts_of(unet: UNet2DConditionModel, text_encoder: CLIPTextModel) -> tuple[Part, ...]:
    """What an update is put into."""
    return (
        Part("unet", unet, False, unet_targets, unet_name, unet_more_targets, SD_BLOCKS),
        Part("text_encoder", text_encoder, True, text_encoder_targets, text_encoder_name),
    )


def unet_targets(unet: UNet2DConditionModel) -> list[str]:
    """Paths of every Linear and 1x1 convolution inside the U-Net's Transformer2DModel blocks."""
    return layers_in(unet, UNET_CONTAINERS)


def unet_more_targets(unet: UNet2DConditionModel) -> list[str]:
    """Paths of what LoCon adds: every Linear and convolution inside the U-Net's resnets and samplers."""
    return layers_in(unet, LOCON_CONTAINERS, all_kernels=True)


def text_encoder_targets(text_encoder: CLIPTextModel) -> list[str]:
    """Paths of every Linear inside the text encoder's attention and MLP."""
    return layers_in(text_encoder, TEXT_CONTAINERS)


def unet_name(path: str) -> str:
    """The kohya name of a U-Net layer from its diffusers module path."""
    return "lora_unet_" + path.replace(".", "_")


def text_encoder_name(path: str) -> str:
    """The kohya name of a text-encoder layer, the same for every version of transformers."""
    return "lora_te_text_model_" + path.removeprefix("text_model.").replace(".", "_")


def load_in_diffusers(pipeline: StableDiffusionPipeline, path: Path, adapter: str | None = None) -> None:
    """Load a kohya file by diffusers' own loaders.

    As `pipeline.load_lora_weights`, which in diffusers 0.39 finds no layer of a text encoder of transformers >= 5.6:
    its modules no longer lie in `text_model`.
    """
    found = pipeline.lora_state_dict(path.parent, weight_name=path.name)
    if not hasattr(pipeline.text_encoder, "text_model"):
        found = [{key.replace(".text_model.", "."): value for key, value in part.items()} for part in found]
    state, alphas = found
    options = {"adapter_name": adapter, "_pipeline": pipeline}
    if any(key.startswith("unet.") for key in state):
        pipeline.load_lora_into_unet(state, alphas, pipeline.unet, **options)
    if any(key.startswith("text_encoder.") for key in state):
        pipeline.load_lora_into_text_encoder(state, alphas, pipeline.text_encoder, **options)
