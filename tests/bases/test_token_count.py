import random
import string

from lora_nb.bases import token_count
from lora_nb.bases.clip_tokenizer import load_tokenizer

SIGNS = [*string.printable, "é", "É", "ß", "Ω", "日", "本", "ひ", "한", "😀", "´", "…", "\u00a0", "İ", "ﬁ"]
WORDS = [
    "1girl",
    "long hair",
    "it's",
    "they'll",
    "OHWX",
    "<|endoftext|>",
    "<|startoftext|>",
    "2023",
    "don't",
    "_",
]


def test_it_counts_what_the_tokenizer_of_the_trainer_counts():
    tokenizer, dice = load_tokenizer(token_count.TOKENIZER), random.Random(5)
    texts = ["", " ", *WORDS]
    texts += ["".join(dice.choices(SIGNS, k=dice.randrange(60))) for _ in range(1500)]
    texts += [", ".join(dice.choices(WORDS, k=dice.randrange(40))) for _ in range(200)]
    expected = [len(tokenizer(text, add_special_tokens=False).input_ids) for text in texts]
    marks = ("<|endoftext|>", "<|startoftext|>")
    for text, number in zip(texts, expected, strict=True):
        if not any(mark in text for mark in marks):
            assert token_count.count(text) == number, repr(text)
