"""The subcommands on chosen pictures."""

import pytest
from PIL import Image

from lora_nb.__main__ import main
from lora_nb.dataset import captions, handover
from lora_nb.dataset.images import open_upright
from lora_nb.project import project_folders


@pytest.fixture
def folders(tmp_path):
    """A project of a.png (red, hat), b.png (red) and c.png without a caption."""
    folders = project_folders(tmp_path, "cat")
    folders.dataset.mkdir(parents=True)
    for name, text in {"a": "red, hat", "b": "red", "c": None}.items():
        path = folders.dataset / f"{name}.png"
        Image.new("RGB", (64, 40)).save(path)
        if text:
            captions.write_caption(path, text)
    return folders


@pytest.fixture
def say(folders, capsys):
    """Runs a verb; its exit code and what was printed."""

    def run(*arguments: str) -> tuple[int, str]:
        code = main([*arguments, "--train_data_dir", str(folders.dataset)])
        printed = capsys.readouterr()
        return code, printed.out + printed.err

    return run


def names(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.png"))


def test_list_prints_what_a_filter_means(say):
    code, said = say("list", "--filter", "NOT is:captionless")
    assert code == 0 and "a.png  64x40  1 x  3 tokens  red, hat\nb.png" in said and "2 pictures." in said
    assert "c.png" not in said
    assert "No picture is meant" in say("list", "--filter", "blue")[1]
    assert "... and 2 more" in say("list", "--number", "1")[1]
    code, said = say("list", "--filter", "colour:red")
    assert code == 2 and 'knows no "colour:"' in said


def test_chosen_pictures_are_changed_and_undone(say, folders):
    assert say("set_aside", "--filter", "tag:red", "--reason", "too red")[1].startswith(
        "2 pictures set aside"
    )
    assert names(folders.dataset) == ["c.png"] and handover.read(folders).images == 1
    assert "[set aside]" in say("list", "--filter", "is:aside")[1]
    assert say("undo")[0] == 0 and names(folders.dataset) == ["a.png", "b.png", "c.png"]
    assert "1 picture turned" in say("rotate", "--names", "a.png", "--turn", "left")[1]
    assert open_upright(folders.dataset / "a.png").size == (40, 64)
    assert "3 pictures cropped" in say("crop", "--filter", "*", "--box", "0; 0; 30; 20")[1]
    assert open_upright(folders.dataset / "b.png").size == (30, 20)
    assert "2 pictures with 4 repeats" in say("repeats", "--names", "b.png; c.png", "--repeats", "4")[1]
    assert names(folders.dataset) == ["4_cat/b.png", "4_cat/c.png", "a.png"]
    assert "4 times an epoch already" in say("repeats", "--names", "4_cat/b.png", "--repeats", "4")[1]
    assert "3 captions changed" in say("add_tags", "--filter", "*", "--tags", "new, fresh")[1]
    assert "1 caption changed" in say("remove_tags", "--filter", "*", "--tags", "hat")[1]
    assert captions.read_caption(folders.dataset / "a.png") == "red, new, fresh"
    for _ in range(5):
        assert say("undo")[0] == 0
    assert names(folders.dataset) == ["a.png", "b.png", "c.png"]
    assert open_upright(folders.dataset / "a.png").size == (64, 40)


def test_one_caption_is_written(say, folders):
    assert "is written" in say("edit_caption", "--name", "c.png", "--text", "a cat")[1]
    assert captions.read_caption(folders.dataset / "c.png") == "a cat"
    assert "says that already" in say("edit_caption", "--name", "c.png", "--text", "a cat")[1]
    assert handover.read(folders).captioned == 3


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("set_aside",), "not said which pictures"),
        (("rotate", "--names", "z.png"), '"z.png" is no picture'),
        (("crop", "--names", "a.png"), "box takes four numbers"),
        (("crop", "--names", "a.png", "--box", "0;0;99;9"), "has 64 x 40 pixels"),
        (("edit_caption",), "name is empty"),
        (("add_tags", "--names", "a.png"), "no tag is given"),
        (("repeats", "--names", "a.png", "--repeats", "0"), "repeats"),
    ],
)
def test_what_cannot_be_done_is_one_sentence(say, arguments, words):
    code, said = say(*arguments)
    progress, _, sentence = said.strip().rpartition("\n")
    assert code == 2 and words in sentence and progress in ("", "Writing pictures: 1 of 1")


def test_nothing_to_do_is_no_success(say):
    assert say("set_aside", "--filter", "blue") == (0, "No picture of the dataset is meant by that.\n")
