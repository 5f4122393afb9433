"""The tokenizer of a base, proven to be a whole CLIP one before anything is trained with it."""

import json
from pathlib import Path

from transformers import CLIPTokenizer

from lora_nb.bases.folder import read_json
from lora_nb.wording import first_line

WHOLE = "tokenizer.json"
APART = ("vocab.json", "merges.txt")
JSON = (WHOLE, "vocab.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
AGAIN = "download the base again"
SAMPLE = "a photo of a girl"
PADDING = 1024  # rows a text encoder may have more than there are tokens


def load_tokenizer(folder: Path) -> CLIPTokenizer:
    """The tokenizer in `folder`. Raises ValueError naming what of it is missing, damaged or does not fit."""
    _refuse_missing(folder)
    where = folder / WHOLE if (folder / WHOLE).is_file() else f"{folder / APART[0]} with {APART[1]}"
    try:
        tokenizer = CLIPTokenizer.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the tokenizers library raises no other kind
        raise ValueError(f"{where} is no readable CLIP tokenizer: {first_line(error)}; {AGAIN}") from None
    if fault := _fault(tokenizer):
        raise ValueError(f"{where} is not the whole CLIP tokenizer: {fault}; {AGAIN}")
    return tokenizer


def _refuse_missing(folder: Path) -> None:
    needed = [] if (folder / WHOLE).is_file() else [folder / name for name in APART]
    for path in needed:
        if not path.is_file():
            raise ValueError(f"{path} is missing: {AGAIN}")
        if not path.read_bytes().strip():
            raise ValueError(f"{path} is empty: {AGAIN}")
    for path in (folder / name for name in JSON):
        if path.is_file():
            try:
                read_json(path)
            except ValueError as error:
                raise ValueError(f"{error}; {AGAIN}") from None


def _fault(tokenizer: CLIPTokenizer) -> str:
    """What a tokenizer that was read lacks, or "": cut lists of words are read without a complaint."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    marks = (tokenizer.bos_token, tokenizer.eos_token, tokenizer.pad_token)
    if any(mark not in model["vocab"] for mark in marks):
        return "it lacks a begin, end or padding mark"
    made = {pair.replace(" ", "", 1) if isinstance(pair, str) else "".join(pair) for pair in model["merges"]}
    known = made | {*tokenizer.all_special_tokens, *tokenizer.get_added_vocab()}
    lost = [word for word in model["vocab"] if len(word.removesuffix("</w>")) > 1 and word not in known]
    if lost:
        return f"{len(lost)} of its words have no merge, e.g. {lost[0]!r}"
    ids = tokenizer(SAMPLE, add_special_tokens=False).input_ids
    return "" if tokenizer.decode(ids).strip() == SAMPLE else f"{SAMPLE!r} does not come back from it"


def refuse_misfit(tokenizer: CLIPTokenizer, vocab_size: int, source: str) -> None:
    """Raises ValueError when a text encoder with `vocab_size` rows was not made for `tokenizer`."""
    if not 0 <= vocab_size - len(tokenizer) < PADDING:
        raise ValueError(
            f"{source}: the tokenizer knows {len(tokenizer)} tokens and the text encoder {vocab_size}, so they are not "
            f"of one base: {AGAIN}"
        )
