"""How a file gets from here to the person's own disk: a link in JupyterLab, a button on Colab."""

import os
from collections.abc import Callable
from html import escape
from pathlib import Path
from urllib.parse import quote

import ipywidgets as W

from lora_nb.forms.follow import sentence
from lora_nb.forms.presses import Presses
from lora_nb.shell import colab


def link(path: Path) -> W.Output:
    """A link that downloads a file through the Jupyter server, relative to the notebook's folder.

    In an output, not in an HTML widget: only there the front end finds files by relative names. Its own
    append_display_data would make an IPython shell where there is none.
    """
    name = quote(Path(os.path.relpath(path, Path.cwd())).as_posix())
    words = f"Download {path.name}"
    shown = f'<a href="{name}" download="{escape(path.name)}">{escape(words)}</a>'
    data = {"text/plain": words, "text/html": shown}
    return W.Output(outputs=({"output_type": "display_data", "data": data, "metadata": {}},))


def offer(path: Path, said: W.HTML, presses: Presses) -> W.Widget:
    """What downloads `path` when it is pressed; `said` then shows what came of it."""
    if not colab.is_colab():
        return link(path)
    button = W.Button(
        description=path.name, icon="download", layout=W.Layout(width="auto", min_width="260px")
    )
    button.on_click(lambda _: presses.carry_out(_offering(path, said)))
    return button


def _offering(path: Path, said: W.HTML) -> Callable[[], None]:
    def offering() -> None:
        try:
            said.value = sentence(colab.offer_download(path), "good")
        except ValueError as error:
            said.value = sentence(str(error), "bad")

    return offering
