"""Versions of a dataset: kept whole, listed, compared, gone back to; nothing lost on the way."""

import json
import os
import shutil
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from lora_nb.dataset import aside, comeback, gate, handover, history, snapshots, versions
from lora_nb.dataset.record import TIME
from lora_nb.project import Folders


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    """Three captioned pictures, one without a caption, one in a sub-folder."""
    folders = Folders(tmp_path / "Loras" / "cat")
    for number, name in enumerate(("a", "b", "c", "bare", "5_x/a")):
        draw(folders.dataset / f"{name}.png", number)
        if name != "bare":
            (folders.dataset / f"{name}.txt").write_bytes(f"cat, number {number}\r\n".encode())
    handover.remember(folders, trigger_word="cat")
    return folders


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.effect_noise((40, 30), 20 + seed).convert("RGB").save(path)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def change_everything(folders: Folders) -> None:
    """What a day's work does: set aside, replaced, captioned, moved, imported, renamed by hand."""
    aside.set_aside(folders, [(folders.dataset / "a.png", "blurred")])
    with gate.step(folders.dataset, "crop") as changes:
        changes.write(folders.dataset / "b.png", (folders.dataset / "c.png").read_bytes() + b"cropped")
        changes.write(folders.dataset / "b.txt", b"another caption")
        changes.write(folders.dataset / "bare.txt", b"a new caption")
    with gate.step(folders.dataset, "move") as changes:
        pair = [
            gate.Move(folders.dataset / f"5_x/a{end}", folders.dataset / f"9_y/moved{end}")
            for end in (".png", ".txt")
        ]
        changes.move([pair])
    draw(folders.dataset / "new.png", 99)
    (folders.dataset / "new.txt").write_text("new")
    (folders.dataset / "c.txt").unlink()


def test_a_version_brings_every_byte_back_and_undo_takes_that_back(folders):
    before = contents(folders.dataset)
    kept = versions.keep(folders.dataset, "first", "as imported")
    change_everything(folders)
    changed = contents(folders.base / "dataset"), contents(folders.set_aside)
    done = comeback.restore(folders.dataset, versions.find(folders.dataset, "first"))
    assert contents(folders.dataset) == before and not done.missing
    aside_now = contents(folders.set_aside)
    assert {"new.png", "new.txt", "b.png", "b.txt"} < set(aside_now) and "a.png" not in aside_now
    assert 'not in the version "first"' in aside_now["reasons.jsonl"].decode().replace("\\", "")
    undone = history.undo(folders.dataset)
    assert undone.verb == "restore_version" and undone.left == ()
    assert (contents(folders.dataset), contents(folders.set_aside)) == changed
    assert not versions.difference(folders.dataset, kept, kept)


def test_going_back_keeps_a_version_of_how_it_was(folders):
    versions.keep(folders.dataset, "first")
    change_everything(folders)
    there = contents(folders.dataset)
    comeback.restore(folders.dataset, versions.find(folders.dataset, "first"))
    last = versions.find(folders.dataset)
    assert last.automatic == "before going back to first" and not last.whole
    comeback.restore(folders.dataset, last)
    assert contents(folders.dataset) == there
    assert not comeback.restore(folders.dataset, last), "it is so already"


def test_the_difference_names_what_became_of_each_file(folders):
    first = versions.keep(folders.dataset, "first")
    change_everything(folders)
    found = versions.difference(folders.dataset, first)
    assert found.added == ("new.png",) and found.removed == ("a.png",) and found.changed == ("b.png",)
    assert found.moved == (("5_x/a.png", "9_y/moved.png"),)
    texts = {name: (old, new) for name, old, new in found.captions}
    assert texts["b.txt"] == ("cat, number 1", "another caption")
    assert texts["bare.txt"] == (None, "a new caption") and texts["c.txt"] == ("cat, number 2", None)
    second = versions.keep(folders.dataset, "second")
    assert versions.difference(folders.dataset, first, second) == found
    turned = versions.difference(folders.dataset, second, first)
    assert (turned.added, turned.removed) == (found.removed, found.added)


