"""Captions beside which no picture stands."""

from pathlib import Path

from lora_nb import files
from lora_nb.dataset import captions, gate
from lora_nb.dataset.gate import Move
from lora_nb.dataset.images import IMAGE_EXTENSIONS
from lora_nb.project import folders_of_dataset


def find(dataset: Path) -> list[Path]:
    """The captions in a dataset folder and its direct sub-folders that no picture has."""
    found = []
    places = [
        dataset,
        *sorted(place for place in dataset.iterdir() if place.is_dir() and place.name[0] != "."),
    ]
    for place in places:
        here = sorted(path for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
        stems = {path.stem for path in here if path.suffix.lower() in IMAGE_EXTENSIONS}
        found += [
            path for path in here if path.suffix == captions.CAPTION_EXTENSION and path.stem not in stems
        ]
    return found


def set_aside(dataset: Path) -> int:
    """How many of them moved into `set_aside/`; none is overwritten, and `undo` brings them back."""
    dataset = Path(dataset).absolute()
    folders = folders_of_dataset(dataset)
    with gate.step(dataset, "set_orphans_aside") as changes:
        moves = []
        for path in find(dataset):
            target = files.free_name(folders.set_aside / path.relative_to(dataset))
            moves.append([Move(path, target)])
        changes.move(moves)
    return len(moves)
