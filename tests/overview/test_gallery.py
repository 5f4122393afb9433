"""The list, the filter's view and what is done to chosen pictures: each one step, taken back byte for byte."""

import json
import time
from pathlib import Path

import pytest
from PIL import Image

from lora_nb.dataset import aside, captions, gate, handover, history, record
from lora_nb.dataset.images import open_upright
from lora_nb.overview import gestures
from lora_nb.overview.gallery import Gallery
from lora_nb.overview.gestures import ConflictError
from lora_nb.overview.thumbnails import Thumbnails
from lora_nb.pictures import findings
from lora_nb.project import Folders


@pytest.fixture
def folders(tmp_path) -> Folders:
    """A project: a.jpg (red, hat), b.png without a caption, 5_dog/c.png (red), 5_dog/d.png (a dog; a line more)."""
    folders = Folders(tmp_path / "Loras" / "cat")
    texts = {"a.jpg": "red, hat", "b.png": None, "5_dog/c.png": "red", "5_dog/d.png": "a dog,\nred"}
    for number, (name, text) in enumerate(texts.items()):
        path = folders.dataset / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (64, 40 + number), (60 * number, 20, 20)).save(path)
        if text is not None:
            captions.write_caption(path, text)
    return folders


@pytest.fixture
def gallery(folders, tmp_path) -> Gallery:
    return Gallery(folders, Thumbnails(tmp_path / "thumbs"))


def contents(folders: Folders) -> dict[str, bytes]:
    places = (folders.dataset, folders.set_aside)
    found = [path for place in places for path in place.rglob("*") if path.is_file()]
    return {path.relative_to(folders.base).as_posix(): path.read_bytes() for path in found}


def ids(gallery: Gallery, text: str = "") -> list[int]:
    return [entry.id for entry in gallery.select(text)]


def names(gallery: Gallery, text: str = "") -> list[str]:
    return [entry.name for entry in gallery.select(text)]


def test_the_list_says_what_there_is(gallery):
    rows = [(e.name, e.folder, e.repeats, e.caption, e.tokens, e.size) for e in gallery.select("")]
    assert rows == [
        ("a.jpg", "", 1, "red, hat", 3, (64, 40)),
        ("b.png", "", 1, None, 0, (64, 41)),
        ("5_dog/c.png", "5_dog", 5, "red", 1, (64, 42)),
        ("5_dog/d.png", "5_dog", 5, "a dog,\nred", 4, (64, 43)),
    ]
    view = gallery.view("red")
    assert view.tags == (("red", 3), ("hat", 1), ("a dog", 1))
    assert (view.pictures, view.aside, view.captionless, view.folders) == (4, 0, 0, (("", 2), ("5_dog", 2)))


def test_what_changes_on_disk_is_seen_and_the_rest_keeps_its_id(gallery, folders):
    before, revision = dict(gallery.entries), gallery.revision
    assert not gallery.refresh() and gallery.revision == revision
    captions.write_caption(folders.dataset / "b.png", "new")
    (folders.dataset / "a.jpg").unlink()
    Image.new("RGB", (9, 9)).save(folders.dataset / "e.png")
    assert gallery.refresh()
    came, gone = gallery.since(revision)
    assert {entry.name for entry in came} == {"b.png", "e.png"}
    assert [before[number].name for number in gone] == ["a.jpg"]
    assert {entry.id: entry.name for entry in gallery.entries.values() if entry.id in before} == {
        number: entry.name for number, entry in before.items() if entry.name != "a.jpg"
    }


def test_findings_and_captions_in_doubt_are_marked(gallery, folders):
    copy = findings.Copy(folders.dataset / "b.png", "3 of 64 bits differ", folders.set_aside / "b.png")
    found = findings.Cluster(folders.dataset / "a.jpg", (copy,), "the largest")
    gestures.set_aside(folders, [folders.dataset / "b.png"], "a copy")
    findings.write(folders, findings.Findings(clusters=(found,)))
    (folders.dataset / "5_dog" / "c.txt").write_bytes(b"\xff\xfe\xfd\x00\x81")
    gallery.refresh()
    assert names(gallery, "finding:copy") == ["b.png"] and names(gallery, "finding:kept") == ["a.jpg"]
    assert names(gallery, "is:aside") == ["b.png"] and names(gallery) == [
        "a.jpg",
        "5_dog/c.png",
        "5_dog/d.png",
    ]
    assert names(gallery, "finding:encoding") == ["5_dog/c.png"]
    before = contents(folders)
    (number,) = ids(gallery, "finding:encoding")
    with pytest.raises(captions.UnsureError):
        gallery.edit(number, "new")
    done = gallery.do(lambda *given: gestures.add_tags(*given, tags=["x"]), ids(gallery, "folder:5_dog"))
    assert done.changed == 1 and done.left == (("c.txt", "encoding"),)
    gallery.undo()
    assert contents(folders) == before


