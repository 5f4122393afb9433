"""What a board is: a place that shows the figures of a running training."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from lora_nb.events import Drawn


@dataclass(frozen=True)
class Figures:
    """Scalars by their names, as they were after `step` in `epoch`; those `by_epoch` are drawn over the epochs."""

    values: Mapping[str, float]
    step: int
    epoch: int
    by_epoch: bool = False

    @property
    def x(self) -> int:
        """What they are drawn over."""
        return self.epoch if self.by_epoch else self.step


class Board(Protocol):
    """Takes what is to be shown. None of it raises or waits for a net: no training ends over it, or is held up."""

    def add(self, figures: Figures) -> None:
        """Note figures."""

    def show(self, drawn: Drawn, prompts: Sequence[str]) -> None:
        """Note samples, each with its prompt."""

    def flush(self) -> None:
        """Have on disk, or on its way, what was noted."""

    def close(self) -> None:
        """Flush, and be done."""