def test_equal_files_are_on_the_disk_once_and_no_link_to_the_dataset(folders):
    shutil.copy(folders.dataset / "a.png", folders.dataset / "again.png")
    versions.keep(folders.dataset, "one")
    objects = folders.versions / "objects"
    first = contents(objects)
    assert len(first) == 5, "six pictures, two of them equal"
    with open(folders.dataset / "a.png", "r+b") as picture:  # as an editor that writes into the file
        picture.write(b"spoilt")
    versions.keep(folders.dataset, "two")
    assert len(contents(objects)) == 6 and first.items() <= contents(objects).items()
    texts = (folders.versions / "texts.jsonl").read_text().splitlines()
    assert len(texts) == len(set(texts)) == 5, "four captions and project.toml"


def test_yesterdays_version_is_there_though_nobody_asked(folders, monkeypatch):
    before = contents(folders.dataset)
    aside.set_aside(folders, [(folders.dataset / "a.png", "one")])
    (made,) = versions.every(folders.dataset)
    assert made.automatic and not made.whole and not (folders.versions / "objects").exists()
    aside.set_aside(folders, [(folders.dataset / "b.png", "two")])
    assert len(versions.every(folders.dataset)) == 1, "one a day"
    yesterday = made.made - timedelta(days=1)
    place = folders.versions / "snapshots"
    os.rename(place / f"{made.id}.json", place / f"{yesterday.strftime(TIME)}.json")
    aside.set_aside(folders, [(folders.dataset / "c.png", "today")])
    assert len(versions.every(folders.dataset)) == 2
    comeback.restore(folders.dataset, versions.find(folders.dataset, f"{yesterday:%Y-%m-%d}"))
    assert contents(folders.dataset) == before


def test_a_light_version_finds_replaced_pictures_in_the_steps_and_names_what_is_lost(folders):
    light = versions.keep(folders.dataset, "light", whole=False)
    with gate.step(folders.dataset, "crop") as changes:
        old = (folders.dataset / "b.png").read_bytes()
        changes.write(folders.dataset / "b.png", b"cropped")
    (folders.dataset / "c.png").unlink()
    done = comeback.restore(folders.dataset, light)
    assert (folders.dataset / "b.png").read_bytes() == old and done.missing == ["c.png"]
    assert (folders.set_aside / "b.png").read_bytes() == b"cropped"


def test_a_whole_version_outlives_pictures_deleted_by_hand(folders):
    before = contents(folders.dataset)
    kept = versions.keep(folders.dataset, "whole")
    shutil.rmtree(folders.dataset)
    folders.dataset.mkdir()
    done = comeback.restore(folders.dataset, kept)
    assert contents(folders.dataset) == before and done.came == 5
    history.undo(folders.dataset)
    assert contents(folders.dataset) == {}


def test_two_pictures_that_changed_places_go_back(folders):
    before = contents(folders.dataset)
    kept = versions.keep(folders.dataset, "first", whole=False)
    for end in (".png", ".txt"):
        one, other = (folders.dataset / f"{stem}{end}" for stem in "ab")
        os.rename(one, folders.base / "spare")
        os.rename(other, one)
        os.rename(folders.base / "spare", other)
    comeback.restore(folders.dataset, kept)
    assert contents(folders.dataset) == before


def test_a_moved_project_keeps_its_versions(folders, tmp_path):
    before = contents(folders.dataset)
    versions.keep(folders.dataset, "first")
    change_everything(folders)
    moved = Folders(tmp_path / "elsewhere" / "dog")
    shutil.move(folders.base, moved.base)
    comeback.restore(moved.dataset, versions.find(moved.dataset, "first"))
    assert contents(moved.dataset) == before


def test_what_is_no_version_is_not_listed(folders):
    kept = versions.keep(folders.dataset, "good")
    place = folders.versions / "snapshots"
    written = (place / f"{kept.id}.json").read_text()
    later = (datetime.now() + timedelta(days=1)).strftime(TIME)
    (place / f".{later}.json.12345678.tmp").write_text(written)
    for name, text in {
        "x.json": written,
        f"{later}.json": written[:200],
        f"{later[:-1]}7.json": "[]",
    }.items():
        (place / name).write_text(text)
    assert versions.every(folders.dataset) == (kept,)


