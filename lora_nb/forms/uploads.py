"""Files a person gives through the upload button."""

import tempfile
from pathlib import Path
from typing import Any

import ipywidgets as W

ACCEPT = ".zip,.txt,.jpg,.jpeg,.png,.webp,.bmp,.avif"
HINT = (
    "a zip or pictures from this computer, 10 MB together at most: more does not arrive, and nothing says so. "
    "What is larger goes onto this machine first (drag it into the file list at the left); its path goes above"
)
NOT_ARRIVED = (
    "No pictures have arrived. A file above 10 MB does not come through the upload button: put the zip on this machine "
    "(drag it into the file list at the left) and write its path above."
)


class Upload:
    """The upload button. `take()` gives a zip or a folder with what was uploaded, on the machine's own disk."""

    def __init__(self) -> None:
        self.button = W.FileUpload(
            accept=ACCEPT, multiple=True, description="Or upload", layout=W.Layout(width="160px")
        )
        note = W.HTML(
            f'<div style="line-height:1.3"><span style="opacity:.7">{HINT}</span></div>',
            layout=W.Layout(margin="2px 0 2px 8px", flex="1 1 240px"),
        )
        layout = W.Layout(margin="2px 0 2px 213px", align_items="center")
        self.widget = W.HBox([self.button, note], layout=layout)

    def take(self) -> Path | None:
        """Where the uploaded files now lie; None when nothing was uploaded since the last time."""
        given = uploaded(self.button.value)
        self.empty()
        if not given:
            return None
        folder = Path(tempfile.mkdtemp(prefix="lora_nb-upload-"))
        for name, content in given:
            (folder / name).write_bytes(content)
        archives = [name for name, _ in given if name.lower().endswith(".zip")]
        if archives and len(given) > 1:
            raise ValueError("give one .zip file, or pictures, but not both at once")
        return folder / archives[0] if archives else folder

    def empty(self) -> None:
        """Forget what was uploaded."""
        self.button.set_trait("value", type(self.button.value)())
        if hasattr(self.button, "_counter"):  # ipywidgets 7 shows it on the button
            self.button._counter = 0


def uploaded(value: Any) -> list[tuple[str, bytes]]:
    """(name, content) of each file: ipywidgets 7 keeps a dict by name, ipywidgets 8 a tuple of dicts."""
    if isinstance(value, dict):
        return [(Path(name).name, bytes(entry["content"])) for name, entry in value.items()]
    return [(Path(entry["name"]).name, bytes(entry["content"])) for entry in value]
