"""All that is wrong with a dataset or worth knowing, sorted by harm."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from statistics import median

from lora_nb import files, lengths
from lora_nb.bases import token_count
from lora_nb.config.report import ReportConfig
from lora_nb.dataset import captions
from lora_nb.dataset.buckets import Size
from lora_nb.events import Tell, silent
from lora_nb.overview import report_captions, report_page, report_pictures, report_record
from lora_nb.overview.report_advice import advice
from lora_nb.overview.report_facts import Facts, measure
from lora_nb.overview.report_points import KNOW, Point
from lora_nb.overview.report_record import PAGE, Numbers, Report
from lora_nb.project import folders_of_dataset, name_of
from lora_nb.wording import counted

MOST_TAGS = 30
T4 = (4, 8)  # pictures a second that a training of 512 pixels does on a free T4, roughly


def look(config: ReportConfig, tell: Tell = silent) -> Report:
    """The report of a dataset. Nothing is changed. Raises ValueError where there is no such folder."""
    facts = measure(config, tell)
    found = [*report_pictures.points(facts), *report_captions.points(facts), *_length(facts)]
    return Report(
        project=name_of(facts.folders), purpose=config.purpose,
        points=tuple(sorted(found, key=lambda point: -point.harm)), pictures=len(facts.items),
        captioned=sum(bool(item.caption) for item in facts.items),
        sizes=_named(Counter((item.width, item.height) for item in facts.items)), buckets=_named(facts.sizes),
        lengths=tuple(sorted(token_count.count(text) for text in facts.texts)),
        tags=tuple(captions.count_tags(facts.texts).most_common(MOST_TAGS)) if facts.kind == "tags" else (),
        kind=facts.kind, steps_per_epoch=facts.steps_per_epoch,
        steps=facts.steps_per_epoch * config.max_train_epochs, advice=advice(config.purpose),
    )  # fmt: skip


def _named(sizes: Counter[Size]) -> Numbers:
    return tuple((f"{width} x {height}", number) for (width, height), number in sizes.most_common())


def write(config: ReportConfig, tell: Tell = silent) -> tuple[Report, Path]:
    """The report, kept, and the page that shows it: `report/dataset.html`, which needs no other file."""
    found, folders = look(config, tell), folders_of_dataset(Path(config.train_data_dir))
    report_record.write(folders, found)
    files.write_text(folders.report / PAGE, report_page.whole(found))
    return found, folders.report / PAGE


def _length(facts: Facts) -> list[Point]:
    """How long the training will be, against what is usual."""
    if not facts.items:
        return []
    config, number = facts.config, len(facts.items)
    seen = sum(item.num_repeats for item in facts.items) * config.max_train_epochs
    steps = facts.steps_per_epoch * config.max_train_epochs
    fast, slow = (seen / rate / 60 for rate in reversed(T4))
    sentence = (
        f"{config.max_train_epochs} epochs are {steps} steps of "
        f"{config.train_batch_size} pictures: each picture is seen "
        f"{seen / number:.0f} times. On a free T4 at 512 pixels "
        f"that takes roughly {fast:.0f} to {slow:.0f} minutes."
    )
    point = Point("length", KNOW, sentence)
    wanted = lengths.USUAL.looks(number)
    if seen < wanted:
        repeats = -(-wanted * config.num_repeats // seen)
        point = replace(
            point,
            advice=f"Usual are {wanted} looks in all, as LoRA Trainer fills in: num_repeats = {repeats} comes to that.",
        )
    return [point]


def in_words(found: Report) -> str:
    """One sentence about the report."""
    middle = f", {median(found.lengths):.0f} tokens long in the middle" if found.lengths else ""
    what = f"{counted(found.pictures, 'picture')}, {found.captioned} with a caption{middle}"
    return f"{counted(found.bad, 'thing')} to mend: {what}." if found.bad else f"Nothing is wrong: {what}."
