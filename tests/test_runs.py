import json
import os
from pathlib import Path

from lora_nb.project import Folders, lora_file_name
from lora_nb.runs import RunFolder, grid_file_name, inside, newest, newest_grid, run_folder


def test_a_run_has_a_folder_of_its_own_in_the_project_of_its_output(tmp_path: Path):
    cat = tmp_path / "Loras" / "cat"
    assert run_folder(cat / "output", "dark").base == cat / "runs" / "dark"
    assert run_folder(tmp_path / "elsewhere", "dark").base == tmp_path / "elsewhere" / "runs" / "dark"
    places = [
        getattr(run_folder(cat / "output", "dark"), name)
        for name, member in vars(RunFolder).items()
        if isinstance(member, property)
    ]
    assert len(set(places)) == len(places) and all(
        place.is_relative_to(cat / "runs" / "dark") for place in places
    )


def test_the_newest_run_is_the_one_started_last(tmp_path: Path):
    folders = Folders(tmp_path)
    assert newest(folders) is None
    for at, name in enumerate(("dark", "cat", "dog"), start=1):
        path = RunFolder(folders.runs / name).settings
        path.parent.mkdir(parents=True)
        path.touch()
        os.utime(path, (-at, -at))
    (folders.runs / "begun").mkdir()
    assert newest(folders) == RunFolder(folders.runs / "dark")


def test_what_lies_in_the_project_is_told_from_there(tmp_path: Path, monkeypatch):
    folders = Folders(tmp_path / "cat")
    monkeypatch.chdir(tmp_path)
    assert inside("cat/dataset", folders) == inside(str(tmp_path / "cat" / "dataset"), folders) == "dataset"
    assert inside("dog/dataset", folders) == "dog/dataset" and inside("", folders) == ""


def test_a_grid_is_of_the_run_whose_files_it_compares(tmp_path: Path):
    """A prompt may call any file; which run is compared stands in the legend beside the grid."""
    output, samples = tmp_path / "output", tmp_path / "samples"
    for folder in (output, samples):
        folder.mkdir()
    loras = [output / lora_file_name("cat", n) for n in (1, 2)]
    dark = output / lora_file_name("cat-dark", 1)
    for number, call in enumerate(("cat-01", "cat-dark-01", "cat-02"), start=1):
        write_grid(samples / grid_file_name(number), call, 1e9)
    for path in (*loras, dark):
        path.touch()
        os.utime(path, (2e9, 2e9))
    assert newest_grid(samples, loras) is None, "older than the files"
    for number, call in ((4, "cat-02"), (5, "cat-dark-01"), (6, "")):
        write_grid(samples / grid_file_name(number), call, 2e9 + number)
    (samples / "grid-my own.png").touch()
    (samples / "grid-7.png").touch()
    (samples / "grid-8.png").touch()
    (samples / "grid-8.json").write_text("{")
    assert newest_grid(samples, loras) == samples / "grid-4.png"
    assert newest_grid(samples, [dark]) == samples / "grid-5.png"
    assert newest_grid(tmp_path / "nowhere", loras) is None and newest_grid(samples, []) is None


def write_grid(path: Path, call: str, when: float) -> None:
    path.touch()
    os.utime(path, (when, when))
    pictures = [{"x": "01", "prompt": f"ohwx <lora:{call}:0.5>" if call else "ohwx"}]
    path.with_suffix(".json").write_text(json.dumps({"prompt": "ohwx", "pictures": pictures}))
