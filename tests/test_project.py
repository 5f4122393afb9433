import os
from pathlib import Path

import pytest

from lora_nb.project import (
    Folders,
    check_project_name,
    existing,
    folders_of_dataset,
    folders_of_output,
    is_of_run,
    lora_file_name,
    lora_files,
    project_folders,
    run_files,
    step_file_name,
)


@pytest.mark.parametrize("name", ["my_cat", "Cat-2", "köln", "group/cat"])
def test_usable_project_names(name):
    assert check_project_name(name) == name


@pytest.mark.parametrize(
    "name",
    [
        "",
        " ",
        "my cat",
        "a.b",
        "..",
        "../x",
        "/x",
        "x/",
        "a//b",
        "a/b/c",
        "c:x",
        "a\\b",
        "(a)",
        "what?",
        "a\nb",
    ],
)
def test_unusable_project_names(name):
    with pytest.raises(ValueError, match="project name"):
        check_project_name(name)


def test_the_layout_existing_users_have(tmp_path: Path):
    folders = project_folders(tmp_path, "my_cat")
    assert folders.dataset == tmp_path / "Loras" / "my_cat" / "dataset"
    assert folders.output == tmp_path / "Loras" / "my_cat" / "output"
    assert list(tmp_path.iterdir()) == []
    folders.create()
    folders.create()
    assert folders.dataset.is_dir() and folders.output.is_dir()


def test_every_place_lies_in_the_project():
    folders = Folders(Path("/p"))
    names = [name for name, member in vars(Folders).items() if isinstance(member, property)]
    places = [getattr(folders, name) for name in names]
    assert len(set(places)) == len(places)
    assert all(place.is_relative_to("/p") for place in places)


def test_a_project_is_found_from_its_dataset_and_its_output(tmp_path: Path, monkeypatch):
    folders = project_folders(tmp_path, "my_cat")
    assert folders_of_dataset(folders.dataset) == folders
    assert folders_of_output(folders.output) == folders
    assert folders_of_output(tmp_path / "elsewhere").base == tmp_path / "elsewhere"
    monkeypatch.chdir(tmp_path)
    assert folders_of_dataset(Path("Loras/my_cat/dataset")) == folders
    assert folders_of_dataset(Path("Loras/my_cat/dataset/")) == folders


def test_lora_files_are_sorted_by_epoch_and_no_others(tmp_path: Path):
    for name in ("cat-02", "cat-10", "cat-01", "cat-100", "cat-step000120", "cat2-01", "cat-02b", "xcat-03"):
        (tmp_path / f"{name}.safetensors").touch()
    (tmp_path / "cat-03.png").touch()
    assert [path.stem for path in lora_files(tmp_path, "cat")] == ["cat-01", "cat-02", "cat-10", "cat-100"]


def test_lora_file_names_are_found_again(tmp_path: Path):
    name = "my.cat[1]+"
    for epoch in (1, 12, 123):
        (tmp_path / lora_file_name(name, epoch)).touch()
    assert len(lora_files(tmp_path, name)) == 3
    assert lora_file_name("cat", 7) == "cat-07.safetensors"


def test_no_folder_means_no_files(tmp_path: Path):
    assert lora_files(tmp_path / "missing", "cat") == []


SIBLINGS = ("name", "name[1]", "name-dark", "name-2", "name-step5", "name.v2", "nameless", "my-name")


def all_files(output_name: str) -> list[str]:
    stems = [lora_file_name(output_name, n).removesuffix(".safetensors") for n in (1, 2, 10)]
    stems.append(step_file_name(output_name, 5).removesuffix(".safetensors"))
    return [f"{stem}.{ending}" for stem in stems for ending in ("safetensors", "json", "png")]


@pytest.mark.parametrize("name", SIBLINGS)
def test_a_run_finds_its_own_files_and_none_of_a_run_called_alike(tmp_path: Path, name):
    for sibling in SIBLINGS:
        for file in all_files(sibling):
            (tmp_path / file).touch()
    own = [file for file in all_files(name) if file.endswith(".safetensors")]
    assert [path.name for path in run_files(tmp_path, name)] == own
    everything = [file for sibling in SIBLINGS for file in [*all_files(sibling), f"{sibling}.state"]]
    mine = {file for file in everything if is_of_run(file, name)}
    assert mine == {*all_files(name), f"{name}.state"}


def test_a_file_that_a_person_numbered_is_not_the_runs(tmp_path: Path):
    for name in ("cat-01", "cat-2", "cat-003", "cat-step5", "cat-1²"):
        (tmp_path / f"{name}.safetensors").touch()
    assert [path.stem for path in run_files(tmp_path, "cat")] == ["cat-01"]


def made(root: Path, name: str, at: int) -> Folders:
    """A project last touched at `at`."""
    folders = project_folders(root, name)
    folders.create()
    for path in (folders.dataset, folders.output):
        os.utime(path, (at, at))
    return folders


def test_the_projects_are_listed_with_the_last_one_worked_on_first(tmp_path: Path):
    assert existing(tmp_path) == []
    for at, name in enumerate(("cat", "dog", "zoo/lion", "owl"), start=1):
        made(tmp_path, name, at)
    (tmp_path / "Loras" / "cat" / "dataset" / "dataset").mkdir()
    (tmp_path / "Loras" / "not usable" / "dataset").mkdir(parents=True)
    os.utime(tmp_path / "Loras" / "cat" / "dataset", (1, 1))
    os.utime(tmp_path / "Loras" / "cat" / "dataset" / "dataset", (1, 1))
    assert existing(tmp_path) == ["owl", "zoo/lion", "dog", "cat"]


@pytest.mark.parametrize(
    "touched",
    [
        "project.toml",
        "run.toml",
        "dataset/10_cat/a.txt",
        "output/x.safetensors",
        "runs/cat/run.toml",
        "runs/cat/grid.png",
        "runs/cat/samples/cat_e01_s000006_00.png",
        "runs/cat/metrics.jsonl",
        "jobs/1-tag/job.toml",
        "samples/grid.png",
        "logs/jobs/1-tag/job.toml",
        "logs/metrics.jsonl",
        "state/x.state",
        "set_aside/a.png",
    ],
)
def test_any_work_on_a_project_brings_it_to_the_front(tmp_path: Path, touched: str):
    (made(tmp_path, "cat", 1).dataset / "10_cat").mkdir()
    made(tmp_path, "dog", 2)
    for path in (tmp_path / "Loras" / "cat").rglob("*"):
        os.utime(path, (1, 1))
    assert existing(tmp_path) == ["dog", "cat"]
    path = tmp_path / "Loras" / "cat" / touched
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("x")
    assert existing(tmp_path) == ["cat", "dog"]
