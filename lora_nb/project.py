"""Names of the folders and files of one project."""

import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from lora_nb.wording import readable

LORAS = "Loras"  # the folder that holds the projects
COMPARED = "compared.html"  # in a folder of runs: some of them beside each other
QUEUE = ".queue"  # beside the projects: the runs that wait for this machine
# What a file may not be called, here or on Windows, to which it may be carried.
NO_FILE_SIGNS = frozenset('/\\:*?"<>|')
CONTROL = ("Cc", "Cs")  # control characters, and bytes that are no UTF-8
RESERVED = re.compile(r"CON|PRN|AUX|NUL|(COM|LPT)[0-9]")
# Of 255 bytes, what remains beside "-step1000000.safetensors" and the temporary file's dot, number and ".tmp".
LONGEST_NAME = 255 - 24 - 14
FORBIDDEN = re.compile(r"[\s.()\"'\\:*?<>|]")
BESIDE = ("safetensors", "json", "png")  # endings of a LoRA file, its sidecar and its preview


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
    def runs(self) -> Path:
        return self.base / "runs"

    @property
    def export(self) -> Path:
        return self.base / "export"

    @property
    def report(self) -> Path:
        return self.base / "report"

    @property
    def scores(self) -> Path:
        return self.base / "scores"

    @property
    def jobs(self) -> Path:
        return self.base / "jobs"

    @property
    def handover(self) -> Path:
        return self.base / "project.toml"

    def create(self) -> None:
        """Make the folders a newcomer looks for."""
        for folder in (self.dataset, self.output):
            folder.mkdir(parents=True, exist_ok=True)


@dataclass(frozen=True)
class Before:
    """Where versions without `runs/` kept what belongs to runs: one place for all runs of a project."""

    base: Path

    @property
    def samples(self) -> Path:
        return self.base / "samples"

    @property
    def state(self) -> Path:
        return self.base / "state"

    @property
    def run(self) -> Path:
        return self.base / "run.toml"

    @property
    def metrics(self) -> Path:
        return self.base / "logs" / "metrics.jsonl"

    @property
    def tensorboard(self) -> Path:
        return self.base / "logs" / "tensorboard"

    @property
    def jobs(self) -> Path:
        return self.base / "logs" / "jobs"


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


def project_folders(root: Path, name: str) -> Folders:
    """The folders of project `name` under `root`, in the layout `root/Loras/<project>`. Nothing is created."""
    return Folders(Path(root) / LORAS / check_project_name(name))


def name_of(folders: Folders) -> str:
    """What a project is called: its path below Loras/, or its folder's name elsewhere."""
    parts = folders.base.absolute().parts
    below = parts[len(parts) - parts[::-1].index(LORAS) :] if LORAS in parts else ()
    return "/".join(below) or folders.base.name


def is_project(folders: Folders) -> bool:
    """Whether these are the folders of a project below Loras/, and not somebody's own."""
    return LORAS in folders.base.absolute().parts[:-1]


def existing(root: Path) -> list[str]:
    """The names of the projects under `root` that have a dataset, the last one worked on first."""
    found = sorted(Path(root).glob("Loras/*/dataset")) + sorted(Path(root).glob("Loras/*/*/dataset"))
    bases = [path.parent for path in found if path.is_dir() and not _is_inside_a_project(path.parent)]
    names = {base: base.relative_to(Path(root) / "Loras").as_posix() for base in bases}
    usable = [base for base, name in names.items() if _is_usable(name)]
    return [names[base] for base in sorted(usable, key=_last_work, reverse=True)]


def _is_inside_a_project(base: Path) -> bool:
    """Whether this is one of a project's own folders, such as a sub-folder "dataset" of its dataset."""
    folders = Folders(base.parent)
    own = (getattr(folders, name) for name, member in vars(Folders).items() if isinstance(member, property))
    return folders.dataset.is_dir() and base in own


