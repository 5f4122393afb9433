from pathlib import Path

import pytest

from lora_nb.project import (
    Folders,
    check_project_name,
    folders_of_dataset,
    folders_of_output,
    lora_file_name,
    lora_files,
    project_folders,
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
