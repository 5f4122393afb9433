"""Prompts with weights, read as A1111 and sd-scripts read them, and what a text model makes of them."""

import pytest
import torch
from test_models import LONG

from lora_nb.bases import clip_text
from lora_nb.bases.models import load_base
from lora_nb.bases.weighted_text import WeightedText, escape, read_captions, read_prompt

WEIGHTS = [  # as A1111's own examples and wiki have them
    ("normal text", "normal text"),
    ("an (important) word", [("an ", 1), ("important", 1.1), (" word", 1)]),
    ("(unbalanced", [("unbalanced", 1.1)]),
    (r"\(literal\]", "(literal]"),
    ("(unnecessary)(parens)", [("unnecessaryparens", 1.1)]),
    (
        "a (((house:1.3)) [on] a (hill:0.5), sun, (((sky))).",
        [("a ", 1), ("house", 1.573), (" ", 1.1), ("on", 1), (" a ", 1.1), ("hill", 0.55), (", sun, ", 1.1),
         ("sky", 1.4641), (".", 1.1)],
    ),
    ("[word]", [("word", 1 / 1.1)]),
    ("[[word", [("word", 1 / 1.21)]),
    ("(word:1.4)", [("word", 1.4)]),
    ("(word : 1.4 )", [("word ", 1.4)]),
    ("(two words:-0.5), more", [("two words", -0.5), (", more", 1)]),
    ("(word:1)", "word"),
    ("time: 5 (pm)", [("time: 5 ", 1), ("pm", 1.1)]),
    ("no bracket :1.4) here", "no bracket :1.4) here"),
    ("closed) and ] here", "closed) and ] here"),
    (r"cat \(animal\) (fur:1.2)", [("cat (animal) ", 1), ("fur", 1.2)]),
    (r"back\\slash \d", r"back\slash d"),
    ("", ""),
    ("a, BREAKFAST", "a, BREAKFAST"),
]  # fmt: skip


@pytest.mark.parametrize(("prompt", "wanted"), WEIGHTS)
def test_a_prompt_is_read_as_a1111_reads_it(prompt, wanted):
    found = read_prompt(prompt)
    if isinstance(wanted, str):
        assert found == wanted
    else:
        (section,) = found.sections
        assert [words for words, _ in section] == [words for words, _ in wanted]
        assert [weight for _, weight in section] == pytest.approx([weight for _, weight in wanted])


def test_break_begins_a_new_chunk():
    assert read_prompt("a BREAK b").sections == ((("a", 1.0),), (("b", 1.0),))
    assert read_prompt("BREAK b").sections == ((), (("b", 1.0),))
    assert read_prompt("b BREAK ") == WeightedText(((("b", 1.0),),), True) or read_prompt("b BREAK ") == "b"
    assert read_prompt("(a BREAK b:1.2)").sections == ((("a", 1.2),), (("b", 1.2),))


def test_captions_are_words_unless_they_are_said_to_be_weighted():
    texts = ["hatsune miku (vocaloid)", "a (cat:1.2) BREAK b", "plain"]
    assert read_captions(texts, weighted=False) == texts
    miku, cat, plain = read_captions(texts, weighted=True)
    assert miku.sections == ((("hatsune miku ", 1.0), ("vocaloid", 1.1)),) and not miku.keeps_mean
    assert cat.sections == ((("a ", 1.0), ("cat", 1.2), (" BREAK b", 1.0)),) and plain == "plain"


@pytest.mark.parametrize("text", ["miku (vocaloid)", "[a] (b", "back\\slash", ":)", "a:1.2) ((x))", "plain"])
def test_escaped_words_mean_just_them(text):
    assert read_prompt(escape(text)) == text


@pytest.fixture(scope="module")
def leaning(tiny_base):
    """The tiny base with states whose mean is not 0, as those of trained models are."""
    base = load_base(str(tiny_base))
    norm = getattr(base.text_encoder, "text_model", base.text_encoder).final_layer_norm
    norm.bias.data += torch.linspace(0.1, 0.6, len(norm.bias))
    return base


def ids_of(base, words):
    return base.tokenizer(words, add_special_tokens=False).input_ids


def wanted_states(base, chunks, keeps_mean):
    """By A1111's recipe: each chunk of (token, weight) by itself, times the weights, its mean as it was."""
    begin, end = base.tokenizer.bos_token_id, base.tokenizer.eos_token_id
    states = []
    for chunk in chunks:
        ids = [begin, *(token for token, _ in chunk)]
        weights = [1.0, *(weight for _, weight in chunk)]
        ids += [end] * (77 - len(ids))  # this tokenizer pads with its end mark
        weights += [1.0] * (77 - len(weights))
        hidden = base.text_encoder(torch.tensor([ids]), output_hidden_states=True).hidden_states[-2]
        hidden = getattr(base.text_encoder, "text_model", base.text_encoder).final_layer_norm(hidden)[0]
        weighed = hidden * torch.tensor(weights)[:, None]
        states.append(weighed * (hidden.mean() / weighed.mean()) if keeps_mean else weighed)
    inner = [state[1:-1] for state in states]
    return torch.cat([states[0][:1], *inner, states[-1][-1:]])


