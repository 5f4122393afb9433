"""The gallery in the Dataset Maker: every picture with its caption, and what is done to them by hand."""

from typing import Any

import ipywidgets as W
from IPython.display import display

from lora_nb.forms.follow import sentence
from lora_nb.forms.paged_gallery import PagedGallery
from lora_nb.forms.project_step import ProjectStep
from lora_nb.overview.answers import Answers
from lora_nb.overview.gallery import Gallery
from lora_nb.project import Folders

LATE = "lora-nb-late"
# Hidden for as long as the part in the page may need to load; it says hello, and then this is not needed.
STYLE = f"""<style>.{LATE} {{visibility: hidden; animation: {LATE} 0s 5s forwards}}
@keyframes {LATE} {{to {{visibility: visible}}}}</style>"""
NOT_LOADED = (
    "If no pictures are shown here, the gallery did not load: its part in the page is missing (the package anywidget "
    "in JupyterLab's own environment; on Colab, the way to its server). The plain one needs nothing."
)


class GalleryStep:
    """The gallery of the chosen project. It has no button that a later step would wait for.

    Other steps call `refresh` when they changed something, and `look_at` to show what they found.
    """

    def __init__(self, project: ProjectStep) -> None:
        self.project = project
        self.answers: Answers | None = None
        self.view: Any = None  # a GalleryWidget, or a PagedGallery
        plain = W.Button(description="Show the plain gallery", layout=W.Layout(width="auto"))
        plain.on_click(lambda _: project.presses.carry_out(self.show_plain))
        self.hint = W.VBox([W.HTML(STYLE + sentence(NOT_LOADED, "warning")), plain])
        self.hint.add_class(LATE)
        self.place = W.VBox(layout=W.Layout(width="100%"))

    def show(self, filter: str = "") -> None:
        """Put the gallery under the cell that runs, with the pictures that a filter means."""
        self.project.presses.settle_here()
        self.place = W.VBox(layout=W.Layout(width="100%"))
        try:
            answers = self._answers()
        except (ValueError, OSError) as error:
            self.place.children = [W.HTML(sentence(str(error), "bad"))]
        else:
            self._fill(answers, filter)
        _display(self.place, self._words())

    def _answers(self) -> Answers:
        folders: Folders = self.project.folders()
        if self.answers is None or self.answers.gallery.folders != folders:
            self.answers = Answers(Gallery(folders))
        with self.answers.lock:  # the page asks in another thread
            self.answers.gallery.refresh(unless_within=1)
        return self.answers

    def _fill(self, answers: Answers, text: str) -> None:
        try:
            from lora_nb.forms.gallery_widget import GalleryWidget
        except ImportError:  # anywidget is not there
            self.show_plain(text)
            return
        self.hint.layout.display = ""
        self.view = GalleryWidget(answers, self._greeted, text)
        self.place.children = [self.hint, self.view]

    def _greeted(self) -> None:
        self.hint.layout.display = "none"

    def show_plain(self, text: str = "") -> None:
        """Show the gallery of core widgets instead."""
        self.view = PagedGallery(self._answers(), text)
        self.place.children = [self.view.widget]

    def look_at(self, filter: str) -> None:
        """Show what a filter means, such as finding:copy, in the gallery that is shown."""
        if self.view is not None:
            self.view.show(filter)

    def refresh(self, *_: Any) -> None:
        """Show what has become of the pictures, if the gallery is shown."""
        if self.view is not None:
            self.view.renew()

    def forget(self) -> None:
        """Leave nothing of an earlier project."""
        self.answers = self.view = None
        self.place.children = ()

    def _words(self) -> str:
        entries = self.answers.gallery.entries.values() if self.answers else ()
        return f"Gallery of {sum(not entry.is_aside for entry in entries)} pictures: run the cell"


def _display(widget: W.Widget, words: str) -> None:
    """Display a widget, with what a saved or printed notebook is to show in its place."""
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    kinds = {"application/vnd.jupyter.widget-view+json": view, "text/plain": words}
    display(kinds, raw=True)
