"""Names of the folders and files of one project."""

import os
import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path

# What a file may not be called, here or on Windows, to which it may be carried.
NO_FILE_SIGNS = frozenset('/\\:*?"<>|')
CONTROL = ("Cc", "Cs")  # control characters, and bytes that are no UTF-8
RESERVED = re.compile(r"CON|PRN|AUX|NUL|(COM|LPT)[0-9]")
# Of 255 bytes, what remains beside "-step1000000.safetensors" and the temporary file's dot, number and ".tmp".
LONGEST_NAME = 255 - 24 - 14
FORBIDDEN = re.compile(r"[\s.()\"'\\:*?<>|]")


@dataclass(frozen=True)
class Folders:
    """Where one project's things lie. `base` is `Loras/<project>`."""

    base: Path

    @property
    def dataset(self) -> Path:
        return self.base / "dataset"

    @property
    def set_aside(self) -> Path:
        return self.base / "set_aside"

    @property
    def versions(self) -> Path:
        return self.base / "versions"

    @property
    def output(self) -> Path:
        return self.base / "output"

    @property
    def samples(self) -> Path:
        return self.base / "samples"

    @property
    def logs(self) -> Path:
        return self.base / "logs"

    @property
    def report(self) -> Path:
        return self.base / "report"

    @property
    def state(self) -> Path:
        return self.base / "state"

    @property
    def jobs(self) -> Path:
        return self.logs / "jobs"

    @property
    def metrics(self) -> Path:
        return self.logs / "metrics.jsonl"

    @property
    def handover(self) -> Path:
        return self.base / "project.toml"

    @property
    def run(self) -> Path:
        return self.base / "run.toml"

    def create(self) -> None:
        """Make the folders a newcomer looks for."""
        for folder in (self.dataset, self.output):
            folder.mkdir(parents=True, exist_ok=True)


def check_project_name(name: str) -> str:
    """`name`, or ValueError saying what a project name may hold."""
    parts = name.split("/")
    if not name or FORBIDDEN.search(name) or len(parts) > 2 or not all(parts):
        raise ValueError(
            f'project name "{name}" is not usable: write letters, digits, - and _ '
            "(one / makes a sub-project), without spaces or dots"
        )
    return name


def check_output_name(name: str) -> str:
    """`name`, or ValueError saying why no file system (Windows' too) would take the files called after it."""
    wrong = next(
        (sign for sign in name if sign in NO_FILE_SIGNS or unicodedata.category(sign) in CONTROL), ""
    )
    length, reserved = len(os.fsencode(name)), name.split(".")[0].strip().upper()
    fault = ""
    if wrong:
        fault = f"it holds {wrong!r}; write letters, digits, - and _"
    elif not name or name.startswith(".") or name.endswith((".", " ")):
        fault = "it must not be empty, begin with a dot, or end with a dot or a space"
    elif RESERVED.fullmatch(reserved):
        fault = f"Windows keeps the name {reserved} for a device; add a word"
    elif length > LONGEST_NAME:
        fault = (
            f"it is {length} bytes long, and with what the files add only {LONGEST_NAME} fit in a file name"
        )
    if fault:
        raise ValueError(f'output_name = "{readable(name)}" is not usable: {fault}')
    return name


def check_utf8(folder: Path) -> None:
    """Raises ValueError for a folder whose name is not UTF-8: it could not be written into any file."""
    try:
        str(folder).encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError(
            f"the folder {readable(str(folder))} has a name that is not UTF-8 (\\x.. stands for a byte that is no "
            "letter): rename it, best to plain letters"
        ) from None


def readable(text: str) -> str:
    """`text` in one line that can be shown: control characters and bytes that are no UTF-8 are written out."""
    shown = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return "".join(repr(sign)[1:-1] if unicodedata.category(sign) == "Cc" else sign for sign in shown)


def project_folders(root: Path, name: str) -> Folders:
    """The folders of project `name` under `root`, in the layout `root/Loras/<project>`. Nothing is created."""
    return Folders(Path(root) / "Loras" / check_project_name(name))


def folders_of_dataset(train_data_dir: Path) -> Folders:
    """The project a dataset folder belongs to: its parent."""
    return Folders(Path(train_data_dir).absolute().parent)


def folders_of_output(output_dir: Path) -> Folders:
    """The project an output folder belongs to: its parent if it is called "output", else the folder itself."""
    output_dir = Path(output_dir).absolute()
    return Folders(output_dir.parent if output_dir.name == "output" else output_dir)


def lora_file_name(output_name: str, epoch: int) -> str:
    """`name-01.safetensors` for epoch 1; every saved epoch is numbered, the last one too."""
    return f"{output_name}-{epoch:02d}.safetensors"


def lora_files(output_dir: Path, output_name: str) -> list[Path]:
    """The numbered LoRA files of `output_name`, in the order of their epochs."""
    pattern = re.compile(re.escape(output_name) + r"-(\d+)\.safetensors")
    numbered = [
        (int(match[1]), path)
        for path in Path(output_dir).glob("*.safetensors")
        if (match := pattern.fullmatch(path.name))
    ]
    return [path for _, path in sorted(numbered)]
