"""What the page asks, asked without a page."""

import json
from pathlib import Path

import pytest
from PIL import Image

from lora_nb.dataset import captions
from lora_nb.overview.answers import BATCH, MOST_ASKED, Answers
from lora_nb.overview.gallery import Gallery
from lora_nb.overview.thumbnails import Thumbnails
from lora_nb.project import Folders


@pytest.fixture
def answers(tmp_path) -> Answers:
    """About 40 pictures, the last of them broken."""
    folders = Folders(tmp_path / "Loras" / "cat")
    folders.dataset.mkdir(parents=True)
    for number in range(39):
        Image.new("RGB", (30, 20), (number, 0, 0)).save(folders.dataset / f"{number:02}.png")
        captions.write_caption(folders.dataset / f"{number:02}.png", f"tag{number % 3}")
    (folders.dataset / "39.png").write_bytes(b"no picture")
    return Answers(Gallery(folders, Thumbnails(tmp_path / "thumbs")))


def ask(answers: Answers, op: str, **more):
    return list(answers.to({"op": op, "seq": "v-1", **more}))


def one(answers: Answers, op: str, **more):
    ((answer, parts),) = ask(answers, op, **more)
    return answer, [json.loads(part) for part in parts]


def test_the_list_is_one_json_in_bytes_and_then_what_changed(answers):
    hello, _ = one(answers, "hello")
    listed, (rows,) = one(answers, "list", since=0)
    assert hello["epoch"] == listed["epoch"] and len(rows["rows"]) == 40 and listed["re"] == "v-1"
    assert rows["rows"][0][1:5] == ["00.png", "", 1, "tag0"]
    path = next(iter(answers.gallery.entries.values())).path
    captions.write_caption(path, "other")
    later, (rows,) = one(answers, "list", since=listed["revision"])
    assert [row[4] for row in rows["rows"]] == ["other"] and later["revision"] > listed["revision"]


def test_a_view_has_ids_and_tags(answers):
    _, (view,) = one(answers, "view", filter="tag:tag1")
    assert len(view["ids"]) == 13 and view["tags"] == [["tag1", 13]]
    wrong, _ = one(answers, "view", filter="colour:red")
    assert not wrong["ok"] and 'knows no "colour:"' in wrong["say"]


def test_small_copies_come_in_batches_and_a_failure_is_a_reason(answers):
    said = ask(answers, "thumbs", ids=list(range(8, 40)))
    assert [len(answer["items"]) for answer, _ in said] == [BATCH, BATCH]
    assert [answer["last"] for answer, _ in said] == [False, True]
    assert all(part.startswith(b"\xff\xd8") for _, parts in said for part in parts[:-1])
    last, nothing = said[-1][0]["items"][-1], said[-1][1][-1]
    assert (
        "not a picture" in last["why"]
        and str(answers.gallery.folders.base) not in last["why"]
        and nothing == b""
    )
    assert (
        sum(len(answer["items"]) for answer, _ in ask(answers, "thumbs", ids=[*range(40)] * 9)) == MOST_ASKED
    )
    assert ask(answers, "thumbs", ids=[777])[0][0]["items"][0]["why"]


def test_an_edit_says_the_new_revision_or_the_conflict(answers):
    _, (rows,) = one(answers, "list", since=0)
    number, base = rows["rows"][0][0], rows["rows"][0][5]
    done, (changed,) = one(answers, "edit", id=number, base=base, text="long hair", since=1)
    assert (
        done["ok"]
        and ask(answers, "tokens", ids=[number, 777])[0][0]["items"] == [[number, 2]]
        and changed["rows"][0][5] == done["base"] != base
    )
    clash, _ = one(answers, "edit", id=number, base=base, text="mine")
    assert not clash["ok"] and clash["conflict"] == {"text": "long hair", "revision": done["base"]}
    for more in ({"action": "rotate", "quarters": 1}, {"action": "crop", "box": [0, 0, 5.2, 5]}):
        answer, (changed,) = one(answers, "batch", ids=[number], since=done["revision"], **more)
        assert answer["ok"] and len(changed["rows"]) == 1, answer


@pytest.mark.parametrize(
    ("action", "more", "words"),
    [
        ("set_aside", {}, "3 pictures set aside."),
        ("rotate", {"quarters": 3}, "3 pictures turned."),
        ("crop", {"box": [0, 0, 5, 5]}, "3 pictures cropped."),
        ("add_tags", {"tag": "new"}, "The tag was added to 3 captions."),
        ("remove_tags", {"tag": "tag1"}, "The tag was taken out of 1 caption."),
        ("remove_tags", {"tag": "none"}, "None of these captions has it."),
        ("repeats", {"number": 4}, "3 pictures have other repeats now."),
    ],
)
def test_what_is_done_to_the_selected_is_said_and_undone(answers, action, more, words):
    since = answers.gallery.revision
    done, (rows,) = one(answers, "batch", action=action, ids=[0, 1, 2], since=since, **more)
    assert done["say"] == words
    if not words.startswith("None"):
        assert rows["rows"] or rows["gone"]
        undone, _ = one(answers, "undo", since=since)
        assert "All is as it was before" in undone["say"]
    nothing, _ = one(answers, "undo")
    assert nothing["say"] == "There is nothing to undo."


def test_one_that_is_set_aside_comes_back_under_its_id(answers):
    one(answers, "batch", action="set_aside", ids=[5])
    (number,) = one(answers, "view", filter="is:aside")[1][0]["ids"]
    back, _ = one(answers, "batch", action="bring_back", ids=[number])
    assert back["say"] == "1 picture is back in the dataset."
    assert 5 in one(answers, "view", filter="")[1][0]["ids"]


@pytest.mark.parametrize(
    "message",
    [
        {"op": "large", "id": 999},
        {"op": "batch", "action": "explode", "ids": [1], "number": "x"},
        {"op": "batch", "action": "rotate", "ids": [1]},
        {"op": "edit", "id": 1},
        {"op": "view"},
        {"op": "thumbs", "ids": None},
        {"op": "batch", "action": "set_aside", "ids": []},
    ],
)
def test_what_makes_no_sense_is_one_sentence(answers, message):
    ((answer, _),) = answers.to({"seq": 1, **message})
    assert not answer["ok"] and answer["say"]


@pytest.mark.parametrize("message", [None, "hello", {}, {"op": "rm", "seq": 1}, {"op": ["hello"]}])
def test_what_is_no_question_gets_no_answer(answers, message):
    assert list(answers.to(message)) == []


def test_a_large_copy(answers):
    ((answer, (content,)),) = ask(answers, "large", id=0)
    assert answer["size"] == (30, 20) and content.startswith(b"\xff\xd8")


def test_the_page_names_no_path(answers):
    text = json.dumps([one(answers, "list", since=0), one(answers, "view", filter=""), one(answers, "hello")])
    assert str(Path(answers.gallery.folders.base)) not in text
