"""What a running function tells its caller, as values that pass through a JSON line."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Progress:
    """`done` of `total` units of a `stage` ("Reading images", "Tagging", ...) are finished."""

    stage: str
    done: int
    total: int


@dataclass(frozen=True)
class Notice:
    """One sentence worth knowing. `level` is "info" or "warning"."""

    text: str
    level: str = "info"


@dataclass(frozen=True)
class StepLog:
    """One optimizer step. Losses are means over the step's images; rates are per optimizer step."""

    step: int
    total_steps: int
    epoch: int
    loss: float
    loss_average: float
    lr_unet: float
    lr_text_encoder: float
    steps_per_second: float
    eta_seconds: float


@dataclass(frozen=True)
class EpochLog:
    """The mean loss of a finished epoch."""

    epoch: int
    step: int
    loss: float


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


Event = Progress | Notice | StepLog | EpochLog | Saved | Drawn | Finished
OnEvent = Callable[[Event], None]

KINDS = {kind.__name__: kind for kind in (Progress, Notice, StepLog, EpochLog, Saved, Drawn, Finished)}


def silent(event: Event) -> None:
    """Take an event and do nothing: the default listener."""


def to_line(event: Event) -> str:
    """One JSON line, with the event's class under "event"."""
    return json.dumps({"event": type(event).__name__, **asdict(event)}, ensure_ascii=False)


def from_line(line: str) -> Event:
    """The event of a line written by `to_line`. Raises ValueError for another line."""
    fields = json.loads(line)
    kind = KINDS.get(fields.pop("event", None))
    if kind is None:
        raise ValueError(f"not an event line: {line[:80]}")
    return kind(
        **{name: tuple(value) if isinstance(value, list) else value for name, value in fields.items()}
    )
