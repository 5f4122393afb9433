"""Captions that come with an import."""

import pytest
from test_importer import BLUE, EDITED, GREEN, RED, picture, run, tree, zipped

from lora_nb.dataset import history


def texts(dataset):
    return {
        name: (dataset / name).read_text(encoding="utf-8").strip()
        for name in tree(dataset)
        if name.endswith(".txt")
    }


@pytest.fixture
def filled(tmp_path, dataset):
    """A dataset of three captioned pictures, one of them in a sub-folder."""
    entries = [("a.png", RED), ("a.txt", b"red"), ("b.png", BLUE), ("b.txt", b"blue"), ("5_x/c.png", GREEN), ("5_x/c.txt", b"green")]  # fmt: skip
    run(zipped(tmp_path / "first.zip", entries), dataset)
    return dataset


@pytest.mark.parametrize("packed", [True, False])
def test_edited_captions_alone_are_compared_and_the_old_ones_kept(tmp_path, filled, packed):
    source = tmp_path / "edited"
    source.mkdir()
    for name, content in EDITED:
        (source / name).write_bytes(content)
    before = texts(filled)
    report = run(zipped(tmp_path / "e.zip", EDITED) if packed else source, filled)
    assert texts(filled) == before
    assert (report.equal, report.captions, report.added) == (1, 0, ())
    assert report.different == (("a.txt", "red", "red, edited"), ("5_x/c.txt", "green", "green, edited"))
    assert report.skipped == (("d.txt", "no picture of this name in the dataset"),)


def test_edited_captions_alone_replace_the_old_ones_which_undo_brings_back(tmp_path, filled):
    before = {name: (filled / name).read_bytes() for name in tree(filled)}
    (filled / "b.txt").unlink()
    report = run(zipped(tmp_path / "e.zip", EDITED), filled, existing="replace")
    assert (report.equal, report.captions, len(report.different)) == (0, 1, 2)
    assert texts(filled) == {"a.txt": "red, edited", "b.txt": "blue", "5_x/c.txt": "green, edited"}
    assert history.undo(filled).restored == 3
    assert {name: (filled / name).read_bytes() for name in tree(filled)} == {
        name: content for name, content in before.items() if name != "b.txt"
    }


def test_pictures_imported_again_with_edited_captions_replace_those_if_asked(tmp_path, filled):
    again = zipped(
        tmp_path / "e.zip",
        [("a.png", RED), ("a.txt", b"edited"), ("renamed.png", BLUE), ("renamed.txt", b"sky")],
    )
    report = run(again, filled)
    assert texts(filled)["a.txt"] == "red" and len(report.different) == report.known == 2
    run(again, filled, existing="replace")
    assert texts(filled) == {"a.txt": "edited", "b.txt": "sky", "5_x/c.txt": "green"}


def test_captions_find_their_picture_by_folder_and_name(tmp_path, filled):
    run(zipped(tmp_path / "more.zip", [("10_y/c.png", picture("pink"))]), filled)
    entries = [
        ("c.txt", b"which?"),
        ("dataset/10_y/c.txt", b"pink"),
        ("A.TXT", b"capital"),
        ("e\u0301.txt", b"x"),
    ]
    report = run(zipped(tmp_path / "e.zip", entries), filled, existing="replace")
    assert texts(filled) == {"a.txt": "capital", "b.txt": "blue", "5_x/c.txt": "green", "10_y/c.txt": "pink"}
    assert "several pictures are called so (10_y/c.png, 5_x/c.png)" in dict(report.skipped)["c.txt"]


def test_captions_of_other_encodings_are_compared_by_what_they_say(tmp_path, filled):
    (filled / "a.txt").write_bytes("Mädchen".encode("cp1252"))
    entries = [("a.txt", "Mädchen".encode()), ("b.txt", "niña".encode("cp1252"))]
    report = run(zipped(tmp_path / "e.zip", entries), filled, existing="replace")
    assert report.equal == 1 and report.different == () and "encoding is not sure" in report.failed[0][1]
    run(zipped(tmp_path / "f.zip", entries), filled, existing="replace", caption_encoding="cp1252")
    assert (filled / "b.txt").read_bytes() == "niña\n".encode()


def test_captions_that_belong_to_no_picture_are_one_sentence(tmp_path, filled):
    with pytest.raises(
        ValueError, match=r"holds no picture .* none of its 1 captions belongs to a picture .*d.txt"
    ):
        run(zipped(tmp_path / "e.zip", [("d.txt", b"x")]), filled)
