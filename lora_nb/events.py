"""What a running function tells its caller, as values that pass through a JSON line."""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import Any, get_type_hints

from lora_nb import files
from lora_nb.wording import in_minutes


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a `stage` ("Reading images", "Tagging", ...) are finished; `unit` "B" is bytes.

    `per_second` is how many of them were done a second so far; 0 where nobody knows.
    """

    stage: str
    done: int
    total: int
    unit: str = ""
    per_second: float = field(default=0.0, compare=False)

    @property
    def text(self) -> str:
        """`Tagging: 3 of 10`, `Downloading x: 1.2 of 3.4 GB`, and `Loading x ...` for work that is one piece."""
        if self.unit == "B":
            name, size = ("GB", 1e9) if self.total >= 1e9 else ("MB", 1e6)
            return f"{self.stage}: {self.done / size:.1f} of {self.total / size:.1f} {name}"
        counted = bool(self.done or self.total > 1)
        return f"{self.stage}: {self.done} of {self.total}{self._pace}" if counted else f"{self.stage} ..."

    @property
    def _pace(self) -> str:
        """`, 2.5 a second, 0:28 to go`; nothing where no pace is known, and no time to go at the end."""
        if self.per_second <= 0:
            return ""
        pace = (
            f"{self.per_second:.1f} a second" if self.per_second >= 1 else f"{1 / self.per_second:.1f} s each"
        )
        left = f", {in_minutes((self.total - self.done) / self.per_second)} to go"
        return f", {pace}{left if self.done < self.total else ''}"


@dataclass(frozen=True)
class Notice:
    """One sentence worth knowing. `level` is "info" or "warning"."""

    text: str
    level: str = "info"


@dataclass(frozen=True)
class StepLog:
    """One optimizer step. Losses are means over the step's images; rates are per optimizer step.

    `loss` is what is minimised; `plain` the mean squared error that no setting weighs (None in an older log).
    `rates` are those of each group of weights; an optimizer that finds its rate itself multiplies them by `d`.
    """

    step: int
    total_steps: int
    epoch: int
    loss: float
    loss_average: float
    lr_unet: float
    lr_text_encoder: float
    steps_per_second: float
    eta_seconds: float
    plain: float | None = None
    plain_average: float | None = None
    rates: dict[str, float] = field(default_factory=dict)
    d: float | None = None


@dataclass(frozen=True)
class EpochLog:
    """The mean losses of a finished epoch, as in StepLog."""

    epoch: int
    step: int
    loss: float
    plain: float | None = None


@dataclass(frozen=True)
class Validated:
    """The mean plain loss on one set of pictures that is always the same, with the same noise.

    `name` is "held_out", "probe" (pictures that are learnt) or "base" (what the base drew itself); `losses` are of each
    picture at each of `levels` noise levels, picture by picture. Only those of equal `key` can be compared.
    """

    epoch: int
    step: int
    name: str
    loss: float
    losses: tuple[float, ...]
    levels: int
    key: str


@dataclass(frozen=True)
class Spent:
    """What the time since the last of these was spent on, in seconds, and the `memory` in bytes that was needed."""

    epoch: int
    step: int
    seconds: dict[str, float]
    memory: float = 0.0


@dataclass(frozen=True)
class Saved:
    """A LoRA file stands on disk, complete."""

    path: str
    epoch: int
    step: int


@dataclass(frozen=True)
class Drawn:
    """Sample or grid pictures stand on disk."""

    paths: tuple[str, ...]
    epoch: int
    step: int
    kind: str = "sample"


@dataclass(frozen=True)
class Finished:
    """The work ended: `status` is "done", "nothing" (there was nothing to do) or "stopped" (resumable).

    `text` says what came of it.
    """

    status: str
    text: str
    files: tuple[str, ...] = ()


# What the sets of `Validated` are called before people.
SETS = {
    "held_out": "pictures held out",
    "probe": "a probe of what is learnt",
    "base": "pictures of the base itself",
}

Event = Progress | Notice | StepLog | EpochLog | Validated | Spent | Saved | Drawn | Finished
Tell = Callable[[Event], None]

KINDS = {
    kind.__name__: kind
    for kind in (Progress, Notice, StepLog, EpochLog, Validated, Spent, Saved, Drawn, Finished)
}


Poll = Callable[[], frozenset[str]]  # what was asked for since the last call: "stop", "save", "sample"


def silent(event: Event) -> None:
    """Take an event and do nothing: the default listener."""


def to_line(event: Event) -> str:
    """One JSON line, with the event's class under "event"."""
    line = json.dumps({"event": type(event).__name__, **asdict(event)}, ensure_ascii=False)
    return line.encode("utf-8", "replace").decode("utf-8")  # the name of a file may be no UTF-8


def from_line(line: str) -> Event:
    """The event of a line written by `to_line`. Raises ValueError for another line."""
    fields = files.from_json(line)
    name = fields.pop("event", None) if isinstance(fields, dict) else None
    if not isinstance(name, str) or name not in KINDS:
        raise ValueError(f"not an event line: {line[:80]}")
    wanted = get_type_hints(KINDS[name])
    values = {name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    if not all(name in wanted and _fits(value, wanted[name]) for name, value in values.items()):
        raise ValueError(f"an event line with wrong fields: {line[:80]}")
    try:
        return KINDS[name](**values)
    except TypeError:
        raise ValueError(f"an event line that lacks fields: {line[:80]}") from None


def _fits(value: Any, wanted: Any) -> bool:
    if wanted == tuple[str, ...]:
        return isinstance(value, tuple) and all(isinstance(part, str) for part in value)
    if wanted == tuple[float, ...]:
        return isinstance(value, tuple) and all(_fits(part, float) for part in value)
    if wanted == dict[str, float]:
        return isinstance(value, dict) and all(_fits(part, float) for part in value.values())
    kinds = (int, float) if wanted is float else wanted
    return isinstance(value, kinds) and not isinstance(value, bool)


def read_lines(lines: bytes) -> list[Event]:
    """The events of whole lines; a damaged one (a killed process, a full disk) is passed over."""
    events = []
    for line in lines.split(b"\n"):
        with suppress(ValueError):
            events.append(from_line(line.decode("utf-8")))
    return events
