"""What a cell shows of a project, gone when another one is chosen."""

from typing import Protocol

import ipywidgets as W
from IPython.display import display


class Follower(Protocol):
    """What shows something of a project."""

    def forget(self) -> None:
        """Be as new: the project is another one."""


class Shown:
    """The widget that a cell put under itself."""

    def __init__(self) -> None:
        self.place = W.VBox(layout=W.Layout(width="100%"))

    def show(self, widget: W.Widget) -> None:
        """Put the widget under the cell that runs."""
        self.place = W.VBox([widget], layout=W.Layout(width="100%"))
        display(self.place)

    def forget(self) -> None:
        """Leave nothing of an earlier project."""
        self.place.children = ()
