"""Where the time of a run goes."""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import psutil
import torch

T = TypeVar("T")


class Clock:
    """Seconds by what they were spent on: "encoding", "data", "step", "sampling", "saving", "checking"."""

    def __init__(self, now: Callable[[], float] = time.monotonic):
        """Take the clock, in seconds, as `now`."""
        self.now = now
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @contextmanager
    def spent(self, what: str) -> Iterator[None]:
        """Count the time within as `what`."""
        start = self.now()
        try:
            yield
        finally:
            self.seconds[what] += self.now() - start

    def each(self, what: str, items: Iterable[T]) -> Iterator[T]:
        """The items; what it takes to get each of them counts as `what`."""
        items, end = iter(items), object()
        while True:
            with self.spent(what):
                item = next(items, end)
            if item is end:
                return
            yield item

    def take(self) -> dict[str, float]:
        """The seconds since this was asked last."""
        taken, self.seconds = dict(self.seconds), defaultdict(float)
        return taken


def most_memory(device: torch.device) -> float:
    """Bytes: on a GPU the most that tensors took so far, else what the process holds now."""
    if device.type == "cuda":
        return float(torch.cuda.max_memory_allocated(device))
    return float(psutil.Process().memory_info().rss)
