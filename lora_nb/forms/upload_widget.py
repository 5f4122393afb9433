"""The place of a form that files are dropped on: they arrive in pieces while it shows how far they are."""

from collections.abc import Callable
from functools import cache
from html import escape
from pathlib import Path
from typing import Any

import ipywidgets as W

from lora_nb.intake.uploads import Uploads
from lora_nb.project import Folders
from lora_nb.shell import colab

MODULE = Path(__file__).with_name("upload.js")
SECONDS_TO_LOAD = 5
ON_COLAB = "open the list of files at the left (the folder symbol), drag them into it"
ELSEWHERE = "drag them into the list of files at the left, or copy them onto this machine"


class Upload:
    """The upload of a step. `source()` is what arrived; `use` says for which project, `clear` that it was imported."""

    def __init__(self) -> None:
        self.core: Uploads | None = None
        self.page: Any = None
        self.late = W.HTML(_late())
        self.widget = W.VBox([self.late], layout=W.Layout(width="100%"))

    def use(self, folders: Folders) -> None:
        """Take and show what arrives for this project."""
        self.core = Uploads(folders.base, colab.is_colab())
        if self.page is not None:
            self.page.send({"op": "reset"})

    def source(self) -> Path | None:
        """A zip or a folder with what arrived, on the machine's own disk; None when nothing did."""
        return self.core.source() if self.core else None

    def clear(self) -> None:
        """What arrived was imported."""
        if self.core and self.core.arrived():
            self.core.clear()
            if self.page is not None:
                self.page.send({"op": "reset"})

    def empty(self) -> None:
        """Forget the project; what arrived for it stays for it."""
        self.core = None

    def waits(self) -> str:
        """A sentence about files that are only partly here; "" without one."""
        parts = self.core.under_way() if self.core else []
        names = ", ".join(f"{file.name} ({there / file.size:.0%})" for file, there in parts[:3])
        return f"Not whole yet: {names}. Choose it again to go on." if parts else ""

    def show(self) -> None:
        """Be there, where it is not yet."""
        if self.page is not None:
            return
        try:
            self.page = _page_class()()
        except ImportError as error:
            self.late.value = _sentence(f"The upload needs anywidget ({error})")
            return
        self.page.on_msg(lambda _, message, pieces: self._answer(message, pieces))
        self.widget.children = [self.page, self.late]

    def _answer(self, message: Any, pieces: list[Any]) -> None:
        """Answer the page: JupyterLab calls this in another thread, the core has a lock."""
        if not isinstance(message, dict):
            return
        if message.get("op") == "hello":
            self.late.value = ""
        if self.core is None:
            answer = {
                "re": message.get("seq"),
                "ok": False,
                "text": "Choose your project first, in the cell above.",
            }
        else:
            answer = self.core.answer(message, pieces)
        self.page.send(answer)


@cache
def _page_class() -> Callable[[], Any]:
    """The widget's class; anywidget is imported when the first step is shown, not with the forms."""
    import anywidget

    class Page(anywidget.AnyWidget):
        _esm = MODULE

        def _repr_mimebundle_(self, **kwargs: Any) -> Any:
            bundle = super()._repr_mimebundle_(**kwargs)
            data = bundle[0] if isinstance(bundle, tuple) else bundle
            if data is not None:
                data["text/plain"] = "Upload: run this cell"
            return bundle

    return Page


def _sentence(reason: str) -> str:
    how = ON_COLAB if colab.is_colab() else ELSEWHERE
    return (
        f'<div style="line-height:1.4">{escape(reason)}. Another way: {how}, and write the path '
        "above (right-click a file there: Copy path).</div>"
    )


def _late() -> str:
    """A sentence that shows itself after some seconds: the page takes it away when it is there."""
    return (
        "<style>@keyframes lora-nb-late{to{visibility:visible;height:auto}}</style>"
        '<div style="visibility:hidden;height:0;overflow:hidden;'
        f'animation:lora-nb-late 1ms {SECONDS_TO_LOAD}s forwards">'
        f"{_sentence('The upload did not load in this page')}</div>"
    )
