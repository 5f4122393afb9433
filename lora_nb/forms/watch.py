"""The sentence that a form shows when nobody hears its buttons any more: its kernel was restarted."""

from pathlib import Path
from typing import Any

import anywidget


class Watch(anywidget.AnyWidget):
    """Answers what the page asks after a press on a button beside it; the page says when no answer comes.

    Shows nothing while all is well. One is enough for many forms: each shows it in a place of its own.
    """

    _esm = Path(__file__).with_suffix(".js").read_text(encoding="utf-8")

    def __init__(self) -> None:
        super().__init__()
        self.on_msg(_answer)


def _answer(watch: Watch, message: Any, buffers: Any) -> None:
    if isinstance(message, dict) and isinstance(message.get("ask"), int):
        watch.send({"re": message["ask"]})