def test_unknown_fields_and_places_that_lead_out_are_passed_over(folders, tmp_path):
    kept = versions.keep(folders.dataset, "first")
    path = folders.versions / "snapshots" / f"{kept.id}.json"
    fields = json.loads(path.read_text())
    fields["files"]["a.png"]["colour"] = "of a later version"
    for name in ("../../out.png", "/out.png", "..\\out.png", "../out.txt"):
        fields["files"][name] = fields["files"]["a.png"]
    path.write_text(json.dumps({**fields, "later": {"x": 1}}))
    (folders.dataset / "a.png").unlink()
    outside = contents(tmp_path)
    comeback.restore(folders.dataset, versions.find(folders.dataset, "first"))
    assert (folders.dataset / "a.png").is_file()
    assert {name for name in contents(tmp_path) if "out." in name} == {
        name for name in outside if "out." in name
    }


def test_a_damaged_object_is_not_brought_back(folders):
    kept = versions.keep(folders.dataset, "first")
    (folders.versions / "objects" / kept.files["a.png"].sha256).write_bytes(b"rotten")
    (folders.dataset / "a.png").unlink()
    done = comeback.restore(folders.dataset, kept)
    assert done.missing == ["a.png"] and not (folders.dataset / "a.png").exists()


def test_a_version_is_found_by_name_day_and_time(folders):
    with pytest.raises(ValueError, match="has no version yet"):
        versions.find(folders.dataset)
    one, two = versions.keep(folders.dataset, "same"), versions.keep(folders.dataset, "same")
    assert versions.find(folders.dataset) == versions.find(folders.dataset, "same") == two
    assert versions.find(folders.dataset, one.id) == one
    assert versions.find(folders.dataset, f"{one.made:%Y-%m-%d %H}") == two
    with pytest.raises(ValueError, match='no version "2001": the last ones are same'):
        versions.find(folders.dataset, "2001")


def test_a_dataset_without_a_picture_has_no_version(tmp_path):
    (tmp_path / "dataset").mkdir()
    (tmp_path / "dataset" / "a.txt").write_text("alone")
    with pytest.raises(ValueError, match="holds no picture"):
        versions.keep(tmp_path / "dataset")


def test_what_project_toml_said_comes_with_the_version(folders):
    kept = versions.keep(folders.dataset, "first")
    handover.remember(folders, trigger_word="dog")
    assert versions.facts(folders.dataset, kept)["trigger_word"] == "cat"
    assert snapshots.daily(folders.dataset) is None


def test_a_folder_of_another_name_keeps_versions_and_is_not_gone_back_to(folders):
    other = folders.dataset.rename(folders.base / "photos")
    kept = versions.keep(other, "first")
    (other / "a.png").unlink()
    assert versions.difference(other, kept).removed == ("a.png",)
    with pytest.raises(ValueError, match="is not called dataset"):
        comeback.restore(other, kept)
    assert versions.every(folders.dataset) == (), "those of another folder are its own"


def test_masks_go_with_their_pictures_and_come_back(folders):
    mask = folders.dataset / "a-masklabel.png"
    draw(mask, 7)
    kept = versions.keep(folders.dataset, "masked", "")
    before = contents(folders.dataset)
    with gate.step(folders.dataset, "prepare") as changes:
        changes.write(mask, b"another")
        changes.write(folders.dataset / "b-masklabel.png", b"new")
        changes.write(folders.dataset / "new.png", (folders.dataset / "c.png").read_bytes() + b"x")
        changes.write(folders.dataset / "new-masklabel.png", b"of the new one")
    changed = contents(folders.dataset)
    comeback.restore(folders.dataset, kept)
    assert contents(folders.dataset) == before
    assert {one.original for one in aside.list_aside(folders)} == {"new.png"}
    history.undo(folders.dataset)
    assert contents(folders.dataset) == changed
