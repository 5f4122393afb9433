"""The text side: CLIP's own vocabulary, and a small CLIPTextModel that first learns to tell which tags a prompt names."""

import gzip
import json
import random
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from prompts import chosen_tags, phrase
from render import pictures
from settings import SCRATCH, TOKENS, WIDTH
from training import Run

# B batch, T tokens, D width, K tags.
FOLDER = SCRATCH / "tokenizer"
FILE = SCRATCH / "text.pt"
SHORT = 48  # tokens of the pre-training; the places behind start as copies of the last one
END = "<|endoftext|>"


def _merges() -> list[str]:
    """Return CLIP's merges, from the vocabulary file inside open_clip_torch (MIT)."""
    found = list((SCRATCH / "oc").glob("open_clip_torch-*.whl"))
    if not found:
        command = [
            sys.executable,
            "-m",
            "pip",
            "download",
            "--no-deps",
            "-d",
            str(SCRATCH / "oc"),
            "open_clip_torch==3.3.0",
        ]
        subprocess.run(command, check=True)
        found = list((SCRATCH / "oc").glob("open_clip_torch-*.whl"))
    packed = zipfile.ZipFile(found[0]).read("open_clip/bpe_simple_vocab_16e6.txt.gz")
    return gzip.decompress(packed).decode().split("\n")[1 : 49152 - 256 - 2 + 1]


def byte_letters() -> list[str]:
    """Return the 256 printable letters that stand for bytes, in CLIP's order."""
    printable = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in printable]
    return [chr(byte) for byte in printable] + [chr(256 + index) for index in range(len(others))]


def write_tokenizer(folder: Path = FOLDER) -> CLIPTokenizer:
    """Write vocab.json, merges.txt and the settings as Stable Diffusion 1.5 has them; return the tokenizer, checked."""
    folder.mkdir(parents=True, exist_ok=True)
    merges, letters = _merges(), byte_letters()
    words = (
        letters
        + [letter + "</w>" for letter in letters]
        + ["".join(pair.split()) for pair in merges]
        + ["<|startoftext|>", END]
    )
    (folder / "vocab.json").write_text(
        json.dumps({word: index for index, word in enumerate(words)}, ensure_ascii=False)
    )
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    special = {"bos_token": "<|startoftext|>", "eos_token": END, "unk_token": END, "pad_token": END}
    (folder / "special_tokens_map.json").write_text(json.dumps(special, indent=2))
    settings = {
        "tokenizer_class": "CLIPTokenizer",
        "model_max_length": TOKENS,
        "do_lower_case": True,
        "errors": "replace",
        "add_prefix_space": False,
    } | special
    (folder / "tokenizer_config.json").write_text(json.dumps(settings, indent=2))
    tokenizer = CLIPTokenizer.from_pretrained(folder)
    found = tokenizer("a photo of a cat").input_ids
    if found != [49406, 320, 1125, 539, 320, 2368, 49407]:
        raise ValueError(f"tokenizer in {folder}: 'a photo of a cat' became {found}")
    return tokenizer


def tokens(tokenizer: CLIPTokenizer, prompts: list[str]) -> Tensor:
    """Return token numbers (B, T), padded as Stable Diffusion does."""
    return tokenizer(
        prompts, padding="max_length", max_length=TOKENS, truncation=True, return_tensors="pt"
    ).input_ids


def build() -> CLIPTextModel:
    """Return an untrained text encoder: 4 layers, width 128, CLIP's vocabulary."""
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408,
            hidden_size=WIDTH,
            intermediate_size=4 * WIDTH,
            num_hidden_layers=4,
            num_attention_heads=4,
            hidden_act="quick_gelu",
            max_position_embeddings=TOKENS,
            projection_dim=WIDTH,
            bos_token_id=49406,
            eos_token_id=49407,
            pad_token_id=49407,
        )
    )


def encode(model: CLIPTextModel, ids: Tensor, clip_skip: bool = False) -> Tensor:
    """Return the states (B, T, D) that the U-Net sees; with `clip_skip` those of the layer before the last, normalised as diffusers does."""
    if not clip_skip:
        return model(ids).last_hidden_state
    inner = getattr(model, "text_model", model)
    return inner.final_layer_norm(model(ids, output_hidden_states=True).hidden_states[-2])


def strange_words() -> tuple[str, ...]:
    """Return whole words of the vocabulary, to stand for words that mean nothing here."""
    words = json.loads((FOLDER / "vocab.json").read_text())
    return tuple(word[:-4] for word in words if re.fullmatch(r"[a-z]{4,8}</w>", word))


def pretrain(steps: int = 1200, batch: int = 64) -> None:
    """Teach the encoder to tell the tags: from the end token and from the padding (mini-CLIP with exact targets); resumes."""
    tokenizer = write_tokenizer()
    tags = pictures("base", 24000).tags
    known = sorted({tag for row in tags for tag in row})
    place = {tag: index for index, tag in enumerate(known)}
    run = Run("text", nn.ModuleDict({"text": build(), "tell": nn.Linear(WIDTH, len(known))}), steps, 1e-3)
    text, tell = run.modules["text"], run.modules["tell"]
    rng = random.Random(run.step)
    strange = strange_words()
    while run.step < steps:
        rows = [chosen_tags(rng.choice(tags), rng) for _ in range(batch)]
        target = torch.zeros(batch, len(known))
        for index, row in enumerate(rows):
            target[index, [place[tag] for tag in row]] = 1
        ids = tokens(tokenizer, [phrase(row, rng, strange) for row in rows])[:, :SHORT].clone()
        ids[:, -1] = 49407
        loss = _tag_loss(encode(text, ids, clip_skip=run.step % 4 == 3), ids, tell, target)
        run.update(loss)
    final = run.averaged(nn.ModuleDict({"text": build(), "tell": nn.Linear(WIDTH, len(known))}))["text"]
    with torch.no_grad():
        places = final.get_parameter(
            next(name for name, _ in final.named_parameters() if "position_embedding" in name)
        )
        places[SHORT:] = places[SHORT - 1]
    torch.save(final.state_dict(), FILE)


def _tag_loss(states: Tensor, ids: Tensor, tell: nn.Module, target: Tensor) -> Tensor:
    """Return how badly the end token, and a random padding position, tell the tags."""
    end = ids.eq(49407).int().argmax(1)
    rows = torch.arange(len(ids))
    later = (end + 1 + (torch.rand(len(ids)) * (SHORT - 1 - end)).long()).clamp(max=SHORT - 1)
    told = torch.cat([tell(states[rows, end]), tell(states[rows, later])])
    return F.binary_cross_entropy_with_logits(told.float(), torch.cat([target, target]))
