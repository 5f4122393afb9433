"""Prompts as a CLIP text model reads them: in chunks of 75 tokens (sd-scripts, A1111).

Shapes: B prompts, T tokens, D width.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTokenizer

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
) -> Tensor:
    """The model's states (B, T, D), with gradients where its weights have them.

    T = max_token_length + 2. Each 75 tokens are encoded by themselves between begin and end marks, and
    re-joined without the inner marks (sd-scripts). clip_skip 1 is the last layer; the final norm follows.
    """
    chunks = max_token_length // CHUNK
    rows = [row for caption in captions for row in _chunk(tokenizer, caption, chunks)]
    ids = torch.tensor(rows, device=model.device)
    states = model(input_ids=ids, output_hidden_states=True).hidden_states[-clip_skip]
    states = getattr(model, "text_model", model).final_layer_norm(states)
    states = states.unflatten(0, (len(captions), chunks))
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
