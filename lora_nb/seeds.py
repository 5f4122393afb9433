"""Seeds that nobody chose: drawn, and told."""

import random
import secrets

from lora_nb.events import Notice, Tell

MOST = 2**32 - 1


def is_open(seed: int) -> bool:
    """Whether a seed is to be drawn: 0 and -1, as in the programs that people know."""
    return seed <= 0


def draw(what: str, tell: Tell) -> int:
    """A seed by chance, from 1 up; `tell` learns which and what for."""
    seed = 1 + secrets.randbelow(MOST)
    tell(Notice(f"🎲 {what} = {seed} was drawn; give this number to get the same again."))
    return seed


def derive(seed: int, number: int) -> int:
    """A seed from 1 up that looks drawn and is the same each time for equal `seed` and `number`."""
    return random.Random(f"{seed}/{number}").randint(1, MOST)
