"""The sentence that a form shows when nobody hears its buttons any more: its kernel was restarted."""

from functools import cache
from pathlib import Path
from typing import Any

import ipywidgets as W

MODULE = Path(__file__).with_suffix(".js")


def watch() -> W.Widget:
    """A widget that answers what the page asks after a press on a button beside it; the page says when nobody does.

    Shows nothing while all is well. One is enough for many forms: each shows it in a place of its own.
    """
    made = _page_class()()
    made.on_msg(_answer)
    return made


@cache
def _page_class() -> type[W.Widget]:
    """The widget's class; anywidget is imported with the first form, not with this module."""
    import anywidget

    class Page(anywidget.AnyWidget):
        _esm = MODULE

    return Page


def _answer(page: Any, message: Any, buffers: Any) -> None:
    if isinstance(message, dict) and isinstance(message.get("ask"), int):
        page.send({"re": message["ask"]})
