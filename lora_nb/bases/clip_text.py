"""Prompts as a CLIP text model reads them: in chunks of 75 tokens (sd-scripts, A1111).

Shapes: B prompts, T tokens, D width, P width of the pooled state.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

CHUNK = 75


def token_count(tokenizer: CLIPTokenizer, text: str) -> int:
    """Tokens of `text` without the begin and end marks."""
    return len(_tokenize(tokenizer, text))


def fitting_length(tokenizer: CLIPTokenizer, texts: Sequence[str]) -> int:
    """The smallest multiple of 75 tokens that holds each of `texts`."""
    longest = max(token_count(tokenizer, text) for text in texts)
    return max(1, -(-longest // CHUNK)) * CHUNK


def _tokenize(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False, verbose=False).input_ids


def encode(
    tokenizer: CLIPTokenizer,
    model: CLIPTextModel,
    captions: Sequence[str],
    clip_skip: int,
    max_token_length: int,
    normed: bool = True,
) -> Tensor:
    """The model's states (B, T, D), with gradients where its weights have them.

    T = max_token_length + 2. Each 75 tokens are encoded by themselves between begin and end marks, and
    re-joined without the inner marks (sd-scripts). clip_skip 1 is the last layer; the final norm follows,
    unless the denoiser was made for states that are not `normed` (SDXL).
    """
    ids = token_ids(tokenizer, captions, max_token_length).to(model.device)
    states = model(input_ids=ids, output_hidden_states=True).hidden_states[-clip_skip]
    if normed:
        states = getattr(model, "text_model", model).final_layer_norm(states)
    return joined(states, len(captions))


def encode_pooled(
    tokenizer: CLIPTokenizer,
    model: CLIPTextModelWithProjection,
    captions: Sequence[str],
    clip_skip: int,
    max_token_length: int,
) -> tuple[Tensor, Tensor]:
    """States (B, T, D) of a layer as they are, without the final norm, and the pooled state (B, P).

    That is the projection of the last layer, normed, at the first end mark of the first 75 tokens (sd-scripts).
    """
    ids = token_ids(tokenizer, captions, max_token_length).to(model.device)
    answer = model(input_ids=ids, output_hidden_states=True)
    ends = (ids == tokenizer.eos_token_id).int().argmax(dim=1)
    at_ends = answer.last_hidden_state[torch.arange(len(ids), device=ids.device), ends]
    first = at_ends.unflatten(0, (len(captions), -1))[:, 0]
    return joined(answer.hidden_states[-clip_skip], len(captions)), model.text_projection(first)


def token_ids(tokenizer: CLIPTokenizer, captions: Sequence[str], max_token_length: int) -> Tensor:
    """Ids (B x chunks, 77) of each 75 tokens between begin and end marks."""
    chunks = max_token_length // CHUNK
    return torch.tensor([row for caption in captions for row in _chunk(tokenizer, caption, chunks)])


def joined(states: Tensor, count: int) -> Tensor:
    """(B, T, D) of `count` prompts from the states (B x chunks, 77, D) of their chunks, without the inner marks."""
    states = states.unflatten(0, (count, -1))
    inner = states[:, :, 1:-1].flatten(1, 2)
    return torch.cat([states[:, 0, :1], inner, states[:, -1, -1:]], dim=1)


def _chunk(tokenizer: CLIPTokenizer, text: str, chunks: int) -> list[list[int]]:
    """Rows of 77 ids for 75 tokens each; padding comes after an end mark."""
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    ids = _tokenize(tokenizer, text)[: chunks * CHUNK]
    rows = []
    for start in range(0, chunks * CHUNK, CHUNK):
        row = [begin, *ids[start : start + CHUNK], end]
        rows.append(row + [pad] * (CHUNK + 2 - len(row)))
    return rows
