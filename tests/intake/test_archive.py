"""Archives that anyone may have made."""

import os
import stat
import zipfile

import pytest
from test_importer import BLUE, RED, run, tree, zipped


@pytest.mark.parametrize(
    "name", ["../x.png", "a/../../x.png", "/etc/x.png", "C:\\x.png", "c:x.png", "..\\x.png"]
)
def test_an_archive_that_points_outside_of_itself_is_refused_whole(tmp_path, dataset, name):
    source = zipped(tmp_path / "a.zip", [("good.png", RED), (name, BLUE)])
    with pytest.raises(
        ValueError, match=r"is refused: its entry .* points outside of it; nothing is imported"
    ):
        run(source, dataset)
    assert tree(tmp_path) == ["a.zip"]


def test_backslashes_of_old_windows_archives_are_folders(tmp_path, dataset):
    run(zipped(tmp_path / "a.zip", [("set\\3_cat\\a.png", RED)]), dataset)
    assert tree(dataset) == ["3_cat/a.png"]


def test_links_in_an_archive_are_passed_over(tmp_path, dataset):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.png", RED)
        link = zipfile.ZipInfo("b.png")
        link.create_system, link.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert run(tmp_path / "a.zip", dataset).skipped == (("b.png", "a link"),)
    assert tree(dataset) == ["a.png"]


def declare(path, old, new):
    """Write another unpacked size into the archive's headers."""
    content = path.read_bytes()
    assert content.count(old.to_bytes(4, "little")) >= 2
    path.write_bytes(content.replace(old.to_bytes(4, "little"), new.to_bytes(4, "little")))


def test_a_zip_bomb_is_refused_and_leaves_nothing(tmp_path, dataset):
    source = zipped(tmp_path / "a.zip", [("good.png", RED), ("bomb.png", bytes(5_000_011))])
    with pytest.raises(ValueError, match=r"unpacks to more than 0\.001 GB .*; nothing is imported"):
        run(source, dataset, max_gigabytes=0.001)
    assert tree(tmp_path) == ["a.zip"]


def test_a_zip_bomb_that_lies_about_its_size_writes_no_more_than_it_declares(tmp_path, dataset):
    source = zipped(tmp_path / "a.zip", [("good.png", RED), ("bomb.png", bytes(5_000_011))])
    declare(source, 5_000_011, 1_000)
    report = run(source, dataset, max_gigabytes=0.001)
    assert tree(dataset) == ["good.png"]
    assert report.skipped[0][0] == "bomb.png" and "damaged in the source" in report.skipped[0][1]
    assert sorted(os.listdir(dataset.parent)) == ["dataset", "report", "versions"]
    assert [path.name for path in dataset.parent.glob("versions/*/*")] == ["changes.jsonl"]


def test_too_many_files_are_refused(tmp_path, dataset):
    source = zipped(tmp_path / "a.zip", [(f"{number}.png", RED) for number in range(4)])
    with pytest.raises(ValueError, match="holds 4 files and max_files is 3"):
        run(source, dataset, max_files=3)


def test_a_cut_off_archive_is_one_clear_sentence(tmp_path, dataset):
    whole = zipped(tmp_path / "a.zip", [("a.png", RED)]).read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:-40])
    with pytest.raises(ValueError, match="is not a whole zip archive"):
        run(tmp_path / "a.zip", dataset)


def test_a_protected_archive_is_one_clear_sentence(tmp_path, dataset):
    source = zipped(tmp_path / "a.zip", [("a.png", RED)])
    content = bytearray(source.read_bytes())
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    source.write_bytes(content)
    with pytest.raises(ValueError, match="is protected by a password: unpack it yourself"):
        run(source, dataset)


def test_utf8_names_are_read_when_the_archive_does_not_say_so(tmp_path, dataset):
    source = zipped(tmp_path / "a.zip", [("猫é.png", RED)])
    content = bytearray(source.read_bytes())
    content[7] &= ~0x08
    content[content.index(b"PK\x01\x02") + 9] &= ~0x08
    source.write_bytes(content)
    assert run(source, dataset).added == ("猫é.png",)
