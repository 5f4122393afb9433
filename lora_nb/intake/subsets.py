"""The folders called `N_name` of a source: which come in, under which name, and with which trigger word."""

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from lora_nb import files
from lora_nb.config.intake import ImportConfig
from lora_nb.dataset.images import IMAGE_EXTENSIONS, REPEATS
from lora_nb.intake import arrivals
from lora_nb.intake.archive import Entry
from lora_nb.project import Folders
from lora_nb.wording import some

LISTED = "source_folders.json"

MOST_REPEATS = 100  # a folder called 2023_holiday hardly asks for so many
CHOICE = re.compile(
    r"(?P<name>[^:>]+?)\s*(?P<arrow>->\s*(?P<target>[^:>]*?))?\s*(?::\s*(?P<word>.+))?", re.DOTALL
)


@dataclass(frozen=True)
class Subset:
    """A folder of a source whose name says repeats, and how many pictures it holds."""

    name: str
    pictures: int

    @property
    def repeats(self) -> int:
        return int(REPEATS.fullmatch(self.name)[1])

    @property
    def odd(self) -> str:
        """What is odd about its number; "" when it may well be meant as repeats."""
        if self.repeats == 0:
            return "0 repeats: none of its pictures would be trained"
        return f"{self.repeats} repeats of each picture" if self.repeats > MOST_REPEATS else ""


@dataclass(frozen=True)
class Choice:
    """How a folder comes in: under which name ("" for none of its own), and its trigger word ("" for the project's)."""

    target: str
    trigger_word: str = ""


@dataclass(frozen=True)
class Plan:
    """Where the pictures of each `N_name` folder go; those of one that `choices` lack stay out if it has any."""

    choices: Mapping[str, Choice] = field(default_factory=dict)
    as_said: bool = False  # odd numbers of repeats too

    def place(self, entry: Entry) -> str | None:
        """The sub-folder of the dataset for a file, "" for the dataset folder itself; None when it stays out."""
        for name in named(entry):
            if self.choices:
                return self.choices[name].target if name in self.choices else None
            if self.as_said or not Subset(name, 0).odd:
                return arrivals.clean(name)
        return ""

    @property
    def trigger_words(self) -> dict[str, str]:
        """{sub-folder of the dataset: its own trigger word}."""
        return {
            one.target: one.trigger_word for one in self.choices.values() if one.target and one.trigger_word
        }


def named(entry: Entry) -> list[str]:
    """The folders of a file whose names say repeats, the innermost first."""
    return [part for part in reversed(entry.parts[:-1]) if REPEATS.fullmatch(part)]


def listed(entries: Sequence[Entry]) -> tuple[Subset, ...]:
    """The `N_name` folders with the pictures in them."""
    pictures = [entry for entry in entries if entry.suffix in IMAGE_EXTENSIONS]
    counts = Counter(names[0] for entry in pictures if (names := named(entry)))
    return tuple(Subset(name, count) for name, count in sorted(counts.items()))


def plan(entries: Sequence[Entry], config: ImportConfig) -> Plan:
    """What is to come of the folders of a source.

    Raises ValueError for a folder that is not there or cannot be called so, and for one with an odd number while
    `config.odd_folders` is "ask".
    """
    found = {subset.name: subset for subset in listed(entries)}
    choices = _choices(config, found)
    open_ones = {name: found[name] for name in found if not choices or _undecided(name, choices)}
    odd = [subset for subset in open_ones.values() if subset.odd]
    if odd and config.odd_folders == "ask" and not config.subset.strip():
        raise _asked(config, odd[0])
    as_said = config.odd_folders == "repeats"
    plain = set() if as_said else {subset.name for subset in odd}
    settled = {name: Choice("") if name in plain else one for name, one in choices.items()}
    return Plan(settled, as_said)


def _undecided(name: str, choices: Mapping[str, Choice]) -> bool:
    """Whether a folder was chosen under its own odd name."""
    return name in choices and choices[name].target == arrivals.clean(name)


def _asked(config: ImportConfig, odd: Subset) -> ValueError:
    rest = odd.name.partition("_")[2]
    return ValueError(
        f'{config.source} has a folder "{odd.name}" with {odd.pictures} pictures, which would mean {odd.odd}; say '
        f"odd_folders = plain (an ordinary folder) or repeats (as it says), or give it another name: "
        f'folders = "{odd.name} -> 5_{rest}"'
    )


def _choices(config: ImportConfig, found: Mapping[str, Subset]) -> dict[str, Choice]:
    choices = {}
    for text in config.folders:
        match = CHOICE.fullmatch(text.strip())
        if not match:
            raise ValueError(
                f'folders: "{text}" cannot be read; write "5_cat", "5_cat -> 8_cat" or "5_cat: ohwx cat"'
            )
        name = match["name"].strip()
        if name not in found:
            there = some(list(found)) or "none"
            raise ValueError(
                f'folders: {config.source} has no N_name folder "{name}" with pictures; it has {there}'
            )
        target = arrivals.clean(name) if match["arrow"] is None else match["target"].strip()
        if target and not arrivals.is_subset(target):
            raise ValueError(f'folders: "{target}" is not usable: write N_name, e.g. 10_cat for 10 repeats')
        choices[name] = Choice(target, (match["word"] or "").strip())
    return choices


def keep(folders: Folders, source: str, found: Sequence[Subset]) -> None:
    """Keep what a look into a source found, for `kept`."""
    folders.report.mkdir(parents=True, exist_ok=True)
    table = {"version": 1, "source": source, "folders": [asdict(subset) for subset in found]}
    files.write_text(folders.report / LISTED, json.dumps(table))


def kept(folders: Folders, source: str) -> tuple[Subset, ...]:
    """The folders that the last look into this very source found; none when it was another."""
    try:
        table = files.from_json((folders.report / LISTED).read_bytes())
        return tuple(Subset(**row) for row in table["folders"]) if table["source"] == source else ()
    except (OSError, ValueError, TypeError, KeyError):
        return ()
