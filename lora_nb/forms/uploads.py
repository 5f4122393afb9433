"""Files a person gives through the upload button."""

import tempfile
from pathlib import Path
from typing import Any

import ipywidgets as W

ACCEPT = ".zip,.txt,.jpg,.jpeg,.png,.webp,.bmp,.avif"
HINT = "a zip or pictures from this computer, up to some 10 MB; then press the button below"


class Upload:
    """The upload button. `source()` is a zip or a folder with what was given, on the machine's own disk."""

    def __init__(self) -> None:
        self.button = W.FileUpload(
            accept=ACCEPT, multiple=True, description="Or upload", layout=W.Layout(width="160px")
        )
        note = W.HTML(f'<span style="opacity:.7">{HINT}</span>')
        self.widget = W.HBox([self.button, note], layout=W.Layout(margin="2px 0 2px 178px"))

    def source(self) -> Path | None:
        """Where the uploaded files now lie; None when nothing was uploaded."""
        given = uploaded(self.button.value)
        if not given:
            return None
        folder = Path(tempfile.mkdtemp(prefix="lora_nb-upload-"))
        for name, content in given:
            (folder / name).write_bytes(content)
        archives = [name for name, _ in given if name.lower().endswith(".zip")]
        if archives and len(given) > 1:
            raise ValueError("give one .zip file, or pictures, but not both at once")
        return folder / archives[0] if archives else folder


def uploaded(value: Any) -> list[tuple[str, bytes]]:
    """(name, content) of each file: ipywidgets 7 keeps a dict by name, ipywidgets 8 a tuple of dicts."""
    if isinstance(value, dict):
        return [(Path(name).name, bytes(entry["content"])) for name, entry in value.items()]
    return [(Path(entry["name"]).name, bytes(entry["content"])) for entry in value]
