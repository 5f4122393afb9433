"""Files of a run taken to where they are used: into a folder or a WebUI, or as one zip."""

import filecmp
import shutil
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_nb import files
from lora_nb.config.results import CopyConfig, PackConfig
from lora_nb.events import Progress, Tell
from lora_nb.results.run_files import RunFile, chosen, folder_of

# Where WebUIs look for LoRA files: A1111, Forge; ComfyUI; InvokeAI's import folder has no fixed place.
WEBUIS = (Path("models") / "Lora", Path("models") / "loras")


@dataclass(frozen=True)
class Copied:
    """What was copied, and what lay there already with the same bytes."""

    folder: Path
    new: tuple[Path, ...]
    there: tuple[Path, ...]


def copy(config: CopyConfig, tell: Tell) -> Copied:
    """Copy files with sidecar and preview. Raises ValueError, before anything is copied, where a name is taken."""
    wanted = chosen(config)
    folder = _folder(config.to)
    pairs = _pairs(wanted, folder, config.new_name)
    equal = [(old, new) for old, new in pairs if new.exists() and filecmp.cmp(old, new, shallow=False)]
    taken = [new for old, new in pairs if new.exists() and (old, new) not in equal]
    if taken:
        raise ValueError(
            f"{folder} has another file called {taken[0].name}, which is left as it is: give one file at a time "
            "with another name (new_name), or another folder"
        )
    todo = [pair for pair in pairs if pair not in equal]
    for number, (old, new) in enumerate(todo):
        tell(Progress("Copying", number, len(todo)))
        with files.replacing(new) as temporary:
            shutil.copyfile(old, temporary)
            if not filecmp.cmp(old, temporary, shallow=False):
                raise OSError(5, "what was copied cannot be read back", str(new))
    tell(Progress("Copying", len(todo), len(todo)))
    return Copied(folder, tuple(new for _, new in todo), tuple(new for _, new in equal))


def _folder(to: str) -> Path:
    """The folder to copy into; of a WebUI, the one it looks into."""
    if not to.strip():
        raise ValueError("to is empty: give the folder to copy to, such as that of your WebUI")
    folder = Path(to).expanduser()
    if folder.is_file():
        raise ValueError(f"{folder} is a file: give a folder")
    return next((folder / inner for inner in WEBUIS if (folder / inner).is_dir()), folder)


def _pairs(wanted: Sequence[RunFile], folder: Path, new_name: str) -> list[tuple[Path, Path]]:
    name = Path(new_name.strip()).name.removesuffix(".safetensors")
    if name != new_name.strip().removesuffix(".safetensors"):
        raise ValueError(f"new_name = {new_name!r} is a path: give a name alone; `to` is the folder")
    if name and len(wanted) > 1:
        raise ValueError(f"new_name is for one file, and these are {len(wanted)}: say which (lora_files)")
    stem = {path: name or path.stem for file in wanted for path in file.parts}
    return [(path, folder / f"{stem[path]}{path.suffix}") for path in stem]


def pack(config: PackConfig, tell: Tell) -> Path:
    """One zip of the files with sidecars and previews, in the run's folder; one that was made before is replaced."""
    wanted, own = chosen(config), folder_of(config)
    paths = [path for file in wanted for path in file.parts]
    paths += [path for path in (own.base / "README.md", own.settings) if path.is_file()]
    made = own.base / f"{own.base.name}.zip"
    with (
        files.replacing(made) as temporary,
        zipfile.ZipFile(temporary, "w", strict_timestamps=False) as archive,
    ):
        for number, path in enumerate(paths):
            tell(Progress("Packing", number, len(paths)))
            archive.write(path, path.name)
    tell(Progress("Packing", len(paths), len(paths)))
    return made
