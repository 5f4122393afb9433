"""Zips and folders of pictures: imported safely, captions with them, nothing overwritten."""

import ast
import os
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image

from lora_nb import typed
from lora_nb.config.intake import ImportConfig
from lora_nb.declare import settings_of
from lora_nb.events import Progress
from lora_nb.intake.importer import import_dataset


def picture(colour, ending="png"):
    content = BytesIO()
    Image.new("RGB", (8, 8), colour).save(content, {"jpg": "JPEG"}.get(ending, ending.upper()))
    return content.getvalue()


RED, BLUE, GREEN = (picture(colour) for colour in ("red", "blue", "green"))


def zipped(path, entries):
    """A zip of (name, bytes) pairs; the same name may come twice."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def run(source, dataset, **settings):
    return import_dataset(ImportConfig(str(source), str(dataset), **settings))


def tree(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_nested_folders_are_flattened_and_n_name_folders_kept(tmp_path, dataset):
    source = zipped(
        tmp_path / "a.zip",
        [
            ("my set/one.JPG", picture("red", "jpg")),
            ("my set/one.txt", b"a cat"),
            ("my set/deep/er/two.png", BLUE),
            ("my set/5_cat/three.webp", picture("red", "webp")),
            ("my set/5_cat/three.txt", b"three"),
            ("my set/2023_holiday/four.png", GREEN),
        ],
    )
    report = run(source, dataset, odd_folders="plain")
    assert tree(dataset) == [
        "5_cat/three.txt",
        "5_cat/three.webp",
        "four.png",
        "one.JPG",
        "one.txt",
        "two.png",
    ]
    assert sorted(report.added) == ["5_cat/three.webp", "four.png", "one.JPG", "two.png"]
    assert (report.captions, report.skipped, report.renamed) == (2, (), ())
    assert (dataset / "one.txt").read_bytes() == b"a cat"
    assert sorted(os.listdir(dataset.parent)) == ["dataset", "report", "versions"]
    assert [path.name for path in dataset.parent.glob("versions/*/*")] == ["changes.jsonl"]


def test_macos_and_windows_junk_is_ignored_and_strangers_are_named(tmp_path, dataset):
    junk = ["__MACOSX/._a.png", "._a.png", ".DS_Store", "Thumbs.db", "x/desktop.ini", ".git/a.png"]
    entries = [("a.png", RED), ("alone.txt", b"x"), ("b.heic", b"x"), *((name, b"junk") for name in junk)]
    report = run(zipped(tmp_path / "a.zip", entries), dataset)
    assert tree(dataset) == ["a.png"]
    assert [name for name, _ in report.skipped] == ["alone.txt", "b.heic"]
    assert "no picture of this name" in report.skipped[0][1] and "not a picture" in report.skipped[1][1]


def test_clashing_names_are_renamed_with_their_captions_and_nothing_is_overwritten(tmp_path, dataset):
    dataset.mkdir(parents=True)
    (dataset / "a.png").write_bytes(GREEN)
    (dataset / "a.txt").write_text("mine", encoding="utf-8")
    source = zipped(
        tmp_path / "a.zip", [("a.png", RED), ("a.txt", b"red"), ("x/A.png", BLUE), ("x/A.txt", b"blue")]
    )
    report = run(source, dataset)
    texts = {
        name: (dataset / name).read_text(encoding="utf-8") for name in tree(dataset) if name.endswith("txt")
    }
    assert texts == {"a.txt": "mine", "a-2.txt": "red", "A-3.txt": "blue"}
    assert (dataset / "a.png").read_bytes() == GREEN and (dataset / "a-2.png").read_bytes() == RED
    assert report.renamed == (("a.png", "a-2.png"), ("x/A.png", "A-3.png"))


def test_two_pictures_that_share_a_stem_each_get_the_caption(tmp_path, dataset):
    entries = [("a.jpg", picture("red", "jpg")), ("a.png", BLUE), ("a.txt", b"a cat")]
    assert run(zipped(tmp_path / "a.zip", entries), dataset).captions == 2
    assert tree(dataset) == ["a-2.png", "a-2.txt", "a.jpg", "a.txt"]


def test_importing_again_adds_nothing_and_brings_captions_that_were_missing(tmp_path, dataset):
    run(zipped(tmp_path / "a.zip", [("a.png", RED), ("b.png", BLUE)]), dataset)
    aside = dataset.parent / "set_aside"
    aside.mkdir()
    (dataset / "b.png").rename(aside / "b.png")
    again = [("new/c.png", RED), ("new/c.txt", b"red"), ("b.png", BLUE), ("b.txt", b"blue")]
    report = run(zipped(tmp_path / "b.zip", again), dataset)
    assert report.skipped == (("b.png", "set aside before"), ("new/c.png", "already in the dataset"))
    assert (report.added, report.captions) == ((), 1)
    assert tree(dataset) == ["a.png", "a.txt"]


def test_copies_within_one_source_come_in_for_the_duplicate_search_to_judge(tmp_path, dataset):
    assert len(run(zipped(tmp_path / "a.zip", [("a.png", RED), ("b.png", RED)]), dataset).added) == 2


def test_names_that_capitals_alone_tell_apart_keep_their_own_captions(tmp_path, dataset):
    entries = [("A.png", RED), ("A.txt", b"big"), ("a.png", BLUE), ("a.TXT", b"small")]
    run(zipped(tmp_path / "a.zip", entries), dataset)
    assert {(dataset / f"{name}.txt").read_text(encoding="utf-8") for name in ("A", "a-2")} == {
        "big",
        "small",
    }
    assert (dataset / "A.txt").read_text(encoding="utf-8") == "big"


def test_a_folder_is_copied_and_left_as_it_is_and_its_links_are_passed_over(tmp_path, dataset):
    source = tmp_path / "photos"
    (source / "sub").mkdir(parents=True)
    (source / "sub" / "a.png").write_bytes(RED)
    (source / "sub" / "a.txt").write_bytes(b"red")
    (tmp_path / "outside.png").write_bytes(BLUE)
    (source / "link.png").symlink_to(tmp_path / "outside.png")
    (source / "loop").symlink_to(source)
    report = run(source, dataset)
    assert tree(dataset) == ["a.png", "a.txt"]
    assert report.skipped == (("link.png", "a link"),)
    assert (source / "sub" / "a.png").exists()


def test_the_dataset_inside_the_source_folder_is_not_read(tmp_path, dataset):
    dataset.mkdir(parents=True)
    (dataset / "own.png").write_bytes(GREEN)
    (tmp_path / "a.png").write_bytes(RED)
    assert run(tmp_path, dataset).added == ("a.png",)
    with pytest.raises(ValueError, match="is the dataset folder itself"):
        run(dataset, dataset)


def test_a_folder_that_grows_while_it_is_read_stops_at_the_limit(tmp_path, dataset):
    source = tmp_path / "photos"
    source.mkdir()
    (source / "a.png").write_bytes(RED)
    (source / "b.png").write_bytes(bytes(900_000))

    def grow(event):
        (source / "b.png").write_bytes(bytes(2_000_000))

    with pytest.raises(ValueError, match="unpacks to more than"):
        import_dataset(ImportConfig(str(source), str(dataset), max_gigabytes=0.001), grow)
    assert tree(dataset.parent) == []


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ([], "holds no picture: it must hold avif, bmp, jpeg, jpg, png, webp files"),
        ([("readme.md", b"x"), ("folder/", b"")], "holds no picture"),
        (b"<html>quota exceeded</html>", "is not a whole zip archive: upload it again"),
        (b"", "is not a whole zip archive"),
    ],
)
def test_a_source_without_pictures_is_one_clear_sentence(tmp_path, dataset, content, sentence):
    source = tmp_path / "a.zip"
    if isinstance(content, bytes):
        source.write_bytes(content)
    else:
        zipped(source, content)
    with pytest.raises(ValueError, match=sentence):
        run(source, dataset)
    assert not dataset.exists()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"source": ""}, "source is empty"),
        ({"source": "/none/a.zip"}, "/none/a.zip does not exist"),
        ({"train_data_dir": ""}, "train_data_dir is empty"),
        ({"subset": "../10_x"}, 'subset = "../10_x" is not usable: write N_name'),
        ({"subset": "cat"}, "write N_name"),
    ],
)
def test_unusable_settings_are_named(tmp_path, dataset, settings, sentence):
    values = {"source": str(tmp_path), "train_data_dir": str(dataset), **settings}
    with pytest.raises(ValueError, match=sentence):
        import_dataset(ImportConfig(**values))


def test_a_subset_takes_everything(tmp_path, dataset):
    run(zipped(tmp_path / "a.zip", [("a.png", RED), ("5_x/b.png", BLUE)]), dataset, subset="10_cat")
    assert tree(dataset) == ["10_cat/a.png", "10_cat/b.png"]


def test_damaged_pictures_come_in_and_damaged_entries_are_named(tmp_path, dataset):
    source = zipped(
        tmp_path / "a.zip", [("a.png", RED), ("broken.jpg", b"no picture"), ("z.png", os.urandom(3_000))]
    )
    content = bytearray(source.read_bytes())
    content[content.index(b"z.png") + 1_000] ^= 0xFF
    source.write_bytes(content)
    report = run(source, dataset)
    assert tree(dataset) == ["a.png", "broken.jpg"]
    assert [name for name, _ in report.skipped] == ["z.png"]


def test_names_are_readable_everywhere(tmp_path, dataset):
    entries = [
        ("猫.png", RED),
        ("猫.txt", b"cat"),
        ("e\u0301té?.png", BLUE),
        ("con.png", GREEN),
        ("x" * 230 + ".webp", RED),
    ]
    report = run(zipped(tmp_path / "a.zip", entries), dataset)
    names = tree(dataset)
    assert {"猫.png", "猫.txt", "été_.png", "_con.png"} < set(names)
    assert max(len(name.encode()) for name in names) <= 200
    assert len(report.renamed) == 3


def test_a_full_disk_leaves_the_dataset_as_it_was(tmp_path, dataset, monkeypatch):
    source = zipped(tmp_path / "a.zip", [("a.png", RED), ("b.png", BLUE)])
    opened = Path.open

    def full(path, mode="r", *more, **named):
        if mode == "wb" and path.name.startswith("2."):
            raise OSError(28, "No space left on device")
        return opened(path, mode, *more, **named)

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space left"):
        run(source, dataset)
    assert tree(dataset.parent) == []


def test_progress_is_told(tmp_path, dataset):
    seen = []
    source = zipped(tmp_path / "a.zip", [("a.png", RED), ("b.png", BLUE)])
    import_dataset(ImportConfig(str(source), str(dataset)), seen.append)
    assert [event.stage for event in seen] == ["Unpacking"] * 2 + ["Importing"] * 2
    assert seen[-1] == Progress("Importing", 2, 2)


EDITED = [("a.txt", b"red, edited"), ("b.txt", b"blue\n"), ("c.txt", b"green, edited"), ("d.txt", b"nobody")]


@pytest.mark.skipif(os.name == "nt", reason="permissions of Unix")
def test_what_cannot_be_read_in_a_folder_is_named(tmp_path, dataset):
    source = tmp_path / "photos"
    (source / "shut").mkdir(parents=True)
    (source / "a.png").write_bytes(RED)
    (source / "b.png").write_bytes(BLUE)
    Path(os.fsdecode(os.fsencode(source) + b"/\xff.png")).write_bytes(GREEN)
    os.mkfifo(source / "pipe.png")
    (source / "b.png").chmod(0)
    (source / "shut").chmod(0)
    tmp_path.chmod(0o777)
    code = (
        "import os, sys, filelock; sys.path.insert(0, sys.argv[3])  # filelock while it can still be read\n"
        "from lora_nb.intake.importer import import_dataset; from lora_nb.config.intake import ImportConfig\n"
        "os.geteuid() or os.setuid(65534)  # nothing is shut to root\n"
        "report = import_dataset(ImportConfig(sys.argv[1], sys.argv[2]))\n"
        "print(ascii([dict(report.skipped), dict(report.renamed), dict(report.failed)]))"
    )
    place = tmp_path / "open" / "dataset"
    place.parent.mkdir()
    place.parent.chmod(0o777)
    for parent in tmp_path.parents:
        if parent.name.startswith(("pytest-", "popen-")):
            parent.chmod(0o755)
    line = [sys.executable, "-c", code, str(source), str(place), str(Path(__file__).parents[2])]
    said = subprocess.run(line, capture_output=True, text=True, check=False)
    (source / "shut").chmod(0o755)
    assert said.stderr == ""
    skipped, renamed, failed = ast.literal_eval(said.stdout)
    assert skipped == {
        "b.png": "it cannot be read: Permission denied",
        "pipe.png": "not a file",
        "shut": "a folder that cannot be read: Permission denied",
    }
    assert renamed == {"\\udcff.png": "picture.png"} or list(renamed) == ["\\udcff.png"]
    assert list(failed) == ["b.png"]


@pytest.mark.parametrize("amount", ["inf", "nan", "1e300", "-1"])
def test_an_absurd_limit_is_one_sentence(amount):
    limit = {setting.name: setting for setting in settings_of(ImportConfig)}["max_gigabytes"]
    with pytest.raises(ValueError, match="max_gigabytes = .* must be a number from 0.001 to 100000"):
        typed.parse(limit, amount)
