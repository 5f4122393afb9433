"""Prompts as a CLIP text model reads them: in chunks of 75 tokens (sd-scripts, A1111).

Shapes: B prompts, T tokens, D width, P width of the pooled state.
"""

from collections.abc import Sequence

import torch
from torch import Tensor
from transformers import CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

from lora_nb.bases.weighted_text import Text, WeightedText

CHUNK = 75
ROUNDING = 1e-4  # below this share of its values a mean is nothing but rounding


def token_count(tokenizer: CLIPTokenizer, text: str) -> int:
    """Tokens of `text` without the begin and end marks."""
    return len(_tokenize(tokenizer, text))


def fitting_length(tokenizer: CLIPTokenizer, texts: Sequence[Text]) -> int:
    """The smallest multiple of 75 tokens that holds each of `texts`."""
    return max(len(_slices(tokenizer, text)) for text in texts) * CHUNK


def _tokenize(tokenizer: CLIPTokenizer, text: str) -> list[int]:
    return tokenizer(text, add_special_tokens=False, verbose=False).input_ids


def encode(
    tokenizer: CLIPTokenizer,
    model: CLIPTextModel,
    captions: Sequence[Text],
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
    return joined(weigh(states, tokenizer, captions), len(captions))


def encode_pooled(
    tokenizer: CLIPTokenizer,
    model: CLIPTextModelWithProjection,
    captions: Sequence[Text],
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
    states = weigh(answer.hidden_states[-clip_skip], tokenizer, captions)
    return joined(states, len(captions)), model.text_projection(first)


def token_ids(tokenizer: CLIPTokenizer, captions: Sequence[Text], max_token_length: int) -> Tensor:
    """Ids (B x chunks, 77) of each 75 tokens between begin and end marks."""
    chunks = max_token_length // CHUNK
    return torch.tensor([row for caption in captions for row in _chunk(tokenizer, caption, chunks)])


def joined(states: Tensor, count: int) -> Tensor:
    """(B, T, D) of `count` prompts from the states (B x chunks, 77, D) of their chunks, without the inner marks."""
    states = states.unflatten(0, (count, -1))
    inner = states[:, :, 1:-1].flatten(1, 2)
    return torch.cat([states[:, 0, :1], inner, states[:, -1, -1:]], dim=1)


def weigh(states: Tensor, tokenizer: CLIPTokenizer, texts: Sequence[Text]) -> Tensor:
    """States (B x chunks, 77, D) times the weights of their tokens; those of texts without weights as they are.

    Where a text keeps its mean, that of each chunk is brought back to what it was before (A1111, "Original").
    """
    if not any(isinstance(text, WeightedText) for text in texts):
        return states
    chunks = len(states) // len(texts)
    rows = [row for text in texts for row in _weights(tokenizer, text, chunks)]
    weighed = states * torch.tensor(rows, device=states.device, dtype=states.dtype)[..., None]
    keeps = [isinstance(text, WeightedText) and text.keeps_mean for text in texts for _ in range(chunks)]
    before, after = states.float().mean((1, 2)), weighed.float().mean((1, 2))
    leans = before.abs() > ROUNDING * states.float().abs().mean((1, 2))  # else there is no mean to bring back
    back = torch.tensor(keeps, device=states.device) & leans & (after != 0)
    return weighed * torch.where(back, before / after, 1.0).to(states.dtype)[:, None, None]


def _slices(tokenizer: CLIPTokenizer, text: Text) -> list[list[tuple[int, float]]]:
    """The tokens of a text with their weights, 75 at most at a time; one empty slice for no text."""
    sections = text.sections if isinstance(text, WeightedText) else (((text, 1.0),),)
    slices = []
    for section in sections:
        tokens = [(token, weight) for words, weight in section for token in _tokenize(tokenizer, words)]
        slices += [tokens[start : start + CHUNK] for start in range(0, max(1, len(tokens)), CHUNK)]
    return slices


def _weights(tokenizer: CLIPTokenizer, text: Text, chunks: int) -> list[list[float]]:
    """Rows of the weights of 77 tokens; that of marks and padding is 1."""
    rows = [[1.0, *(weight for _, weight in part)] for part in _slices(tokenizer, text)[:chunks]]
    rows += [[]] * (chunks - len(rows))
    return [row + [1.0] * (CHUNK + 2 - len(row)) for row in rows]


def _chunk(tokenizer: CLIPTokenizer, text: Text, chunks: int) -> list[list[int]]:
    """Rows of 77 ids for 75 tokens each; padding comes after an end mark."""
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    slices = _slices(tokenizer, text)[:chunks]
    rows = [[begin, *(token for token, _ in part), end] for part in slices]
    rows += [[begin, end]] * (chunks - len(rows))
    return [row + [pad] * (CHUNK + 2 - len(row)) for row in rows]
