"""Pictures -> sentences by BLIP in their captions."""

from collections.abc import Iterator, Sequence

import torch
from PIL import Image
from transformers import AutoConfig, BlipForConditionalGeneration, BlipProcessor

from lora_nb.captioning.annotate import annotate, open_or_error
from lora_nb.config.captioning import CaptionConfig
from lora_nb.dataset import captions
from lora_nb.dataset.captions import CaptionReport
from lora_nb.dataset.images import ImageItem
from lora_nb.events import Progress, Tell, silent
from lora_nb.wording import first_line


def caption_images(config: CaptionConfig, tell: Tell = silent) -> CaptionReport:
    """Write a sentence about every picture into its caption; an unreadable picture is named and the others go on."""
    return annotate(config, "caption", lambda todo: _sentences(config, todo, tell), _append, tell)


def _append(old: str, sentence: str) -> str:
    return old if sentence in old else captions.join_tags([old, sentence])


def _sentences(
    config: CaptionConfig, todo: Sequence[ImageItem], tell: Tell
) -> Iterator[tuple[ImageItem, str | ValueError]]:
    processor, model = load_captioner(config.captioner)
    for start in range(0, len(todo), config.batch_size):
        batch = todo[start : start + config.batch_size]
        opened = [open_or_error(item.path, lambda picture: picture) for item in batch]
        readable = [picture for picture in opened if isinstance(picture, Image.Image)]
        sentences = iter(describe(processor, model, readable, config) if readable else ())
        for item, picture in zip(batch, opened, strict=True):
            yield item, next(sentences) if isinstance(picture, Image.Image) else picture
        tell(Progress("Captioning", start + len(batch), len(todo)))


def load_captioner(name: str) -> tuple[BlipProcessor, BlipForConditionalGeneration]:
    """A BLIP model by Hugging Face id or folder: in half precision on a GPU when there is one."""
    gpu = torch.cuda.is_available()
    try:
        kind = AutoConfig.from_pretrained(name).model_type
        if kind != "blip":
            raise ValueError(f"it is a {kind} model")
        processor = BlipProcessor.from_pretrained(name)
        model = BlipForConditionalGeneration.from_pretrained(
            name, dtype=torch.float16 if gpu else torch.float32
        )
    except (OSError, ValueError) as error:
        raise ValueError(
            f'captioner "{name}" cannot be loaded ({first_line(error)}): give a BLIP id or folder'
        ) from error
    return processor, model.to("cuda" if gpu else "cpu").eval()


@torch.inference_mode()
def describe(
    processor: BlipProcessor,
    model: BlipForConditionalGeneration,
    pictures: Sequence[Image.Image],
    config: CaptionConfig,
) -> list[str]:
    """One sentence per picture. Raises ValueError naming batch_size when the GPU's memory is too small."""
    inputs = processor(images=list(pictures), return_tensors="pt").to(model.device, model.dtype)
    try:
        tokens = model.generate(
            **inputs,
            num_beams=config.num_beams,
            min_new_tokens=min(config.min_new_tokens, config.max_new_tokens),
            max_new_tokens=config.max_new_tokens,
        )
    except torch.OutOfMemoryError as error:
        raise ValueError(
            f"batch_size = {config.batch_size} does not fit on the GPU: use a smaller one"
        ) from error
    return [text.strip() for text in processor.batch_decode(tokens, skip_special_tokens=True)]