@torch.no_grad()
@pytest.mark.parametrize("keeps_mean", [True, False])
def test_states_are_weighed_as_in_a1111_and_in_sd_scripts(leaning, keeps_mean):
    base = leaning
    prompt = "a (red cat:1.4), [dog]"
    text = read_prompt(prompt) if keeps_mean else read_captions([prompt], weighted=True)[0]
    chunk = [(token, weight) for words, weight in (("a ", 1.0), ("red cat", 1.4), (", ", 1.0), ("dog", 1 / 1.1))
             for token in ids_of(base, words)]  # fmt: skip
    found = base.encode([text], 2, 75).states[0]
    torch.testing.assert_close(found, wanted_states(base, [chunk], keeps_mean), atol=1e-5, rtol=1e-5)
    plain = base.encode(["a red cat, dog"], 2, 75).states[0]
    assert (found - plain).abs().max() > 0.1


@torch.no_grad()
def test_break_and_long_prompts_are_chunks_of_their_own(leaning):
    base = leaning
    text = read_prompt("a cat BREAK (red:1.3) dog")
    chunks = [[(t, 1.0) for t in ids_of(base, "a cat")],
              [(t, w) for words, w in (("red", 1.3), (" dog", 1.0)) for t in ids_of(base, words)]]  # fmt: skip
    assert clip_text.fitting_length(base.tokenizer, [text]) == 150
    torch.testing.assert_close(
        base.encode([text], 2, 150).states[0], wanted_states(base, chunks, True), atol=1e-5, rtol=1e-5
    )
    longest = read_prompt(f"({LONG}:1.2)")
    assert clip_text.fitting_length(base.tokenizer, [longest]) == clip_text.fitting_length(
        base.tokenizer, [LONG]
    )
    assert base.encode([text], 2, 75).states.shape == (1, 77, 32), "cut to what is asked for"
    assert base.encode([text], 2, 225).states.shape == (1, 227, 32)


@torch.no_grad()
def test_the_mean_of_each_chunk_stays_in_a_prompt_and_moves_in_a_caption(leaning):
    plain = leaning.encode(["a red cat"], 1, 75).states.mean()
    prompt = leaning.encode([read_prompt("a (red cat:1.5)")], 1, 75).states.mean()
    caption = leaning.encode(read_captions(["a (red cat:1.5)"], weighted=True), 1, 75).states.mean()
    assert abs(prompt - plain) < 1e-5 and caption - plain > 2e-3


@torch.no_grad()
def test_states_without_a_mean_are_not_blown_up(base):
    """A norm that was never trained leaves a mean of nothing but rounding."""
    states = base.encode([read_prompt("a BREAK (red:1.3) cat")], 1, 150).states
    assert torch.isfinite(states).all() and states.abs().max() < 10


@torch.no_grad()
def test_a_plain_prompt_keeps_its_bits_beside_a_weighted_one(base):
    plain = base.encode(["a red cat"], 1, 75).states[0]
    both = base.encode(["a red cat", read_prompt("a (red:1.3) cat")], 1, 75).states
    alone = base.encode(["a red cat", "a red cat"], 1, 75).states
    assert torch.equal(both[0], alone[0]) and torch.allclose(both[0], plain, atol=1e-6)
    assert torch.equal(base.encode([read_prompt("a red cat")], 1, 75).states[0], plain)


@torch.no_grad()
def test_both_text_models_of_sdxl_are_weighed_and_the_pooled_state_is_not(tiny_sdxl):
    base = load_base(str(tiny_sdxl))
    plain, weighed = (base.encode([text], 1, 75) for text in ("a red cat", read_prompt("a (red:1.3) cat")))
    widths = [base.encode(["a"], 1, 75).states.shape[-1]]
    first = 32
    assert widths[0] > first
    for part in (slice(0, first), slice(first, None)):
        assert (plain.states[..., part] - weighed.states[..., part]).abs().max() > 0.01
    for name, value in plain.more.items():
        assert torch.equal(value, weighed.more[name]), name


def test_gradients_pass_through_the_weights(tiny_base):
    base = load_base(str(tiny_base))
    base.text_encoder.requires_grad_(True)
    base.encode(read_captions(["a (red:1.3) cat"], weighted=True), 1, 75).states.sum().backward()
    assert any(p.grad is not None and p.grad.abs().sum() > 0 for p in base.text_encoder.parameters())
