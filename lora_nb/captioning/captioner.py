"""Pictures -> sentences by a model in their captions."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor, BitsAndBytesConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES as MODELS

from lora_nb.captioning.annotate import annotate, open_or_error
from lora_nb.captioning.asking import Asking, answers, asking
from lora_nb.captioning.pace import paced
from lora_nb.config.captioning import CaptionConfig
from lora_nb.dataset import captions
from lora_nb.dataset.captions import CaptionReport
from lora_nb.dataset.images import ImageItem
from lora_nb.events import Tell, silent
from lora_nb.wording import first_line

ROOM = 1.25  # of the GPU's memory for a model in half precision: its weights, and what it works with
SILENT = ValueError("the model said nothing of it")
LEFT_OUT = 0.05  # share of a model's weights that its files may lack


@dataclass(frozen=True)
class Captioner:
    """A loaded model, its processor, and how it is asked."""

    processor: Any
    model: torch.nn.Module
    way: Asking


def caption_images(config: CaptionConfig, tell: Tell = silent) -> CaptionReport:
    """Write a sentence about every picture into its caption; an unreadable picture is named and the others go on."""

    def append(old: str, sentence: str) -> str:
        if sentence in old:
            return old
        first = config.order == "sentence first"
        return captions.join_tags([sentence, old] if first else [old, sentence])

    return annotate(config, "caption", lambda todo: _sentences(config, todo, tell), append, tell)


def _sentences(
    config: CaptionConfig, todo: Sequence[ImageItem], tell: Tell
) -> Iterator[tuple[ImageItem, str | ValueError]]:
    captioner = load_captioner(config.captioner, config.four_bit)
    told = paced("Captioning", len(todo), tell)
    for start in range(0, len(todo), config.batch_size):
        batch = todo[start : start + config.batch_size]
        opened = [open_or_error(item.path, lambda picture: picture) for item in batch]
        readable = [picture for picture in opened if isinstance(picture, Image.Image)]
        sentences = iter(describe(captioner, readable, config) if readable else ())
        for item, picture in zip(batch, opened, strict=True):
            yield item, next(sentences) or SILENT if isinstance(picture, Image.Image) else picture
        told(start + len(batch))


def load_captioner(name: str, four_bit: str = "auto") -> Captioner:
    """A captioner by Hugging Face id or folder, on a GPU when there is one. Code from a repository is never run."""
    if four_bit == "yes" and not torch.cuda.is_available():
        raise ValueError("four_bit = yes needs an NVIDIA GPU, and there is none: choose auto")
    try:
        settings = AutoConfig.from_pretrained(name)
        if settings.model_type not in MODELS:
            raise ValueError(f"it is a {settings.model_type} model")
        processor = AutoProcessor.from_pretrained(name)
        model, told = AutoModelForImageTextToText.from_pretrained(
            name, **_numbers(settings, four_bit), output_loading_info=True
        )
    except (OSError, ValueError, ImportError) as error:
        raise ValueError(
            f'captioner "{name}" cannot be loaded ({first_line(error)}): give the id or folder of a model that '
            "describes pictures, such as a BLIP or Florence-2"
        ) from error
    _check_whole(name, model, told["missing_keys"])
    if torch.cuda.is_available() and not getattr(model, "is_loaded_in_4bit", False):
        model = model.to("cuda")
    return Captioner(processor, model.eval(), asking(settings.model_type))


def _check_whole(name: str, model: torch.nn.Module, missing: Sequence[str]) -> None:
    """Refuse files of which most weights would be random, as those that need code from their repository."""
    if len(missing) > LEFT_OUT * len(model.state_dict()):
        raise ValueError(
            f'captioner "{name}" cannot be used: its files lack {len(missing)} weights of the model ({min(missing)}); '
            "they are of another format (of Florence-2, take florence-community/Florence-2-base or -large)"
        )


def _numbers(settings: Any, four_bit: str) -> dict[str, Any]:
    """In which numbers the weights are loaded: halves on a GPU, in 4 bits where that is asked for or needed."""
    if not torch.cuda.is_available():
        return {"dtype": torch.float32}
    half = torch.bfloat16 if torch.cuda.get_device_capability()[0] >= 8 else torch.float16
    if four_bit == "yes" or (four_bit == "auto" and not _fits(settings)):
        bits = BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=half)
        return {"dtype": half, "quantization_config": bits, "device_map": {"": 0}}
    return {"dtype": half}


def _fits(settings: Any) -> bool:
    with torch.device("meta"):
        model = AutoModelForImageTextToText.from_config(settings)
    needed = 2 * sum(weights.numel() for weights in model.parameters()) * ROOM
    return needed < torch.cuda.get_device_properties(0).total_memory


@torch.inference_mode()
def describe(captioner: Captioner, pictures: Sequence[Image.Image], config: CaptionConfig) -> list[str]:
    """One caption per picture. Raises ValueError naming batch_size when the GPU's memory is too small."""
    way, model = captioner.way, captioner.model
    prompt = config.prompt.strip() or way.prompt
    given = {
        name: value.to(model.device, model.dtype if value.is_floating_point() else None)
        for name, value in way.inputs(captioner.processor, pictures, prompt).items()
    }
    try:
        tokens = model.generate(
            **given,
            do_sample=False,
            num_beams=config.num_beams or way.beams,
            min_new_tokens=min(config.min_new_tokens, config.max_new_tokens),
            max_new_tokens=config.max_new_tokens,
        )
    except torch.OutOfMemoryError as error:
        raise ValueError(
            f"batch_size = {config.batch_size} does not fit on the GPU: use a smaller one"
        ) from error
    texts = answers(way, captioner.processor, given, tokens, prompt)
    return [_dressed(text, config) if text else "" for text in texts]


def _dressed(sentence: str, config: CaptionConfig) -> str:
    """The sentence between the prefix and the suffix; before a suffix that begins with a sign there is no blank."""
    suffix = config.suffix.strip()
    end = f"{'' if suffix[:1] in ',.;:!?)' else ' '}{suffix}" if suffix else ""
    return f"{config.prefix.strip()} {sentence}{end}".strip()
