"""The pictures of a run as training examples: found, captioned, placed, and counted in each epoch."""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from lora_nb import events, project
from lora_nb.config.training import TrainConfig
from lora_nb.dataset.buckets import Kind, Placement, Size, Turn, fit, place, share_out
from lora_nb.dataset.captions import caption_path
from lora_nb.dataset.images import Broken, ImageItem, Scan, read
from lora_nb.training.sources import Source, sources_of
from lora_nb.wording import counted, some

MOST_NAMED = 5


@dataclass(frozen=True)
class Example:
    """A picture at one of the sizes it is trained at. `source` has the settings that suit this size."""

    item: ImageItem
    caption: str
    source: Source
    size: Size
    placement: Placement

    @property
    def kind(self) -> Kind:
        """What it shares with the others of its batch."""
        return (self.source.group, *self.placement.bucket)


@dataclass(frozen=True)
class Found:
    """The pictures of a run, each with its source, and what of its folders cannot be read."""

    pictures: tuple[tuple[ImageItem, Source], ...]
    broken: tuple[Broken, ...]


def find(config: TrainConfig, tell: events.Tell) -> Found:
    """Read every picture and caption. Raises ValueError where there is none, or a caption is not sure."""
    sources = sources_of(config, tell)
    scans = {ending: _scan(sources, ending, tell) for ending in _endings(sources)}
    items = {ending: _by_folder(scan) for ending, scan in scans.items()}
    pictures = tuple(
        (replace(item, num_repeats=source.repeats), source)
        for source in sources
        for item in items[source.captions.caption_extension].get(source.folder, ())
    )
    _refuse_unusable(config, pictures, tuple(scans.values()))
    return Found(pictures, tuple(broken for scan in scans.values() for broken in scan.broken))


def _endings(sources: Sequence[Source]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(source.captions.caption_extension for source in sources))


def _scan(sources: Sequence[Source], ending: str, tell: events.Tell) -> Scan:
    """The pictures of the sources whose captions have this ending."""
    own = (source for source in sources if source.captions.caption_extension == ending)
    return read({source.folder: source.repeats for source in own}, ending, tell=tell)


def _by_folder(scan: Scan) -> dict[Path, list[ImageItem]]:
    found = defaultdict(list)
    for item in scan.items:
        found[item.path.parent].append(item)
    return found


def _refuse_unusable(
    config: TrainConfig, pictures: Sequence[tuple[ImageItem, Source]], scans: Sequence[Scan]
) -> None:
    folder = config.pictures.dataset_config or config.place.train_data_dir
    if not any(not source.is_reg for _, source in pictures):
        raise ValueError(f"{folder} holds no pictures that can be read (jpg, png, webp, bmp, avif)")
    regular = config.pictures.reg_data_dir
    if regular and not any(source.is_reg for _, source in pictures):
        raise ValueError(f"reg_data_dir = {regular} holds no pictures that can be read")
    for subset in {item.path.parent for item, _ in pictures}:
        project.check_utf8(subset)
    unsure = [path for scan in scans for path in scan.unsure]
    if unsure:
        names = some(
            [caption_path(path, config.captions.caption_extension).name for path in unsure], MOST_NAMED
        )
        raise ValueError(
            f"{counted(len(unsure), 'caption is', 'captions are')} not in UTF-8, so that "
            f"it is not sure what is said ({names}): save them as "
            f"UTF-8, or run `python -m lora_nb recode --train_data_dir {folder} --caption_encoding NAME`"
        )


def words_without_caption(config: TrainConfig, source: Source) -> str:
    """What a picture of a source is trained with that has no caption: never the trigger word where it is not shown."""
    if source.is_reg:
        return source.words
    return source.class_tokens or config.captions.trigger_word or source.words


def examples_of(config: TrainConfig, found: Found, native: int, unit: int) -> tuple[Example, ...]:
    """Every picture at every size it is trained at. `native` is the base's own side, sides are multiples of `unit`."""
    return tuple(_placed(config, found, native, unit))


