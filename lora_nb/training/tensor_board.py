"""TensorBoard's figures, which no training ends over."""

from collections.abc import Callable, Sequence
from pathlib import Path

from torch.utils.tensorboard import SummaryWriter

from lora_nb.events import Drawn, Notice, Tell
from lora_nb.training.board import Figures


class TensorBoard:
    """Scalars of a run. While they cannot be written the training goes on without them, which is told once."""

    def __init__(self, folder: Path, first_step: int, tell: Tell):
        self.folder, self.tell, self.told = folder, tell, False
        self.writer: SummaryWriter | None = None
        self._try(lambda: self._open(first_step))

    def _open(self, first_step: int | None) -> None:
        self.writer = SummaryWriter(str(self.folder), purge_step=first_step)

    def add(self, figures: Figures) -> None:
        """Note figures."""
        for name, value in figures.values.items():
            if self.writer is not None:
                self._try(lambda name=name, value=value: self.writer.add_scalar(name, value, figures.x))

    def show(self, drawn: Drawn, prompts: Sequence[str]) -> None:
        """Nothing: samples lie in the run's folder as pictures, beside these figures."""

    def flush(self) -> None:
        """Have on disk what was noted; where that failed before, begin a file for what comes."""
        self._try(self.writer.flush if self.writer is not None else lambda: self._open(None))

    def close(self) -> None:
        """Flush and close the file."""
        if self.writer is not None:
            self._try(self.writer.close)
        self.writer = None

    def _try(self, write: Callable[[], object]) -> None:
        try:
            write()
        except OSError as error:
            self.writer = None
            if not self.told:
                why = f"TensorBoard's figures cannot be written to {self.folder} ({error.strerror or error})"
                text = f"{why}: the training goes on without them, and metrics.jsonl has the losses."
                self.tell(Notice(text, "warning"))
            self.told = True
