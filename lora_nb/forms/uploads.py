"""Files a person gives through the upload button."""

import tempfile
from pathlib import Path
from typing import Any

import ipywidgets as W

ACCEPT = ".zip,.txt,.jpg,.jpeg,.png,.webp,.bmp,.avif"
HINT = "a zip or pictures from this computer, up to some 10 MB; then press the button below"


class Upload:
    """The upload button. `take()` gives a zip or a folder with what was uploaded, on the machine's own disk."""

    def __init__(self) -> None:
        self.button = W.FileUpload(
            accept=ACCEPT, multiple=True, description="Or upload", layout=W.Layout(width="160px")
        )
        note = W.HTML(f'<span style="opacity:.7">{HINT}</span>')
        self.widget = W.HBox([self.button, note], layout=W.Layout(margin="2px 0 2px 213px"))

    def take(self) -> Path | None:
        """Where the uploaded files now lie; None when nothing was uploaded since the last time."""
        given = uploaded(self.button.value)
        self._empty()
        if not given:
            return None
        folder = Path(tempfile.mkdtemp(prefix="lora_nb-upload-"))
        for name, content in given:
            (folder / name).write_bytes(content)
        archives = [name for name, _ in given if name.lower().endswith(".zip")]
        if archives and len(given) > 1:
            raise ValueError("give one .zip file, or pictures, but not both at once")
        return folder / archives[0] if archives else folder

    def _empty(self) -> None:
        self.button.set_trait("value", type(self.button.value)())
        if hasattr(self.button, "_counter"):  # ipywidgets 7 shows it on the button
            self.button._counter = 0


def uploaded(value: Any) -> list[tuple[str, bytes]]:
    """(name, content) of each file: ipywidgets 7 keeps a dict by name, ipywidgets 8 a tuple of dicts."""
    if isinstance(value, dict):
        return [(Path(name).name, bytes(entry["content"])) for name, entry in value.items()]
    return [(Path(entry["name"]).name, bytes(entry["content"])) for entry in value]
