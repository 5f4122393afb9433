"""Bases known by a short name: what each is, and where it comes from.

The list ships here; a newer one, fetched from an address, goes before it.
"""

import re
import tomllib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.wording import first_line

SHIPPED = Path(__file__).with_name("catalogue.toml")
FETCHED = Path.home() / ".cache" / "lora_nb" / "catalogue.json"
LARGEST = 4_000_000  # bytes
SECONDS = 10
NAME = re.compile(r"[a-z0-9][a-z0-9_]*")
PREDICTIONS = ("epsilon", "v_prediction")


@dataclass(frozen=True)
class Entry:
    """A base: `source` is what stands for its `id`; `recommended` are settings of a run that suit it."""

    id: str
    title: str
    source: str
    family: str
    good_for: str = ""
    licence: str = ""
    prediction_type: str = "epsilon"
    zero_terminal_snr: bool = False
    recommended: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_dict(cls, found: Mapping[str, Any]) -> "Entry":
        """An entry as a list holds it; what a newer version says besides is left out. Raises ValueError."""
        known = {name: value for name, value in found.items() if name in cls.__dataclass_fields__}
        texts = [known.get(name) for name in ("id", "title", "source", "family")]
        if not all(isinstance(text, str) and text for text in texts):
            raise ValueError("an entry lacks its id, title, source or family")
        made = cls(**known)
        if not NAME.fullmatch(made.id) or made.prediction_type not in PREDICTIONS:
            raise ValueError(f"the entry {made.id!r} is not readable")
        return made


@dataclass(frozen=True)
class Catalogue:
    """A list of bases; of two the one with the higher `version` counts."""

    version: int
    entries: tuple[Entry, ...]

    @classmethod
    def from_dict(cls, found: Any) -> "Catalogue":
        """A list as a file holds it. Raises ValueError."""
        if not isinstance(found, dict) or not isinstance(found.get("bases"), list) or not found["bases"]:
            raise ValueError("it is no list of bases")
        if type(found.get("version")) is not int:
            raise ValueError("it does not say its version")
        try:
            return cls(found["version"], tuple(Entry.from_dict(each) for each in found["bases"]))
        except (TypeError, AttributeError) as error:
            raise ValueError(first_line(error)) from None


def read() -> Catalogue:
    """The newest list on this machine: the one that ships here, or one that was fetched."""
    shipped = Catalogue.from_dict(tomllib.loads(SHIPPED.read_text(encoding="utf-8")))
    with suppress(OSError, ValueError):
        fetched = Catalogue.from_dict(files.from_json(FETCHED.read_bytes()))
        return max(shipped, fetched, key=lambda each: each.version)
    return shipped


def find(name: str) -> Entry | None:
    """The entry called `name`; None for any other name."""
    if not NAME.fullmatch(name):
        return None
    return next((entry for entry in read().entries if entry.id == name), None)


def source_of(name: str) -> str:
    """What stands for a name of the list; any other name as it is. A folder or file of that name goes before it."""
    entry = None if Path(name).expanduser().exists() else find(name)
    return entry.source if entry else name


def fetch(address: str) -> Catalogue:
    """The list at an address, kept on this machine where it is newer. Raises ValueError with one sentence."""
    import requests

    try:
        with requests.get(address, timeout=SECONDS, stream=True) as answer:
            answer.raise_for_status()
            content = answer.raw.read(LARGEST, decode_content=True)
        found = Catalogue.from_dict(files.from_json(content))
    except requests.RequestException as error:
        raise ValueError(f"{address} cannot be reached: {first_line(error)}") from None
    except ValueError as error:
        raise ValueError(f"{address} holds no usable list of bases: {first_line(error)}") from None
    if found.version > read().version:
        FETCHED.parent.mkdir(parents=True, exist_ok=True)
        files.write_bytes(FETCHED, content)
    return found