def _placed(config: TrainConfig, found: Found, native: int, unit: int) -> Iterator[Example]:
    for group in dict.fromkeys(source.group for _, source in found.pictures):
        own = [pair for pair in found.pictures if pair[1].group == group]
        for size in own[0][1].pictures.sizes or ((native, native),):
            for item, source in own:
                fitted = replace(source, pictures=fit(source.pictures, size, unit))
                caption = (item.caption or "").strip() or words_without_caption(config, source)
                placement = place((item.width, item.height), size, fitted.pictures)
                yield Example(item, caption, fitted, size, placement)


def once_each(examples: Sequence[Example]) -> tuple[Example, ...]:
    """Each picture at the first of its sizes."""
    first = {each.item.path: each for each in reversed(examples)}
    return tuple(each for each in examples if first[each.item.path] is each)


@dataclass(frozen=True)
class Counts:
    """How often each example is seen: `repeats` in every epoch, and once more for each turn that it has."""

    repeats: tuple[int, ...]
    turns: tuple[Turn, ...] = ()

    def in_epoch(self, epoch: int) -> tuple[int, ...]:
        """The appearances of each example in one epoch; those of a kind are as many in all of them."""
        times = list(self.repeats)
        for turn in self.turns:
            for image in turn.in_epoch(epoch):
                times[image] += 1
        return tuple(times)


def count(examples: Sequence[Example], balance: bool) -> Counts:
    """How often a run's examples are seen: evened out by folder if asked, regularisation as often as the rest."""
    repeats, turns = [example.item.num_repeats for example in examples], []
    for own in _by(examples, lambda each: (each.source.group, each.size)):
        learnt = [at for at in own if not examples[at].source.is_reg]
        regular = [at for at in own if examples[at].source.is_reg]
        evened = _balanced(examples, learnt, repeats) if balance else []
        seen = sum(repeats[at] for at in learnt) + sum(turn.slots for turn in evened)
        turns += evened + _regular(examples, regular, repeats, seen)
    return Counts(tuple(repeats), tuple(turns))


def _by(
    examples: Sequence[Example], key: Callable[[Example], Hashable], of: Sequence[int] | None = None
) -> list[list[int]]:
    """The positions of the examples (or of those in `of`) that have the same key, together."""
    found = defaultdict(list)
    for at in range(len(examples)) if of is None else of:
        found[key(examples[at])].append(at)
    return list(found.values())


def _balanced(examples: Sequence[Example], learnt: Sequence[int], repeats: list[int]) -> list[Turn]:
    """Raise `repeats` so that each folder is seen as often as the most seen; what is no multiple comes in turns."""
    folders, turns = _by(examples, lambda each: each.source.folder, learnt), []
    most = max((sum(repeats[at] for at in folder) for folder in folders), default=0)
    for folder in folders:
        each, rest = divmod(most, len(folder))
        for at in folder:
            repeats[at] = each
        turns += _in_turns(examples, folder, [1] * len(folder), rest)
    return turns


def _regular(
    examples: Sequence[Example], regular: Sequence[int], repeats: list[int], seen: int
) -> list[Turn]:
    """sd-scripts' rule: one repeat more, picture by picture, until there are as many as what is learnt.

    Where there are more of them to begin with it leaves the last ones out for good; here they take turns.
    """
    short = seen - sum(repeats[at] for at in regular)
    if not regular:
        return []
    if short >= 0:
        each, rest = divmod(short, len(regular))
        for number, at in enumerate(regular):
            repeats[at] += each + (number < rest)
        return []
    times = [repeats[at] for at in regular]
    for at in regular:
        repeats[at] = 0
    return _in_turns(examples, regular, times, seen)


def _in_turns(
    examples: Sequence[Example], own: Sequence[int], times: Sequence[int], slots: int
) -> list[Turn]:
    """`slots` appearances an epoch for these examples, each `times` in a round; by kind, so that steps stay exact."""
    often = dict(zip(own, times, strict=True))
    pools = [
        [at for at in kind for _ in range(often[at])] for kind in _by(examples, lambda each: each.kind, own)
    ]
    shares = share_out([len(pool) for pool in pools], slots) if slots else []
    return [Turn(tuple(pool), share) for pool, share in zip(pools, shares, strict=False) if share]
