"""How fast a model works through the pictures, told with how far it is."""

import time
from collections.abc import Callable

from lora_nb.events import Progress, Tell


def paced(
    stage: str, total: int, tell: Tell, now: Callable[[], float] = time.monotonic
) -> Callable[[int], None]:
    """Tells how many of `total` are done and, from the first on, how many a second since this call."""
    begin = now()

    def told(done: int) -> None:
        seconds = now() - begin
        tell(Progress(stage, done, total, per_second=done / seconds if done and seconds > 0 else 0.0))

    return told
