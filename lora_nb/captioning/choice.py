"""The scores of tags -> the tags that a caption is given."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from lora_nb.captioning.scores import FLOOR
from lora_nb.config.captioning import TagConfig
from lora_nb.dataset.captions import join_tags, same_tag, split_tags

GENERAL, CHARACTER, RATING = "general", "character", "rating"
LEAST_CHARACTER = 0.15  # what MCut may not go below for names
ARROW = "->"
KAOMOJI = frozenset((
    "0_0", "(o)_(o)", "+_+", "+_-", "._.", "<o>_<o>", "<|>_<|>", "=_=", ">_<", "3_3",
    "6_9", ">_o", "@_@", "^_^", "o_o", "u_u", "x_x", "|_|", "||_||",
))  # fmt: skip


@dataclass(frozen=True)
class Score:
    """How sure a tagger is of a tag of its `kind`, from 0 to 1."""

    name: str
    kind: str
    score: float


@dataclass(frozen=True)
class Answer:
    """What one tagger says of a picture, in the order of its tags; `threshold` is its own for general tags."""

    scores: Sequence[Score]
    threshold: float


def choose(answers: Sequence[Answer], config: TagConfig) -> list[str]:
    """The tags of a picture in the order in which they are written."""
    found = _best([score for answer in answers for score in _sure(answer, config)])
    kinds = (CHARACTER, GENERAL) if config.character_tags_first else (GENERAL, CHARACTER)
    chosen = [score for kind in (*kinds, *config.other_kinds) for score in found if score.kind == kind]
    rating = _rating(answers)
    chosen = rating * (config.rating == "first") + chosen + rating * (config.rating == "last")
    return _in_front(list(_in_words(chosen, config)), config.always_first_tags)


def _sure(answer: Answer, config: TagConfig) -> Iterable[Score]:
    general = answer.threshold if config.general_threshold is None else config.general_threshold
    least = {GENERAL: general, CHARACTER: config.character_threshold}
    if config.mcut:
        character = max(LEAST_CHARACTER, cut(_of_kind(answer, CHARACTER)))
        least = {GENERAL: cut(_of_kind(answer, GENERAL)), CHARACTER: character}
    return [score for score in answer.scores if score.score >= least.get(score.kind, least[GENERAL])]


def _of_kind(answer: Answer, kind: str) -> list[float]:
    """The scores of a kind; the lowest stands for all that are too low to be noted."""
    return [*(score.score for score in answer.scores if score.kind == kind), FLOOR]


def cut(scores: Sequence[float]) -> float:
    """The middle of the largest gap between scores in their order: Maximum Cut (Largeron, Moulin and Gery, 2012)."""
    ordered = sorted(scores, reverse=True)
    gaps = [(above - below, (above + below) / 2) for above, below in pairwise(ordered)]
    return max(gaps, default=(0.0, 0.0), key=lambda gap: gap[0])[1]


def _best(scores: Iterable[Score]) -> list[Score]:
    """Each tag once, with its best score, where it was named first."""
    best: dict[tuple[str, str], Score] = {}
    for score in scores:
        key = score.kind, same_tag(score.name)
        if key not in best or best[key].score < score.score:
            best[key] = score
    return list(best.values())


def _rating(answers: Sequence[Answer]) -> list[Score]:
    found = [score for answer in answers for score in answer.scores if score.kind == RATING]
    return [max(found, key=lambda score: score.score)] if found else []


def _in_words(chosen: Sequence[Score], config: TagConfig) -> Iterable[str]:
    """The tags as they are written, each once, without the undesired ones."""
    undesired = {same_tag(tag) for tag in split_tags(join_tags(config.undesired_tags))}
    others, seen = replacements(config.replace_tags), set()
    for score in chosen:
        expand = config.character_tag_expand and score.kind == CHARACTER
        for name in expanded(score.name) if expand else [score.name]:
            for tag in others.get(same_tag(name), [spaced(name) if config.remove_underscore else name]):
                unwanted = same_tag(tag) in undesired or (
                    same_tag(score.name) in undesired and same_tag(name) not in others
                )
                if not unwanted and same_tag(tag) not in seen:
                    seen.add(same_tag(tag))
                    yield tag


def _in_front(tags: Sequence[str], first: Sequence[str]) -> list[str]:
    """The tags, those of `first` that are among them in front in its order."""
    own = {same_tag(tag): tag for tag in tags}
    front = [same_tag(tag) for tag in first if same_tag(tag) in own]
    return [own[tag] for tag in dict.fromkeys(front)] + [tag for tag in tags if same_tag(tag) not in front]


def expanded(name: str) -> list[str]:
    """`name_(costume)_(series)` as `name_(costume)` and `series`; another name as it is."""
    head, bracket, series = name.rpartition("(")
    if not (bracket and head.rstrip("_ ") and series.endswith(")") and series[:-1].strip("_ ")):
        return [name]
    return [head.rstrip("_ "), series[:-1]]


def spaced(name: str) -> str:
    """`long_hair` with a space; faces like `^_^` as they are."""
    return name if name in KAOMOJI else name.replace("_", " ")


def replacements(lines: Sequence[str]) -> Mapping[str, list[str]]:
    """{a tag as it is compared: the tags in its place} of lines such as `a -> b, c`. Raises ValueError for others."""
    found = {}
    for line in lines:
        old, arrow, new = line.partition(ARROW)
        if not arrow or not old.strip():
            raise ValueError(
                f'"{line}" is no replacement: write it as old tag {ARROW} new tag, with ; between several'
            )
        found[same_tag(old)] = split_tags(new)
    return found