GESTURES = {
    "edit": lambda gallery: gallery.edit(ids(gallery)[0], "new text"),
    "empty": lambda gallery: gallery.edit(ids(gallery)[0], ""),
    "first caption": lambda gallery: gallery.edit(ids(gallery)[1], "first"),
    "add": lambda gallery: gallery.do(lambda *given: gestures.add_tags(*given, tags=["red", "new"]), ids(gallery)),
    "front": lambda gallery: gallery.do(lambda *given: gestures.add_tags(*given, tags=["w"], front=True), ids(gallery)),
    "remove": lambda gallery: gallery.do(lambda *given: gestures.remove_tags(*given, tags=["Red"]), ids(gallery)),
    "aside": lambda gallery: gallery.do(gestures.set_aside, ids(gallery)[:3]),
    "turn": lambda gallery: gallery.do(lambda *given: gestures.turn(*given, quarters=1), ids(gallery)),
    "crop": lambda gallery: gallery.do(lambda *given: gestures.crop(*given, box=(0, 0, 9, 9)), ids(gallery)),
    "repeats": lambda gallery: gallery.do(lambda *given: gestures.change_repeats(*given, number=3), ids(gallery)),
}  # fmt: skip


@pytest.mark.parametrize("name", GESTURES)
def test_a_gesture_is_one_step_and_undone_byte_for_byte(gallery, folders, name):
    before, listed = contents(folders), names(gallery)
    GESTURES[name](gallery)
    assert contents(folders) != before
    assert len(record.steps(folders.versions)) == 1
    gallery.undo()
    after = contents(folders)
    after.pop("set_aside/reasons.jsonl", None)
    assert after == before and names(gallery) == listed
    assert gallery.undo() is None


def test_what_the_gestures_write(gallery, folders):
    read = lambda name: captions.read_caption(folders.dataset / name)  # noqa: E731
    GESTURES["add"](gallery)
    assert [read(name) for name in ("a.jpg", "b.png", "5_dog/d.png")] == ["red, hat, new", "red, new", "a dog,\nred, new"]  # fmt: skip
    GESTURES["remove"](gallery)
    assert [read(name) for name in ("a.jpg", "5_dog/c.png", "5_dog/d.png")] == [
        "hat, new",
        "new",
        "a dog,\n new",
    ]
    GESTURES["turn"](gallery)
    assert open_upright(folders.dataset / "a.jpg").size == (40, 64)
    GESTURES["crop"](gallery)
    assert {entry.size for entry in gallery.select("")} == {(9, 9)}
    GESTURES["repeats"](gallery)
    assert names(gallery) == ["3_cat/a.jpg", "3_cat/b.png", "3_dog/c.png", "3_dog/d.png"]
    assert {entry.repeats for entry in gallery.select("")} == {3} and gallery.select("")[
        0
    ].caption == "hat, new"


def test_pictures_of_one_name_find_place_in_one_folder(gallery, folders):
    for folder in ("2_dog", "5_dog"):
        (folders.dataset / folder).mkdir(exist_ok=True)
    Image.new("RGB", (8, 8)).save(folders.dataset / "2_dog" / "c.png")
    captions.write_caption(folders.dataset / "2_dog" / "c.png", "another")
    gallery.refresh()
    gallery.do(lambda *given: gestures.change_repeats(*given, number=3), ids(gallery, "folder:*dog"))
    texts = {entry.name: entry.caption for entry in gallery.select("folder:3_dog")}
    assert texts == {"3_dog/c.png": "another", "3_dog/c-2.png": "red", "3_dog/d.png": "a dog,\nred"}


def test_set_aside_comes_back_by_its_button(gallery, folders):
    before = contents(folders)
    gallery.do(gestures.set_aside, ids(gallery, "red"))
    assert [one.reason for one in aside.list_aside(folders)] == [gestures.BY_HAND] * 3
    assert handover.read(folders).images == 1
    with pytest.raises(ValueError, match="no picture of the dataset is selected"):
        gallery.do(gestures.set_aside, ids(gallery, "is:aside"))
    assert gallery.bring_back(ids(gallery, "is:aside")).changed == 3
    after = contents(folders)
    after.pop("set_aside/reasons.jsonl")
    assert after == before and handover.read(folders).images == 4
    with pytest.raises(ValueError, match="none of the selected pictures is set aside"):
        gallery.bring_back(ids(gallery))


