"""What only Google Colab has: a Drive to mount, downloads to offer, secrets to read, a runtime to give back."""

import importlib
import importlib.util
import re
from pathlib import Path

DRIVE = Path("/content/drive")


def is_colab() -> bool:
    """Whether this kernel runs on Colab."""
    try:
        return importlib.util.find_spec("google.colab") is not None
    except ModuleNotFoundError:
        return False


def mount_drive() -> Path:
    """The folder that holds Loras/: MyDrive (mounted if need be) on Colab, the current folder elsewhere.

    Raises ValueError when the person does not let the notebook have the Drive.
    """
    if not is_colab():
        return Path.cwd()
    if not (DRIVE / "MyDrive").is_dir():
        try:
            importlib.import_module("google.colab.drive").mount(str(DRIVE))
        except Exception as error:
            raise ValueError(
                f"Google Drive is not connected ({error}): run this cell again and allow it"
            ) from error
    return DRIVE / "MyDrive"


def offer_download(path: Path) -> str:
    """One sentence about where `path` is; on Colab the browser also starts to download it."""
    if not path.is_file():
        raise ValueError(f"{path} is not there to download")
    if not is_colab():
        return f"It is here: {path.resolve()}"
    importlib.import_module("google.colab.files").download(str(path))
    return f"Your browser downloads {path.name}; it also stays in {path.parent}"


def read_secret(name: str) -> str | None:
    """A value from Colab's Secrets (the key symbol), or None outside Colab, without it or without leave."""
    if not is_colab():
        return None
    userdata = importlib.import_module("google.colab.userdata")
    try:
        return userdata.get(name)
    except (userdata.SecretNotFoundError, userdata.NotebookAccessError, userdata.TimeoutException):
        return None


def release_runtime() -> str:
    """Give this Colab runtime back, which ends this very kernel; elsewhere nothing. One sentence that says which.

    Only for who asked for it: what is not on the Drive is lost. The caller says its last words before.
    """
    if not is_colab():
        return "This is not Colab: there is no runtime to release, and nothing was done."
    importlib.import_module("google.colab.runtime").unassign()
    return "The Colab runtime is released: it uses up no more of your time."


def reachable(address: str) -> str:
    """The address under which the browser reaches a server on the kernel's machine: Colab's own way in there."""
    if not is_colab():
        return address
    match = re.fullmatch(r"http://127\.0\.0\.1:(\d+)(/.*)?", address)
    proxied = importlib.import_module("google.colab.output").eval_js(
        f"google.colab.kernel.proxyPort({match[1]})"
    )
    return proxied.rstrip("/") + (match[2] or "")
