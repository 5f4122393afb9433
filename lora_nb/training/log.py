"""The figures of a running training: events, its metrics.jsonl, the boards that show them."""

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from lora_nb import events, files, runs
from lora_nb.lines import Lines
from lora_nb.lora.max_norm import Norms
from lora_nb.training.board import Figures
from lora_nb.training.boards import open_boards
from lora_nb.training.plan import RunPlan

ESTIMATE_AFTER = 10
WINDOW = 50


@dataclass(frozen=True)
class Rates:
    """Learning rates: of the denoiser, of what reads text, of each group; `factor` is what the optimizer found."""

    denoiser: float
    text: float
    groups: dict[str, float]
    factor: float | None = None


class TrainingLog:
    """Tells and writes down each step and epoch. Everything after `step` from an earlier start is dropped."""

    def __init__(self, plan: RunPlan, step: int, writes: bool, tell: events.Tell):
        """Open the log of a run of which `step` steps are done; `writes` is true in one process alone."""
        self.plan, self.tell, self.boards, self.file = plan, tell, (), None
        self.first_step = step
        self.times: deque[float] = deque([time.monotonic()], maxlen=WINDOW + 1)
        if not writes:
            return
        own = runs.run_folder(Path(plan.config.place.output_dir), plan.config.place.output_name)
        _forget_after(own.metrics, step)
        own.base.mkdir(parents=True, exist_ok=True)
        self.file = Lines(own.metrics, tell)
        self.boards = open_boards(plan, own, step, tell)

    def step(
        self,
        epoch: int,
        step: int,
        losses: Sequence[float],
        plain: Sequence[float],
        rates: Rates,
    ) -> None:
        """Log a step; losses (minimised, plain) are those of the epoch so far."""
        self.times.append(time.monotonic())
        speed = (len(self.times) - 1) / max(self.times[-1] - self.times[0], 1e-9)
        left = (self.plan.total_steps - step) / speed
        average, plain_average = _mean(losses), _mean(plain)
        self._write(
            events.StepLog(
                step=step, total_steps=self.plan.total_steps, epoch=epoch, loss=losses[-1], loss_average=average,
                lr_unet=rates.denoiser, lr_text_encoder=rates.text, steps_per_second=speed, eta_seconds=left,
                plain=plain[-1], plain_average=plain_average, rates=rates.groups,
                d=rates.factor,
            )
        )  # fmt: skip
        self._show(
            {
                "loss/current": losses[-1],
                "loss/average": average,
                "loss/plain_current": plain[-1],
                "loss/plain_average": plain_average,
                "lr/unet": rates.denoiser,
                "lr/textencoder": rates.text,
                "speed/steps_per_second": speed,
                **_of_groups(rates),
            },
            step,
            epoch,
        )
        if step == self.first_step + ESTIMATE_AFTER:
            self.tell(events.Notice(f"⏳ {speed:.1f} steps a second: about {_duration(left)} to go."))

    def norms(self, epoch: int, step: int, norms: Norms | None) -> None:
        """Log the lengths of the update's layers, where they are limited, by sd-scripts' names."""
        if norms:
            values = {
                "keys_scaled": norms.scaled,
                "average_key_norm": norms.mean,
                "max_key_norm": norms.largest,
            }
            self._show({f"max_norm/{name}": value for name, value in values.items()}, step, epoch)

    def epoch(self, epoch: int, step: int, losses: Sequence[float], plain: Sequence[float]) -> None:
        """Log a finished epoch; all of it is on disk on return, before the state that counts it as done."""
        average, plain_average = _mean(losses), _mean(plain)
        self._write(events.EpochLog(epoch, step, average, plain_average))
        averages = {"loss/epoch_average": average, "loss/plain_epoch_average": plain_average}
        self._show(averages, step, epoch, by_epoch=True)
        if self.file:
            self.file.settle()
        for board in self.boards:
            board.flush()

    def validated(self, found: Sequence[events.Validated]) -> None:
        """Log what a check found."""
        for event in found:
            self._write(event)
            self._show({f"loss/validation_{event.name}": event.loss}, event.step, event.epoch)

    def spent(self, event: events.Spent) -> None:
        """Log where the time went."""
        self._write(event)
        shares = {f"time/{name}": seconds for name, seconds in event.seconds.items()}
        self._show({**shares, "memory/GB": event.memory / 1e9}, event.step, event.epoch)

    def drawn(self, event: events.Drawn, prompts: Sequence[str]) -> None:
        """Show samples, each with its prompt."""
        for board in self.boards:
            board.show(event, prompts)

    def __enter__(self) -> Self:
        """The log itself."""
        return self

    def __exit__(self, *error: object) -> None:
        """Flush and close the files, whatever happened."""
        if self.file:
            self.file.close()
        for board in self.boards:
            board.close()

    def _write(self, event: events.StepLog | events.EpochLog | events.Validated | events.Spent) -> None:
        self.tell(event)
        if self.file:
            self.file.write(events.to_line(event))

    def _show(self, values: dict[str, float], step: int, epoch: int, by_epoch: bool = False) -> None:
        for board in self.boards:
            board.add(Figures(values, step, epoch, by_epoch))


def _of_groups(rates: Rates) -> dict[str, float]:
    """Each group's rate, and what it comes to with the factor found, as sd-scripts names it."""
    found = {f"lr/{name}": rate for name, rate in rates.groups.items()}
    if rates.factor is not None:
        found |= {f"lr/d*lr/{name}": rates.factor * rate for name, rate in rates.groups.items()}
    return found


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def _forget_after(path: Path, step: int) -> None:
    """Drop what a killed run logged after the state it is continued from."""
    if path.exists():
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        kept = [line for line in lines if _step_of(line) <= step]
        files.write_text(path, "".join(line + "\n" for line in kept))


def _step_of(line: str) -> float:
    try:
        return float(files.from_json(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _duration(seconds: float) -> str:
    """Seconds as a person says them."""
    if seconds < 90:
        return f"{seconds:.0f} seconds"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3600:.1f} hours"