def test_an_edit_of_what_somebody_else_changed_is_a_conflict(gallery, folders):
    entry = gallery.select("")[0]
    captions.write_caption(entry.path, "theirs")
    with pytest.raises(ConflictError) as caught:
        gallery.edit(entry.id, "mine", entry.revision)
    assert caught.value.text == "theirs" == captions.read_caption(entry.path)
    gallery.edit(entry.id, "both", caught.value.revision)
    assert captions.read_caption(entry.path) == "both"


def test_words_typed_one_after_another_are_one_undo(gallery, folders):
    first, second, *_ = ids(gallery)
    gallery.edit(first, "x")
    for text in ("xy", "xyz"):
        gallery.edit(first, text, goes_on=True)
    gallery.edit(second, "other")
    gallery.edit(first, "again", goes_on=True)
    assert len(record.steps(folders.versions)) == 3
    said = [captions.read_caption(gallery.entries[first].path) for _ in (1, 2, 3) if gallery.undo()]
    assert said == ["xyz", "xyz", "red, hat"]
    gallery.edit(first, "new", goes_on=True)
    assert gallery.undo() and captions.read_caption(gallery.entries[first].path) == "red, hat"


def test_an_edit_that_goes_on_after_another_step_is_a_step_of_its_own(gallery, folders):
    path = gallery.select("")[0].path
    gestures.edit_caption(folders, path, "x")
    with gate.step(folders.dataset, "tag") as changes:
        changes.write(captions.caption_path(path), b"tagged\n")
    gestures.edit_caption(folders, path, "xy", goes_on=True)
    assert history.undo(folders.dataset) and captions.read_caption(path) == "tagged"


@pytest.mark.parametrize("writes", [False, True])
def test_an_edit_that_goes_on_and_is_killed_leaves_one_text_or_the_other(gallery, folders, writes):
    """The step before stays as it was, whole and to be undone, wherever the process ends."""
    path = gallery.select("")[0].path
    place = captions.caption_path(path)
    gestures.edit_caption(folders, path, "x")
    with gate.alone(folders.dataset, "edit_caption"):
        dying = gate.Changes(folders.dataset, "edit_caption")
        dying.join(place)
        if writes:
            dying.write(place, b"xy\n")
    assert record.unfinished(folders.versions)
    with gate.step(folders.dataset, "tag"):
        pass
    assert not record.unfinished(folders.versions) and len(record.steps(folders.versions)) == 1
    assert captions.read_caption(path) == ("xy" if writes else "x")
    assert history.undo(folders.dataset).restored == 1 and captions.read_caption(path) == "red, hat"


def test_pictures_that_cannot_be_read_are_named_and_the_others_done(gallery, folders):
    (folders.dataset / "b.png").write_bytes(b"none")
    done = gestures.turn(folders, [folders.dataset / name for name in ("a.jpg", "b.png")], 1)
    assert done.changed == 1 and done.left[0][0] == "b.png"
    with pytest.raises(ValueError, match=r"b\.png cannot be read"):
        gestures.turn(folders, [folders.dataset / "b.png"], 1)
    with pytest.raises(ValueError, match="0 repeats make no sense"):
        gestures.change_repeats(folders, [folders.dataset / "a.jpg"], 0)
    with pytest.raises(ValueError, match="no tag is given"):
        gestures.add_tags(folders, [folders.dataset / "a.jpg"], [" ,"])


def test_a_gallery_of_no_dataset_is_empty(tmp_path):
    gallery = Gallery(Folders(tmp_path / "cat"))
    assert gallery.view().ids == () and gallery.undo() is None


def test_undo_of_a_trigger_word_takes_it_back_in_project_toml(gallery, folders):
    handover.remember(folders, trigger_word="ohwx")
    with gate.step(folders.dataset, "trigger", {"trigger_word": "before"}) as changes:
        changes.write(folders.dataset / "a.txt", b"ohwx, red\n")
    gallery.undo()
    assert handover.read(folders).trigger_word == "before"


@pytest.mark.slow
def test_ten_thousand_captions_are_listed_and_filtered_at_once(tmp_path):
    folders = Folders(tmp_path / "many")
    folders.dataset.mkdir(parents=True)
    Image.new("RGB", (8, 8)).save(folders.dataset / "0.png")
    for number in range(1, 10_000):
        path = folders.dataset / f"{number}.png"
        path.hardlink_to(folders.dataset / "0.png")
        Path(folders.dataset / f"{number}.txt").write_text(json.dumps([number, "long hair"]))
    begin = time.perf_counter()
    gallery = Gallery(folders)
    assert len(gallery.view("tag:*hair*").ids) == 9999
    assert time.perf_counter() - begin < 10, "some 0.7 s on an idle machine"
    assert not gallery.refresh()
