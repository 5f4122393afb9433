"""Pictures set aside and brought back: with their captions, nothing lost, nothing overwritten."""

import json

import pytest
from PIL import Image

from lora_nb.dataset import aside, captions
from lora_nb.project import Folders


@pytest.fixture
def folders(tmp_path):
    """A project with a.png + caption, b.png without one, and 5_x/a.png + caption."""
    folders = Folders(tmp_path / "cat")
    for name, text in {"a": "one", "b": None, "5_x/a": "two"}.items():
        image = folders.dataset / f"{name}.png"
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4, 4), (len(name), 0, 0)).save(image)
        if text:
            captions.write_caption(image, text)
    return folders


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def test_setting_aside_moves_picture_and_caption_and_bringing_back_restores_every_byte(folders):
    before = contents(folders.dataset)
    moves = [(folders.dataset / "a.png", "too dark"), (folders.dataset / "5_x" / "a.png", "a copy")]
    assert aside.set_aside(folders, moves) == 2
    assert set(contents(folders.dataset)) == {"b.png"}
    assert set(contents(folders.set_aside)) == {"a.png", "a.txt", "5_x/a.png", "5_x/a.txt", "reasons.jsonl"}
    assert aside.list_aside(folders) == (
        aside.Aside("a.png", "a.png", "too dark"),
        aside.Aside("5_x/a.png", "5_x/a.png", "a copy"),
    )
    assert aside.bring_back(folders) == 2
    assert contents(folders.dataset) == before
    assert contents(folders.set_aside) == {"reasons.jsonl": b""}
    assert aside.bring_back(folders) == 0


def test_one_picture_alone_can_be_brought_back(folders):
    aside.set_aside(folders, [(folders.dataset / name, "why") for name in ("a.png", "b.png")])
    assert aside.bring_back(folders, ["b.png"]) == 1
    assert [item.name for item in aside.list_aside(folders)] == ["a.png"]
    assert len((folders.set_aside / "reasons.jsonl").read_text(encoding="utf-8").splitlines()) == 1
    with pytest.raises(ValueError, match='"b.png" is not set aside'):
        aside.bring_back(folders, ["b.png"])


def test_a_place_that_is_taken_by_now_is_not_overwritten(folders):
    aside.set_aside(folders, [(folders.dataset / "a.png", "why")])
    (folders.dataset / "a.jpg").write_bytes(b"new")
    captions.write_caption(folders.dataset / "a.jpg", "new")
    aside.bring_back(folders)
    assert captions.read_caption(folders.dataset / "a.jpg") == "new"
    assert captions.read_caption(folders.dataset / "a-2.png") == "one"
    assert not (folders.dataset / "a.png").exists()


def test_two_pictures_of_one_name_stand_aside_side_by_side(folders):
    first = (folders.dataset / "a.png").read_bytes()
    aside.set_aside(folders, [(folders.dataset / "a.png", "first")])
    (folders.dataset / "a.png").write_bytes(b"second")
    aside.set_aside(folders, [(folders.dataset / "a.png", "second")])
    assert [(item.name, item.original) for item in aside.list_aside(folders)] == [
        ("a.png", "a.png"),
        ("a-2.png", "a.png"),
    ]
    aside.bring_back(folders)
    assert (folders.dataset / "a.png").read_bytes() == first
    assert (folders.dataset / "a-2.png").read_bytes() == b"second"


def test_a_caption_that_two_pictures_share_stays_with_the_other(folders):
    (folders.dataset / "a.jpg").write_bytes(b"x")
    before = contents(folders.dataset)
    aside.set_aside(folders, [(folders.dataset / "a.jpg", "why")])
    assert captions.read_caption(folders.dataset / "a.png") == "one"
    assert captions.read_caption(folders.set_aside / "a.jpg") == "one"
    aside.bring_back(folders)
    assert contents(folders.dataset) == before


def test_a_record_cut_off_by_a_kill_loses_no_picture(folders):
    aside.set_aside(folders, [(folders.dataset / "a.png", "why")])
    with open(folders.set_aside / "reasons.jsonl", "a", encoding="utf-8") as file:
        file.write('{"name": "b.p')
    aside.set_aside(folders, [(folders.dataset / "b.png", "later")])
    assert [item.reason for item in aside.list_aside(folders)] == ["why", "later"]
    (folders.set_aside / "reasons.jsonl").unlink()
    assert aside.bring_back(folders) == 2
    assert {"a.png", "a.txt", "b.png"} <= set(contents(folders.dataset))


def test_a_picture_of_elsewhere_is_refused(folders, tmp_path):
    with pytest.raises(ValueError, match="is not in the dataset"):
        aside.set_aside(folders, [(tmp_path / "x.png", "why")])


NOT_OURS = (
    "../../../x.png", "/x.png", "C:/x.png", "C:\\x.png", "..\\..\\x.png", "a/../../x.png", "link/x.png", "", ".", "x.txt",
    "a\0.png", 5, None, ["a.png"], {"a": 1},
)  # fmt: skip


@pytest.mark.parametrize("original", NOT_OURS)
def test_a_place_in_the_records_that_leads_out_is_not_used(folders, tmp_path, original):
    (tmp_path / "outside").mkdir()
    (folders.dataset / "link").symlink_to(tmp_path / "outside")
    aside.set_aside(folders, [(folders.dataset / "a.png", "why")])
    record = folders.set_aside / "reasons.jsonl"
    before = contents(tmp_path)
    line = json.loads(record.read_text(encoding="utf-8"))
    record.write_text(json.dumps({**line, "original": original}) + "\n[]\n7\n", encoding="utf-8")
    assert aside.bring_back(folders) == 1
    assert captions.read_caption(folders.dataset / "a.png") == "one"
    moved = {"cat/set_aside/a.png", "cat/set_aside/a.txt", "cat/set_aside/reasons.jsonl"}
    assert {name for name, content in before.items() if contents(tmp_path).get(name) != content} == moved


@pytest.mark.parametrize("name", NOT_OURS)
def test_a_name_in_the_records_that_leads_out_moves_nothing(folders, tmp_path, name):
    for place in (tmp_path / "x.png", folders.base / "x.png", folders.base.parent.parent / "x.png"):
        place.write_bytes(b"mine")
    aside.set_aside(folders, [(folders.dataset / "a.png", "why")])
    record = folders.set_aside / "reasons.jsonl"
    record.write_text(json.dumps({"name": name, "original": "new.png", "reason": ""}), encoding="utf-8")
    assert [item.name for item in aside.list_aside(folders)] == ["a.png"]
    assert aside.bring_back(folders) == 1
    assert (tmp_path / "x.png").read_bytes() == (folders.base / "x.png").read_bytes() == b"mine"
    assert not (folders.dataset / "new.png").exists() and (folders.dataset / "a.png").exists()
