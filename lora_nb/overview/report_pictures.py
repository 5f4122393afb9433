"""What the report says of the pictures themselves."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

from lora_nb.dataset.captions import caption_path
from lora_nb.overview.report_advice import FEWEST
from lora_nb.overview.report_facts import Facts
from lora_nb.overview.report_points import HURTS, KNOW, MINOR, SPOILS, STOPS, Mend, Point
from lora_nb.pictures.findings import Finding
from lora_nb.wording import counted

CLEAN = Mend("Search and set aside", "curate")
EXTREME = (
    2.0  # sides of the training's widest bucket at the usual settings: 1024 x 256, most sets stay below 2 : 1
)
JUDGED_HERE = frozenset(("small", "shape", "few"))
CUT = 0.15  # share of a picture that its bucket cuts away


def points(facts: Facts) -> Iterator[Point]:
    """Every point there is about pictures."""
    if not facts.items:
        yield Point(
            "no_pictures",
            STOPS,
            f"There is no picture that can be read in {facts.dataset}.",
            advice="Import some first.",
        )
    yield from _number(facts)
    yield from _broken(facts)
    yield from _copies(facts)
    yield from _small(facts)
    yield from _shapes(facts)
    yield from _stems(facts)
    yield from _lone_buckets(facts)
    yield from _found(facts)


def _number(facts: Facts) -> Iterator[Point]:
    if 0 < len(facts.items) < FEWEST:
        sentence = (
            f"{counted(len(facts.items), 'picture is', 'pictures are')} few: {FEWEST} or more make "
            "a LoRA that draws new things, not the same ones again."
        )
        yield Point(
            "few", HURTS, sentence, advice="Add pictures from other sides, in other places, in other light."
        )


def _broken(facts: Facts) -> Iterator[Point]:
    if facts.broken:
        names = tuple(f"{facts.name(broken.path)}: {broken.reason}" for broken in facts.broken)
        yield Point(
            "unreadable",
            SPOILS,
            f"{counted(len(names), 'file')} cannot be read as pictures.",
            names,
            mend=CLEAN,
        )


def _copies(facts: Facts) -> Iterator[Point]:
    if not facts.items:
        return
    if not facts.searched:
        sentence = "Nobody looked for copies yet: a picture that is there twice counts twice."
        yield Point("copies", MINOR, sentence, mend=CLEAN)
        return
    there = [
        facts.name(copy.path)
        for cluster in facts.found.clusters
        for copy in cluster.copies
        if copy.path.is_file() and copy.path.is_relative_to(facts.dataset)
    ]
    if there:
        yield Point(
            "copies",
            HURTS,
            f"{counted(len(there), 'picture is a copy', 'pictures are copies')} of others.",
            tuple(there),
            mend=CLEAN,
        )


def _small(facts: Facts) -> Iterator[Point]:
    small = [
        item
        for item, placed in zip(facts.items, facts.placements, strict=True)
        if item.width < placed.resized[0] and item.height < placed.resized[1]
    ]
    if small:
        sentence = (
            f"{counted(len(small), 'picture is', 'pictures are')} smaller than the training square of "
            f"{facts.resolution} pixels and blown up: the LoRA learns the blur."
        )
        names = tuple(f"{facts.name(item.path)}: {item.width} x {item.height}" for item in small)
        yield Point(
            "small", HURTS, sentence, names, advice="Find larger ones, or train at a smaller resolution."
        )


def _shapes(facts: Facts) -> Iterator[Point]:
    cut = []
    for item, placed in zip(facts.items, facts.placements, strict=True):
        lost = 1 - placed.bucket[0] * placed.bucket[1] / (placed.resized[0] * placed.resized[1])
        if max(item.width, item.height) > EXTREME * min(item.width, item.height) and lost > CUT:
            cut.append(f"{facts.name(item.path)}: {item.width} x {item.height}, {lost:.0%} is cut away")
    if cut:
        many = counted(len(cut), "picture is", "pictures are")
        sentence = f"{many} so wide or tall that the training cuts much of them away."
        yield Point("shape", HURTS, sentence, tuple(cut), advice="Crop them to what matters.")


def _stems(facts: Facts) -> Iterator[Point]:
    shared = defaultdict(list)
    for item in facts.items:
        shared[caption_path(item.path)].append(facts.name(item.path))
    names = [", ".join(group) for group in shared.values() if len(group) > 1]
    if names:
        how_many = counted(len(names), "caption is", "captions are")
        sentence = f"{how_many} shared by several pictures of one name and different endings."
        yield Point(
            "stems",
            MINOR,
            sentence,
            tuple(names),
            advice="Rename one of each, if they show different things.",
        )


def _lone_buckets(facts: Facts) -> Iterator[Point]:
    if facts.config.train_batch_size < 2:
        return
    lone = sorted(size for size, number in facts.sizes.items() if number == 1)
    once = [
        (item, placed.bucket)
        for item, placed in zip(facts.items, facts.placements, strict=True)
        if placed.bucket in lone and item.num_repeats == 1
    ]
    if once:
        sentence = (
            f"{len(once)} buckets have one picture alone: it comes "
            "in a batch of its own, and weighs more than others."
        )
        names = tuple(f"{facts.name(item.path)}: {width} x {height}" for item, (width, height) in once)
        yield Point("lone_buckets", MINOR, sentence, names, advice="Crop them to the shape of others.")


def _found(facts: Facts) -> Iterator[Point]:
    """What the search beside copies and broken pictures found, of pictures that are still here: a point for each kind.

    What this report judges by the training's own sizes is not said twice.
    """
    kinds: dict[str, list[Finding]] = {}
    for one in facts.found.others:
        if one.kind not in JUDGED_HERE and (not one.pictures or any(path.is_file() for path in one.pictures)):
            kinds.setdefault(one.kind, []).append(one)
    for kind, found in kinds.items():
        harm = min(max(one.harm for one in found), SPOILS)
        yield Point(
            kind, max(harm, KNOW), _in_one(found), tuple(path.name for one in found for path in one.pictures)
        )


def _in_one(found: Sequence[Finding]) -> str:
    """The sentence of one finding; of several, how many there are and what the first says."""
    if len(found) == 1:
        return found[0].sentence
    return f"{len(found)} pictures, the first: {found[0].sentence}"
