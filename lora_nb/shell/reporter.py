"""Events as lines on a terminal, and in a job's folder."""

import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TextIO

from lora_nb import signs
from lora_nb.events import (
    SETS,
    Drawn,
    EpochLog,
    Event,
    Finished,
    Notice,
    Progress,
    Saved,
    Spent,
    StepLog,
    Validated,
    silent,
    to_line,
)
from lora_nb.lines import Lines
from lora_nb.patience import is_away
from lora_nb.redact import redact
from lora_nb.shell import jobs
from lora_nb.wording import in_minutes

SECONDS_BETWEEN_LINES = 10.0
SECONDS_BETWEEN_REDRAWS = 0.1


class Reporter:
    """Listens to a running function. A terminal sees one line that moves, a file one line now and then.

    With `job_dir`, every event is also appended to its events.jsonl. With `quiet` nothing is said at all:
    of several processes only one speaks. Without `with_signs` sentences begin with no sign such as 📈.
    """

    def __init__(
        self, stream: TextIO, job_dir: Path | None = None, quiet: bool = False, with_signs: bool = True
    ) -> None:
        self.stream = stream
        self.quiet, self.with_signs = quiet, with_signs
        self.moving = stream.isatty()
        self.drawn_at = float("-inf")
        self.open_line = self.stage = ""
        self.log = None
        if job_dir and not quiet:
            job_dir.mkdir(parents=True, exist_ok=True)
            self.log = Lines(job_dir / jobs.EVENTS, silent)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end_line()
        if self.log:
            with suppress(OSError):
                self.log.finish()

    def tell(self, event: Event) -> None:
        """Say what happened."""
        if self.quiet:
            return
        if self.log:
            self.log.write(redact(to_line(event)))
            if self.log.fault and not is_away(self.log.fault):
                raise self.log.fault
        try:
            self._say(event)
        except OSError as error:  # of a job, a file on a Drive that is away
            if not is_away(error):
                raise

    def _say(self, event: Event) -> None:
        if isinstance(event, Progress | StepLog):
            self._advance(event)
        elif not isinstance(event, Spent) and not (isinstance(event, Drawn) and event.kind == "cell"):
            self._end_line()
            words = redact(in_words(event))
            print(words if self.with_signs else signs.parted(words)[1], file=self.stream, flush=True)

    def _advance(self, event: Progress | StepLog) -> None:
        done, total = (
            (event.done, event.total) if isinstance(event, Progress) else (event.step, event.total_steps)
        )
        wait = SECONDS_BETWEEN_REDRAWS if self.moving else SECONDS_BETWEEN_LINES
        now = time.monotonic()
        stage = event.stage if isinstance(event, Progress) else "steps"
        if stage == self.stage and now - self.drawn_at < wait and done != total:
            return
        self.drawn_at, self.stage = now, stage
        words = in_words(event)
        if self.moving:
            self.stream.write("\r" + words.ljust(len(self.open_line)))
            self.open_line = words
            self.stream.flush()
        else:
            print(words, file=self.stream, flush=True)

    def _end_line(self) -> None:
        if self.open_line:
            self.stream.write("\n")
            self.open_line = ""
            self.drawn_at = float("-inf")


def in_words(event: Event) -> str:
    """One line (for the end of the work: some lines) that a person reads."""
    match event:
        case Progress():
            return event.text
        case Notice():
            return f"Warning: {event.text}" if event.level == "warning" else event.text
        case StepLog():
            loss = in_losses(event.loss_average, event.plain_average)
            return (
                f"Step {event.step}/{event.total_steps}, epoch {event.epoch}: {loss}, "
                f"{event.steps_per_second:.2f} steps/s, {in_minutes(event.eta_seconds)} to go"
            )
        case EpochLog():
            return f"Epoch {event.epoch} ends at step {event.step}: mean {in_losses(event.loss, event.plain)}"
        case Validated():
            return f"Step {event.step}: loss {event.loss:.4f} on {SETS.get(event.name, event.name)}"
        case Spent():
            return ", ".join(f"{name} {seconds:.1f} s" for name, seconds in event.seconds.items())
        case Saved():
            return f"Saved {event.path}"
        case Drawn():
            return "Drew " + ", ".join(event.paths)
        case Finished():
            return "\n".join([event.text, *(f"  {file}" for file in event.files)])


def in_losses(minimised: float, plain: float | None) -> str:
    """`loss 0.0421 (plain error 0.1203)`; the second, which other people's figures are like, only where it differs."""
    if plain is None or plain == minimised:
        return f"loss {minimised:.4f}"
    return f"loss {minimised:.4f} (plain error {plain:.4f})"
