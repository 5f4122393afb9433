"""What the verbs on a dataset say at their end: no success without one."""

import zipfile

import pytest
from PIL import Image

from lora_nb.__main__ import main
from lora_nb.dataset import handover
from lora_nb.dataset.captions import read_caption, write_caption
from lora_nb.project import Folders


@pytest.fixture
def folders(tmp_path):
    """A project of two pictures, one with a caption."""
    folders = Folders(tmp_path / "cat")
    folders.create()
    for number in range(2):
        Image.new("RGB", (64, 48), (90 * number, 0, 200)).save(folders.dataset / f"{number}.png")
    write_caption(folders.dataset / "0.png", "red, square")
    return folders


def run(capsys, verb, folder, *arguments):
    code = main([verb, "--train_data_dir", str(folder), *arguments])
    said = capsys.readouterr()
    assert said.err.count("\n") <= 1
    return code, said.out + said.err


ALL = ["scan", "curate", "tag", "caption", "trigger --trigger_word ohwx", "top_tags", "recode"]


@pytest.mark.parametrize("line", [*ALL, "restore", "undo"])
def test_a_folder_that_is_not_there_is_an_error(tmp_path, capsys, line):
    verb, *arguments = line.split()
    code, said = run(capsys, verb, tmp_path / "none" / "dataset", *arguments)
    assert code == 2 and "none" in said and "is not a folder" in said


@pytest.mark.parametrize("line", ALL)
def test_an_empty_folder_is_an_error(tmp_path, capsys, line):
    (tmp_path / "dataset").mkdir()
    verb, *arguments = line.split()
    code, said = run(capsys, verb, tmp_path / "dataset", *arguments)
    assert code == 2 and ("holds no picture" in said or "no picture in" in said)


def test_nothing_to_bring_back_and_nothing_to_undo_are_said(folders, capsys):
    code, said = run(capsys, "restore", folders.dataset)
    assert code == 0 and said.startswith("Nothing is set aside in") and "0 pictures" not in said
    code, said = run(capsys, "undo", folders.dataset)
    assert code == 0 and said.startswith("There is nothing to undo")


def test_tagging_says_when_every_picture_has_a_caption_and_fails_when_all_failed(folders, capsys):
    write_caption(folders.dataset / "1.png", "blue")
    code, said = run(capsys, "tag", folders.dataset, "--tagger", "demo")
    assert code == 0
    words = (
        "All 2 pictures have a caption already: choose existing = append or overwrite to write them anew.\n"
    )
    assert said.endswith(words) and "tagged" not in said
    for number in range(2):
        (folders.dataset / f"{number}.png").write_bytes(b"no picture")
    code, said = run(capsys, "tag", folders.dataset, "--tagger", "demo", "--existing", "overwrite")
    assert code == 2 and "no picture was tagged: 2 failed (0.png: not a picture in a known format)" in said


def test_unreadable_pictures_alone_fail_the_scan(folders, capsys):
    for number in range(2):
        (folders.dataset / f"{number}.png").write_bytes(b"no picture")
    code, said = run(capsys, "scan", folders.dataset)
    assert code == 2 and "none of the 2 pictures in" in said


def test_a_zip_that_is_damaged_throughout_is_an_error_and_one_of_known_pictures_is_not(
    folders, capsys, tmp_path
):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.write(folders.dataset / "0.png", "0.png")
        archive.write(folders.dataset / "1.png", "1.png")
    code, said = run(capsys, "import", folders.dataset, "--source", str(tmp_path / "a.zip"))
    assert code == 0 and "was imported: its pictures are in" in said and "Imported 0" not in said
    content = bytearray((tmp_path / "a.zip").read_bytes())
    for number in range(2):
        at = content.index(b"IHDR", content.index(f"{number}.png".encode()))
        content[at : at + 4] = b"XXXX"
    (tmp_path / "a.zip").write_bytes(content)
    code, said = run(capsys, "import", tmp_path / "new" / "dataset", "--source", str(tmp_path / "a.zip"))
    assert (
        code == 2
        and "nothing was imported, none of 2 files can be used (0.png: damaged in the source" in said
    )


