"""One thing that is wrong with a dataset, or worth knowing of it, in one shape from the check to the screen."""

from dataclasses import dataclass, field
from typing import Any

STOPS, SPOILS, HURTS, MINOR, KNOW = 4, 3, 2, 1, 0
HARMS = {
    STOPS: "nothing can be trained",
    SPOILS: "spoils the LoRA",
    HURTS: "makes it worse",
    MINOR: "a small thing",
    KNOW: "worth knowing",
}


@dataclass(frozen=True)
class Mend:
    """What mends it with one press: what the button says, the subcommand, and its settings beside the folder."""

    label: str
    verb: str
    settings: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Point:
    """A sentence, how bad that is (STOPS to KNOW), the files it is about, and what mends it where something does.

    `advice` says what to do by hand; `kind` names the check.
    """

    kind: str
    harm: int
    sentence: str
    names: tuple[str, ...] = ()
    advice: str = ""
    mend: Mend | None = None
