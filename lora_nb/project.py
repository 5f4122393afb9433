"""Names of the folders and files of one project."""

import re
from dataclasses import dataclass
from pathlib import Path

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


def project_folders(root: Path, name: str) -> Folders:
    """The folders of project `name` under `root`, in the layout `root/Loras/<project>`. Nothing is created."""
    return Folders(Path(root) / "Loras" / check_project_name(name))


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
    folders = Folders(base)
    places = [
        folders.handover, folders.run, folders.dataset, folders.set_aside, folders.output, folders.samples,
        folders.report, folders.state, folders.jobs, folders.metrics,
        *(path for path in folders.dataset.iterdir() if path.is_dir()),
    ]  # fmt: skip
    return max(path.stat().st_mtime for path in places if path.exists())


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
