"""The gallery in the page: one anywidget that carries questions and answers, and holds nothing itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anywidget

from lora_nb.overview.answers import Answers


class GalleryWidget(anywidget.AnyWidget):
    """A view of what `answers` answers, first through a filter. `greeted` is called when it has loaded in the page."""

    _esm = Path(__file__).with_name("gallery.js")

    def __init__(self, answers: Answers, greeted: Callable[[], None], text: str = "") -> None:
        super().__init__()
        self.answers, self.greeted, self.text = answers, greeted, text
        self.on_msg(self._take)

    def _take(self, _: Any, content: Any, buffers: Any) -> None:
        for answer, parts in self.answers.to(content):
            self.send({**answer, "filter": self.text} if "protocol" in answer else answer, parts)
        if isinstance(content, dict) and content.get("op") == "hello":
            self.greeted()

    def _repr_mimebundle_(self, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any]] | None:
        """As anywidget's, with words for a saved or printed notebook."""
        made = super()._repr_mimebundle_(**kwargs)
        if made:
            made[0]["text/plain"] = self.words
        return made

    @property
    def words(self) -> str:
        """What a saved or printed notebook shows in its place."""
        return words_for(self.answers)

    def renew(self) -> None:
        """Let the page look again: something changed."""
        self.send({"op": "changed"})

    def show(self, text: str) -> None:
        """Let the page show what this filter means, now and when it is loaded again."""
        self.text = text
        self.send({"op": "filter", "text": text})


def words_for(answers: Answers) -> str:
    """What a saved or printed notebook shows in the gallery's place."""
    number = sum(not entry.is_aside for entry in answers.gallery.entries.values())
    return f"Gallery of {number} pictures: run the cell"
