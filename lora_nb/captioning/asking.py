"""How each kind of captioner is asked about pictures, and where in what it says the answer is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from PIL import Image

Pictures = Sequence[Image.Image]


@dataclass(frozen=True)
class Asking:
    """One kind of captioner. `prompt` and `beams` are for settings that are left to it.

    `inputs` makes of the processor, the pictures and the prompt what the model is given. `after_inputs` says that the
    model repeats what it is given before its answer; `goes_on`, that a prompt is the beginning of the caption.
    """

    inputs: Callable[[Any, Pictures, str], Any]
    prompt: str = ""
    beams: int = 3
    after_inputs: bool = False
    goes_on: bool = False


def _blip(processor: Any, pictures: Pictures, prompt: str) -> Any:
    text = [prompt] * len(pictures) if prompt else None
    return processor(images=list(pictures), text=text, return_tensors="pt")


def _florence(processor: Any, pictures: Pictures, prompt: str) -> Any:
    return processor(images=list(pictures), text=[prompt] * len(pictures), return_tensors="pt")


def _git(processor: Any, pictures: Pictures, prompt: str) -> Any:
    if prompt:
        raise ValueError(f'prompt = "{prompt}" has no effect: a GIT model takes none, leave it empty')
    return {"pixel_values": processor.image_processor(list(pictures), return_tensors="pt")["pixel_values"]}


def _chat(processor: Any, pictures: Pictures, prompt: str) -> Any:
    if not getattr(processor, "chat_template", None):
        raise ValueError("it has no chat template, which says how a model is asked about a picture")
    processor.tokenizer.padding_side = "left"  # what is written goes on where the question ends
    asked = [
        [{"role": "user", "content": [{"type": "image", "image": each}, {"type": "text", "text": prompt}]}]
        for each in pictures
    ]
    text = [processor.apply_chat_template(one, add_generation_prompt=True, tokenize=False) for one in asked]
    return processor(text=text, images=[[each] for each in pictures], padding=True, return_tensors="pt")


# By the model type in config.json. A kind that is not named here is asked as in a chat, with its own template.
KINDS: Mapping[str, Asking] = {
    "blip": Asking(_blip, goes_on=True),
    "blip-2": Asking(_blip, goes_on=True),
    "florence2": Asking(_florence, prompt="<DETAILED_CAPTION>"),
    "git": Asking(_git),
}
CHAT = Asking(
    _chat,
    prompt="Describe this picture in one or two plain sentences: what is in it, where it is, how it looks.",
    beams=1,
    after_inputs=True,
)


def asking(kind: str) -> Asking:
    """How a model of this type is asked."""
    return KINDS.get(kind, CHAT)


def answers(way: Asking, processor: Any, given: Any, tokens: torch.Tensor, prompt: str) -> list[str]:
    """The sentence in what a model wrote for each picture, in one line."""
    if way.after_inputs:
        tokens = tokens[:, given["input_ids"].shape[1] :]
    texts = [" ".join(text.split()) for text in processor.batch_decode(tokens, skip_special_tokens=True)]
    question = way.goes_on and prompt.endswith((":", "?"))  # "Question: ... Answer:" is no part of a caption
    return [_without(text, prompt) if question else text for text in texts]


def _without(text: str, prompt: str) -> str:
    return text[len(prompt) :].strip() if text.casefold().startswith(prompt.casefold()) else text
