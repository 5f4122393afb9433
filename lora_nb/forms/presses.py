"""Where a press is carried out: in the one event loop that the cells run in, whichever thread it arrives in."""

import asyncio
from collections.abc import Callable
from typing import Any


class Presses:
    """The event loop of a notebook's cells, and the way into it.

    JupyterLab delivers presses and typed values in another thread with an event loop of its own (ipykernel 7), which
    ends with the page; Colab in the cells' own. What they ask for is done in the cells' loop in either case: no state
    is touched from two threads, and no task is awaited across loops.
    """

    def __init__(self) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.settle_here()

    def settle_here(self) -> None:
        """Take the loop of the cell that runs, unless that of an earlier one still works."""
        if self.loop is None or self.loop.is_closed():
            self.loop = _running_loop()

    def carry_out(self, act: Callable[[], Any]) -> None:
        """Call `act` in the cells' loop: at once where this is it, else as soon as that loop is free."""
        if self.loop is None or self.loop.is_closed() or self.loop is _running_loop():
            act()
        else:
            self.loop.call_soon_threadsafe(act)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