def _is_usable(name: str) -> bool:
    try:
        return bool(check_project_name(name))
    except ValueError:
        return False


def _last_work(base: Path) -> float:
    """When something in a project changed last: a picture, a caption, a setting, a job, a result."""
    folders, before = Folders(base), Before(base)
    places = [
        folders.handover, folders.dataset, folders.set_aside, folders.output, folders.report, folders.jobs,
        before.run, before.samples, before.state, before.jobs, before.metrics,
        *(path for path in folders.dataset.iterdir() if path.is_dir()),
        *folders.runs.glob("*"), *folders.runs.glob("*/samples"), *folders.runs.glob("*/metrics.jsonl"),
    ]  # fmt: skip
    return max(path.stat().st_mtime for path in places if path.exists())


def folders_of_dataset(train_data_dir: Path) -> Folders:
    """The project a dataset folder belongs to: its parent."""
    return Folders(Path(train_data_dir).absolute().parent)


def folders_of_output(output_dir: Path) -> Folders:
    """The project an output folder belongs to: its parent if it is called "output", else the folder itself."""
    output_dir = Path(output_dir).absolute()
    return Folders(output_dir.parent if output_dir.name == "output" else output_dir)


def queue_of(folders: Folders) -> Path:
    """The folder of the queue that a project's runs stand in: one for all projects of a Loras/.

    No project can have its name, for it begins with a dot. A folder elsewhere has a queue of its own.
    """
    base = folders.base.absolute()
    above = next((place for place in base.parents if place.name == LORAS), base)
    return above / QUEUE


def queue_in(root: Path) -> Path:
    """The folder of the queue for a person who is in `root`: above Loras/, in it, in a project, or elsewhere."""
    root = Path(root).absolute()
    if (root / LORAS).is_dir():
        return root / LORAS / QUEUE
    return queue_of(Folders(root / "any" if root.name == LORAS else root))


def lora_file_name(output_name: str, epoch: int) -> str:
    """`name-01.safetensors` for epoch 1; every saved epoch is numbered, the last one too."""
    return f"{output_name}-{epoch:02d}.safetensors"


def step_file_name(output_name: str, step: int) -> str:
    """`name-step000120.safetensors` for what is saved by hand after step 120."""
    return f"{output_name}-step{step:06d}.safetensors"


def state_file_name(output_name: str) -> str:
    """`name.state`: what a stopped run goes on from."""
    return f"{output_name}.state"


def lora_files(output_dir: Path, output_name: str) -> list[Path]:
    """The numbered LoRA files of `output_name`, in the order of their epochs."""
    return numbered(output_dir, partial(lora_file_name, output_name))


def run_files(output_dir: Path, output_name: str) -> list[Path]:
    """Every LoRA file of `output_name`: numbered epochs, then those saved by hand at a step."""
    return lora_files(output_dir, output_name) + numbered(output_dir, partial(step_file_name, output_name))


def is_of_run(file_name: str, output_name: str) -> bool:
    """Whether a run called `output_name` writes a file of this very name: LoRA, sidecar, preview or state."""
    if file_name == state_file_name(output_name):
        return True
    stem, _, ending = file_name.rpartition(".")
    names = (partial(lora_file_name, output_name), partial(step_file_name, output_name))
    return ending in BESIDE and any(_number(f"{stem}.safetensors", name) is not None for name in names)


def numbered(folder: Path, name: Callable[[int], str]) -> list[Path]:
    """The files in `folder` that are called exactly `name(n)`, in the order of n."""
    found = {path: _number(path.name, name) for path in folder.iterdir()} if folder.is_dir() else {}
    return sorted((path for path in found if found[path] is not None), key=found.__getitem__)


def _number(file_name: str, name: Callable[[int], str]) -> int | None:
    """The n of `name(n)` that is exactly `file_name`; the first may go without a number."""
    numbers = (*map(int, re.findall(r"\d+", file_name)[-1:]), 1)
    return next((number for number in numbers if name(number) == file_name), None)
