"""Files taken to where they are used: copied without ever overwriting, packed into one zip."""

import zipfile

import pytest
from finished_run import make_run

from lora_nb.config.results import CopyConfig, PackConfig
from lora_nb.events import silent
from lora_nb.results.taking import copy, pack


def test_files_go_into_a_folder_with_what_belongs_to_them(tmp_path):
    output, told = make_run(tmp_path / "cat"), []
    done = copy(CopyConfig(str(output), "cat", ("cat-02",), to=str(tmp_path / "drive" / "new")), told.append)
    assert sorted(path.name for path in done.new) == ["cat-02.json", "cat-02.png", "cat-02.safetensors"]
    assert all(path.read_bytes() == (output / path.name).read_bytes() for path in done.new)
    assert told[-1].done == told[-1].total == 3
    again = copy(CopyConfig(str(output), "cat", ("cat-02",), to=str(tmp_path / "drive" / "new")), silent)
    assert not again.new and len(again.there) == 3


@pytest.mark.parametrize("inner", ["models/Lora", "models/loras"])
def test_a_webui_gets_them_where_it_looks(tmp_path, inner):
    output = make_run(tmp_path / "cat")
    (tmp_path / "webui" / inner).mkdir(parents=True)
    copy(CopyConfig(str(output), "cat", ("cat-01",), to=str(tmp_path / "webui")), silent)
    assert (tmp_path / "webui" / inner / "cat-01.safetensors").is_file()


def test_nothing_is_overwritten_and_another_name_is_taken(tmp_path):
    output, place = make_run(tmp_path / "cat"), tmp_path / "loras"
    place.mkdir()
    (place / "cat-02.png").write_bytes(b"mine")
    with pytest.raises(ValueError, match=r"another file called cat-02.png.*new_name"):
        copy(CopyConfig(str(output), "cat", to=str(place)), silent)
    assert [path.name for path in place.iterdir()] == ["cat-02.png"], "nothing was copied by half"
    copy(CopyConfig(str(output), "cat", ("cat-02",), to=str(place), new_name="best"), silent)
    assert (place / "best.safetensors").is_file() and (place / "best.png").is_file()
    assert (place / "cat-02.png").read_bytes() == b"mine"
    for wrong, words in (
        ({"new_name": "best"}, "for one file, and these are 3"),
        ({"new_name": "a/b"}, "is a path"),
    ):
        with pytest.raises(ValueError, match=words):
            copy(CopyConfig(str(output), "cat", to=str(place), **wrong), silent)
    with pytest.raises(ValueError, match="to is empty"):
        copy(CopyConfig(str(output), "cat"), silent)
    with pytest.raises(ValueError, match="is a file"):
        copy(CopyConfig(str(output), "cat", to=str(place / "cat-02.png")), silent)


def test_one_zip_holds_all_of_a_run(tmp_path):
    output = make_run(tmp_path)
    made = pack(PackConfig(str(output), "cat"), silent)
    assert (
        made == tmp_path / "runs" / "cat" / "cat.zip" and pack(PackConfig(str(output), "cat"), silent) == made
    )
    with zipfile.ZipFile(made) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == [
            "cat-01.json", "cat-01.safetensors", "cat-02.json", "cat-02.png", "cat-02.safetensors",
            "cat-step000004.safetensors", "run.toml",
        ]  # fmt: skip
