"""A caption as one step sees it: of what stands in its file, what is drawn, moved and left out.

The order of things is sd-scripts' (`process_caption`). Every choice comes from a seed.
"""

import math
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass

from lora_nb.config.examples import Captions
from lora_nb.dataset.captions import join_tags

OPENED, CLOSED = "\ue000", "\ue001"  # stand for {{ and }} while wildcards are drawn: signs that no font has


@dataclass(frozen=True)
class Moment:
    """When a caption is seen: the epoch, counted from 1, and how many of `steps` in all are done."""

    epoch: int = 1
    step: int = 0
    steps: int = 1


START = Moment()


def vary_caption(
    caption: str, config: Captions, seed: int, moment: Moment = START, words: int | None = None
) -> str:
    """What is seen of a caption. One that nothing is drawn, moved or left out of keeps its spaces and lines.

    With `words`, whether it is seen comes from `seed`, and what is seen of it from `words`.
    """
    chance = random.Random(seed)
    text = with_ends(caption, config)
    if chance.random() < config.caption_dropout_rate or is_silent(config, moment.epoch):
        return ""
    chance = chance if words is None else random.Random(words)
    if config.enable_wildcard:
        text = _draw_words(_draw_line(text, chance), chance)
    if config.shuffle_caption or config.token_warmup_step or config.caption_tag_dropout_rate:
        text = join_tags(_moved(text, config, chance, moment))
    elif config.keep_tokens_separator and config.keep_tokens_separator in text:
        text = join_tags(
            filter(None, (part.strip(" ,\n") for part in text.split(config.keep_tokens_separator)))
        )
    if config.secondary_separator:
        text = text.replace(config.secondary_separator, config.caption_separator)
    return text


def varies(config: Captions) -> bool:
    """Whether a caption may be another at each step, and not only there or not."""
    drawn = config.shuffle_caption, config.enable_wildcard
    return any(drawn) or config.caption_tag_dropout_rate > 0 or config.token_warmup_step > 0


def with_ends(caption: str, config: Captions) -> str:
    """The caption between caption_prefix and caption_suffix."""
    return " ".join(filter(None, (config.caption_prefix, caption, config.caption_suffix)))


def is_silent(config: Captions, epoch: int) -> bool:
    """Whether no caption is seen in this epoch."""
    every = config.caption_dropout_every_n_epochs
    return bool(every) and epoch % every == 0


def _draw_line(text: str, chance: random.Random) -> str:
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    return chance.choice(lines) if len(lines) > 1 else text


def _draw_words(text: str, chance: random.Random) -> str:
    """`text` with one of the words of each {a|b|c}; {{ and }} become the braces themselves."""
    text = text.replace("{{", OPENED).replace("}}", CLOSED)
    text = re.sub(r"\{([^}]+)\}", lambda found: chance.choice(found[1].split("|")), text)
    return text.replace(OPENED, "{").replace(CLOSED, "}")


def _moved(text: str, config: Captions, chance: random.Random, moment: Moment) -> Sequence[str]:
    """The tags of `text`: those that stay in place, and between them what is seen of the others, in a new order."""
    first, others, last = _kept_apart(text, config)
    others = others[: _grown(len(others), config, moment)]
    if config.shuffle_caption:
        chance.shuffle(others)
    rate = config.caption_tag_dropout_rate
    if rate:
        others = [tag for tag in others if chance.random() >= rate]
    return [*first, *others, *last]


def _kept_apart(text: str, config: Captions) -> tuple[list[str], list[str], list[str]]:
    """The tags that stay in front, those that do not stay in place, those that stay at the end."""
    mark, between = config.keep_tokens_separator, config.caption_separator
    if mark and mark in text:
        first, others, *last = text.split(mark, 2)
        return _tags(first, between), _tags(others, between), _tags("".join(last), between)
    tags = _tags(text, between)
    return tags[: config.keep_tokens], tags[config.keep_tokens :], []


def _tags(text: str, between: str) -> list[str]:
    return [tag for part in re.split(f"{re.escape(between)}|\n", text) if (tag := part.strip())]


def _grown(count: int, config: Captions, moment: Moment) -> int:
    """How many of `count` tags are seen: token_warmup_min at the start, all from token_warmup_step on."""
    until = config.token_warmup_step
    until = math.floor(until * moment.steps) if until < 1 else int(until)
    if moment.step >= until:
        return count
    return math.floor(moment.step * ((count - config.token_warmup_min) / until)) + config.token_warmup_min
