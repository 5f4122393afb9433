"""Prompts as a CLIP text model reads them."""

import pytest
import torch
from test_models import LONG

from lora_nb.bases import clip_text
from lora_nb.bases.models import load_base


@pytest.mark.parametrize("tokens", [75, 150, 225])
@pytest.mark.parametrize("clip_skip", [1, 2, 3])
def test_prompts_are_encoded_as_sd_scripts_does(base, clip_skip, tokens):
    captions = ["a cat", LONG, ""]
    with torch.no_grad():
        found = base.encode(captions, clip_skip, tokens).states
        wanted = torch.stack([as_in_sd_scripts(base, text, clip_skip, tokens) for text in captions])
    assert found.shape == (3, tokens + 2, 32)
    assert torch.allclose(found, wanted, atol=1e-6)


def as_in_sd_scripts(base, text: str, clip_skip: int, tokens: int) -> torch.Tensor:
    """strategy_sd.py: tokenise to n + 2, cut into rows of 77, encode each, join."""
    tokenizer, encoder = base.tokenizer, base.text_encoder
    ids = tokenizer(
        text, padding="max_length", truncation=True, max_length=tokens + 2, return_tensors="pt"
    ).input_ids[0]
    rows = [ids] if tokens == 75 else [
        torch.cat([ids[:1], ids[start : start + 75], ids[-1:]]) for start in range(1, tokens - 75 + 2, 75)
    ]  # fmt: skip
    states = encoder(torch.stack(rows), output_hidden_states=True).hidden_states[-clip_skip]
    states = getattr(encoder, "text_model", encoder).final_layer_norm(states)
    if tokens == 75:
        return states[0]
    return torch.cat([states[0, :1], *(row[1:-1] for row in states), states[-1, -1:]])


def test_clip_skip_1_is_the_encoders_own_output(base):
    with torch.no_grad():
        ids = base.tokenizer("a cat", padding="max_length", max_length=77, return_tensors="pt").input_ids
        assert torch.equal(base.encode(["a cat"], 1, 75).states, base.text_encoder(ids).last_hidden_state)


def test_a_tokenizer_with_its_own_padding(base):
    """As OpenCLIP's: ! (id 0) after the end mark, none of it before."""
    tokenizer = type(base.tokenizer).from_pretrained(base.tokenizer.name_or_path, pad_token="!")
    begin, end, pad = tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id
    first, second = clip_text._chunk(tokenizer, "cat " * 80, 2)
    assert first[0] == begin and first[-1] == end and pad not in first
    assert second[6:8] == [end, pad] and len(second) == 77 and set(second[7:]) == {pad}
    assert clip_text._chunk(tokenizer, "", 1)[0][:3] == [begin, end, pad]


def test_gradients_reach_the_text_encoder(tiny_base):
    base = load_base(str(tiny_base))
    base.text_encoder.requires_grad_(True)
    base.encode(["a cat", LONG], 2, 150).states.sum().backward()
    layers = base.text_encoder.get_submodule(
        "encoder" if hasattr(base.text_encoder, "encoder") else "text_model.encoder"
    ).layers
    assert layers[0].self_attn.q_proj.weight.grad.abs().sum() > 0
    assert layers[-1].self_attn.q_proj.weight.grad is None
