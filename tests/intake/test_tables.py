"""Captions in metadata.csv and metadata.jsonl beside the pictures."""

import pytest
from test_importer import BLUE, RED, run, tree, zipped


@pytest.mark.parametrize(
    ("name", "table"),
    [
        ("metadata.csv", b'\xef\xbb\xbffile_name,text\na.png,"a red one, square"\nsub/b.png,blue\nnobody.png,x\n'),
        ("metadata.jsonl", b'{"file_name": "a.png", "text": "a red one, square"}\n{"file_name": "sub\\\\b.png", "caption": "blue"}\n{"file_name": "../../up.png", "text": "out"}\n3\n'),
    ],
)  # fmt: skip
def test_each_picture_gets_its_caption(tmp_path, dataset, name, table):
    source = zipped(tmp_path / "a.zip", [("set/a.png", RED), ("set/sub/b.png", BLUE), (f"set/{name}", table)])
    report = run(source, dataset)
    assert report.captions == 2 and tree(dataset) == ["a.png", "a.txt", "b.png", "b.txt"]
    assert (dataset / "a.txt").read_text() == "a red one, square" and (
        dataset / "b.txt"
    ).read_text() == "blue"
    assert not any(name in skipped for skipped, _ in report.skipped)


def test_a_caption_file_beside_the_picture_counts_more(tmp_path, dataset):
    entries = [
        ("a.png", RED),
        ("a.txt", b"by hand"),
        ("metadata.jsonl", b'{"file_name": "a.png", "text": "table"}'),
    ]
    run(zipped(tmp_path / "a.zip", entries), dataset)
    assert (dataset / "a.txt").read_text() == "by hand"


@pytest.mark.parametrize("table", [b'{"file_name": ', b"\xff\xfe\xff\xd8\xd8", b"[" * 100_000])
def test_a_damaged_table_is_named_and_the_pictures_come(tmp_path, dataset, table):
    report = run(zipped(tmp_path / "a.zip", [("a.png", RED), ("metadata.jsonl", table)]), dataset)
    assert report.added == ("a.png",)
    assert report.skipped[0][0] == "metadata.jsonl" and "cannot be read" in report.skipped[0][1]


def test_zips_in_a_folder_are_folders_of_their_names(tmp_path, dataset):
    folder = tmp_path / "given"
    folder.mkdir()
    zipped(folder / "5_cat.zip", [("a.png", RED)])
    zipped(folder / "more.zip", [("10_dog/b.png", BLUE)])
    (folder / "bad.zip").write_bytes(b"PK\x03\x04 no")
    report = run(folder, dataset)
    assert tree(dataset) == ["10_dog/b.png", "5_cat/a.png"]
    assert report.skipped[0][0] == "bad.zip" and "not a whole zip" in report.skipped[0][1]