def test_files_that_are_no_pictures_are_told_and_alone_they_are_no_success(tmp_path, capsys):
    dataset = tmp_path / "cat" / "dataset"
    for name, content in (("a.png", b"<html>"), ("b.jpg", b"\xff\xd8\xff cut")):
        (tmp_path / name).write_bytes(content)
        with zipfile.ZipFile(tmp_path / "bad.zip", "a") as archive:
            archive.writestr(name, content)
    code, said = run(capsys, "import", dataset, "--source", str(tmp_path / "bad.zip"))
    assert code == 2 and "none of its 2 pictures can be read (a.png: " in said
    assert (dataset / "a.png").read_bytes() == b"<html>", "the file is kept"
    Image.new("RGB", (64, 48)).save(tmp_path / "c.png")
    with zipfile.ZipFile(tmp_path / "good.zip", "w") as archive:
        archive.write(tmp_path / "c.png", "c.png")
        archive.writestr("d.png", b"text")
    code, said = run(capsys, "import", dataset, "--source", str(tmp_path / "good.zip"))
    assert code == 0 and "Imported 2 pictures" in said and "1 of them cannot be read: `curate` sets" in said


def test_a_search_that_finds_nothing_says_so(folders, capsys):
    Image.effect_noise((64, 48), 90).save(folders.dataset / "1.png")
    code, said = run(capsys, "curate", folders.dataset)
    assert code == 0 and said.splitlines()[-1].startswith(
        "Every picture can be read, and none is a copy of another"
    )


def test_the_trigger_is_changed_kept_in_project_toml_and_undone(folders, capsys):
    folders.handover.write_text('mine = "kept"\n')
    assert run(capsys, "trigger", folders.dataset, "--trigger_word", "rexdog")[0] == 0
    code, said = run(capsys, "trigger", folders.dataset, "--trigger_word", "rexxy, dog")
    assert code == 0 and "2 of 2 captions changed." in said
    assert read_caption(folders.dataset / "0.png") == "rexxy, dog, red, square"
    assert read_caption(folders.dataset / "1.png") == "rexxy, dog"
    assert (
        handover.read(folders).trigger_word == "rexxy, dog"
        and 'mine = "kept"' in folders.handover.read_text()
    )
    code, said = run(capsys, "trigger", folders.dataset, "--trigger_word", "rexxy, dog")
    assert code == 0 and said.endswith("\n0 of 2 captions changed: they are as asked already.\n")
    assert run(capsys, "undo", folders.dataset) == (0, "2 captions are as they were before `trigger`.\n")
    assert read_caption(folders.dataset / "0.png") == "rexdog, red, square"
    assert handover.read(folders).trigger_word == "rexdog"
    assert run(capsys, "trigger", folders.dataset, "--trigger_word", "rexxy")[0] == 0
    assert read_caption(folders.dataset / "0.png") == "rexxy, red, square"


def test_removing_tags_alone_leaves_the_trigger_of_the_project(folders, capsys):
    run(capsys, "trigger", folders.dataset, "--trigger_word", "rexxy")
    run(capsys, "trigger", folders.dataset, "--remove_tags", "square")
    assert read_caption(folders.dataset / "0.png") == "rexxy, red"
    assert handover.read(folders).trigger_word == "rexxy"


def test_edited_captions_are_told(folders, capsys, tmp_path):
    (tmp_path / "edited").mkdir()
    (tmp_path / "edited" / "0.txt").write_text("blue, " + "circle, " * 50)
    line = ("import", folders.dataset, "--source", str(tmp_path / "edited"))
    code, said = run(capsys, *line)
    assert code == 0 and 'Differs: 0.txt ("red, square" -> "blue, circle, ' in said
    assert (
        "0 are the same in the source, 1 differ and stay as they are here: choose existing = replace" in said
    )
    code, said = run(capsys, *line, "--existing", "replace")
    assert code == 0 and "1 differ and were replaced; `undo` brings the old ones back." in said


def test_an_encoding_that_is_none_is_one_sentence(folders, capsys):
    code, said = run(capsys, "recode", folders.dataset, "--caption_encoding", "latin-99")
    assert code == 2 and 'caption_encoding = "latin-99" is not an encoding' in said
