"""A dataset taken out: what other programs find in the file, and that it comes back equal."""

import json
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from lora_nb.config.intake import ImportConfig
from lora_nb.config.versions import ExportConfig
from lora_nb.dataset import handover
from lora_nb.dataset.export import export
from lora_nb.dataset.images import scan
from lora_nb.intake.importer import import_dataset
from lora_nb.project import Folders


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Pictures in the dataset, in an N_name folder and in a plain one; one without a caption, one of another alphabet."""
    folders = Folders(tmp_path / "Loras" / "cat")
    texts = {
        "a.png": "ohwx, red", "é ü.jpg": "ohwx, ねこ", "5_hat/a.webp": "ohwx, hat", "bare.png": None,
        "plain/b.png": "A cat that sleeps on a sofa in the sun of the afternoon.",
    }  # fmt: skip
    for number, (name, text) in enumerate(texts.items()):
        path = folders.dataset / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.effect_noise((48, 40), 30 + number).convert("RGB").save(path)
        if text:
            path.with_suffix(".txt").write_text(f"{text}\n", encoding="utf-8")
    handover.remember(folders, trigger_word="ohwx")
    return folders


def taken_out(folders: Folders, layout: str, **more) -> Path:
    return export(ExportConfig(str(folders.dataset), layout, **more)).path


def held(dataset: Path) -> set[tuple[bytes, str | None]]:
    """Each picture's bytes with its caption."""
    return {(item.path.read_bytes(), item.caption) for item in scan(dataset).items}


def test_a_zip_for_kohya_comes_back_equal(folders, tmp_path):
    path = taken_out(folders, "kohya", num_repeats=7)
    with zipfile.ZipFile(path) as archive:
        assert sorted(archive.namelist()) == [
            "5_hat/a.txt", "5_hat/a.webp", "7_ohwx/a.png", "7_ohwx/a.txt", "7_ohwx/bare.png", "7_ohwx/é ü.jpg",
            "7_ohwx/é ü.txt", "7_plain/b.png", "7_plain/b.txt",
        ]  # fmt: skip
        pictures = [each for each in archive.infolist() if not each.filename.endswith(".txt")]
        assert {each.compress_type for each in pictures} == {zipfile.ZIP_STORED}
        assert all(each.flag_bits & 0x800 for each in archive.infolist() if not each.filename.isascii())
        assert archive.testzip() is None
    other = tmp_path / "other" / "dataset"
    report = import_dataset(ImportConfig(str(path), str(other)))
    assert len(report.added) == 5 and report.captions == 4 and report.skipped == ()
    assert held(other) == held(folders.dataset)
    repeats = {item.path.name: item.num_repeats for item in scan(other).items}
    assert repeats["a.webp"] == 5 and repeats["b.png"] == repeats["a.png"] == 7


def test_equal_datasets_give_equal_bytes_and_nothing_is_overwritten(folders):
    first = taken_out(folders, "kohya")
    second = taken_out(folders, "kohya")
    assert (first.name, second.name) == ("cat-kohya.zip", "cat-kohya-2.zip")
    assert first.read_bytes() == second.read_bytes()
    assert sorted(path.name for path in folders.export.iterdir()) == [second.name, first.name]


def test_an_imagefolder_says_each_pictures_text(folders, tmp_path):
    """As `load_dataset("imagefolder")` reads it: metadata.jsonl, file_name beside it, text."""
    with zipfile.ZipFile(taken_out(folders, "imagefolder")) as archive:
        archive.extractall(tmp_path / "read")
    lines = (tmp_path / "read" / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    rows = {row["file_name"]: row["text"] for row in map(json.loads, lines)}
    found = {
        item.path.relative_to(folders.dataset).as_posix(): item.caption or ""
        for item in scan(folders.dataset).items
    }
    assert rows == found and len(rows) == 5
    for name in rows:
        assert (tmp_path / "read" / name).read_bytes() == (folders.dataset / name).read_bytes()


def test_captions_alone_come_back_edited(folders, tmp_path):
    with zipfile.ZipFile(taken_out(folders, "captions")) as archive:
        assert sorted(archive.namelist()) == [
            "5_hat/a.txt",
            "dataset/a.txt",
            "dataset/é ü.txt",
            "plain/b.txt",
        ]
        archive.extractall(tmp_path / "edited")
    (tmp_path / "edited" / "5_hat" / "a.txt").write_text("ohwx, straw hat")
    report = import_dataset(ImportConfig(str(tmp_path / "edited"), str(folders.dataset), existing="replace"))
    assert report.equal == 3 and [name for name, *_ in report.different] == ["5_hat/a.txt"]
    assert (folders.dataset / "5_hat" / "a.txt").read_text() == "ohwx, straw hat\n"
    assert (folders.dataset / "a.txt").read_text() == "ohwx, red\n"


def test_the_metadata_of_the_fine_tuning_scripts(folders):
    entries = json.loads(taken_out(folders, "metadata").read_text(encoding="utf-8"))
    assert entries["a"] == {"tags": "ohwx, red"} and entries["é ü"] == {"tags": "ohwx, ねこ"}
    assert entries["plain/b"] == {"caption": "A cat that sleeps on a sofa in the sun of the afternoon."}
    for key in entries:  # sd-scripts looks for train_data_dir/key with any picture's ending
        assert list(folders.dataset.glob(f"{key}.[!t]*")), key


def test_a_caption_of_another_encoding_goes_out_in_utf8(folders, tmp_path):
    (folders.dataset / "a.txt").write_bytes("ohwx, café".encode("utf-16"))
    with zipfile.ZipFile(taken_out(folders, "kohya", class_name="a/b")) as archive:
        assert archive.read("10_a/b/a.txt".replace("a/b", "a_b")).decode() == "ohwx, café\n"


def test_what_cannot_be_read_stays_and_is_named(folders):
    (folders.dataset / "cut.png").write_bytes((folders.dataset / "a.png").read_bytes()[:10])
    made = export(ExportConfig(str(folders.dataset)))
    assert made.left_out == ("cut.png",) and (made.pictures, made.captions) == (5, 4)


def test_nothing_to_take_out_is_one_sentence(tmp_path, make_pictures):
    empty = tmp_path / "a" / "dataset"
    empty.mkdir(parents=True)
    with pytest.raises(ValueError, match="holds no picture"):
        export(ExportConfig(str(empty)))
    make_pictures(tmp_path / "b" / "dataset", 1, captions=False)
    with pytest.raises(ValueError, match="no picture in .* has a caption"):
        export(ExportConfig(str(tmp_path / "b" / "dataset"), "captions"))
    assert not (tmp_path / "a" / "export").exists() and not (tmp_path / "b" / "export").exists()


def test_a_mask_goes_out_apart_and_comes_back_beside_its_picture(folders, tmp_path):
    mask = folders.dataset / "5_hat" / "a-masklabel.png"
    Image.new("L", (48, 40), 255).save(mask)
    path = taken_out(folders, "kohya")
    with zipfile.ZipFile(path) as archive:
        assert archive.read("masks/5_hat/a-masklabel.png") == mask.read_bytes()
    import_dataset(ImportConfig(str(path), str(tmp_path / "other" / "dataset")))
    assert (tmp_path / "other" / "dataset" / "5_hat" / mask.name).read_bytes() == mask.read_bytes()
