"""How many tokens of CLIP a text has, counted without the libraries that train. Imports no torch."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

TOKENIZER = Path(__file__).parents[1] / "sd15" / "tokenizer"
# What CLIP takes for one piece before it is cut further (openai/CLIP, simple_tokenizer.py): a mark, an English ending,
# letters, one digit, or other signs.
PIECES = r"<\|startoftext\|>|<\|endoftext\|>|'(?:s|t|re|ve|m|ll|d)|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+"
CHUNK = 75  # tokens a text model reads at once, without its two marks


@cache
def counter() -> Callable[[str], int]:
    """What counts the tokens of a text, without the marks of begin and end. Takes some 0.2 s to make."""
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    model = models.BPE.from_file(
        str(TOKENIZER / "vocab.json"), str(TOKENIZER / "merges.txt"), end_of_word_suffix="</w>"
    )
    tokenizer = Tokenizer(model)
    blanks = normalizers.Replace(Regex(r"\s+"), " ")
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFC(), blanks, normalizers.Lowercase()])
    pieces = pre_tokenizers.Split(Regex(PIECES), behavior="removed", invert=True)
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pieces, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return lambda text: len(tokenizer.encode(text, add_special_tokens=False).ids)


def count(text: str) -> int:
    """How many tokens `text` has."""
    return counter()(text)
