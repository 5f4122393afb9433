"""Pictures -> sentences by BLIP in their captions."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image
from transformers import AutoConfig, BlipForConditionalGeneration, BlipProcessor

from lora_nb import captions, images
from lora_nb.captions import TagReport
from lora_nb.config import CaptionConfig
from lora_nb.events import OnEvent, Progress, silent
from lora_nb.images import ImageItem


def caption_images(config: CaptionConfig, on_event: OnEvent = silent) -> TagReport:
    """Write a sentence about every picture into its caption; an unreadable picture is named and the others go on."""
    folder = Path(config.train_data_dir)
    found = images.scan(folder, verify=False)
    todo = [item for item in found.items if captions.wanted(config.existing, item.caption)]
    failed = [(broken.path.relative_to(folder).as_posix(), broken.reason) for broken in found.broken]
    captioned = 0
    for item, outcome in _caption_all(config, todo, on_event):
        if isinstance(outcome, ValueError):
            failed.append((item.path.relative_to(folder).as_posix(), str(outcome)))
        else:
            captions.write_caption(item.path, _joined(item.caption, outcome, config.existing))
            captioned += 1
    return TagReport(captioned, len(found.items) - len(todo), tuple(failed))


def _joined(old: str | None, sentence: str, existing: str) -> str:
    if existing != "append" or not old:
        return sentence
    return old if sentence in old else captions.join_tags([old, sentence])


def _caption_all(
    config: CaptionConfig, todo: Sequence[ImageItem], on_event: OnEvent
) -> Iterator[tuple[ImageItem, str | ValueError]]:
    if not todo:
        return
    processor, model = load_captioner(config.captioner)
    for start in range(0, len(todo), config.batch_size):
        batch = todo[start : start + config.batch_size]
        opened = [_open_or_error(item.path) for item in batch]
        readable = [picture for picture in opened if isinstance(picture, Image.Image)]
        sentences = iter(describe(processor, model, readable, config) if readable else ())
        for item, picture in zip(batch, opened, strict=True):
            yield item, next(sentences) if isinstance(picture, Image.Image) else picture
        on_event(Progress("Captioning", start + len(batch), len(todo)))


def _open_or_error(path: Path) -> Image.Image | ValueError:
    try:
        return images.open_upright(path)
    except ValueError as error:
        return ValueError(str(error).removeprefix(f"{path}: "))


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
        reason = str(error).splitlines()[0]
        raise ValueError(
            f'captioner "{name}" cannot be loaded ({reason}): give a BLIP id or folder'
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
