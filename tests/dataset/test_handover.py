"""project.toml: what a person or a newer version wrote into it stays."""

import tomllib

import pytest
from PIL import Image

from lora_nb.config.examples import Captions
from lora_nb.config.project import Handover
from lora_nb.dataset import handover
from lora_nb.dataset.captions import kind_of
from lora_nb.project import Folders


@pytest.fixture
def folders(tmp_path):
    """A project with one picture and its caption."""
    folders = Folders(tmp_path / "cat")
    folders.create()
    Image.new("RGB", (4, 4)).save(folders.dataset / "a.png")
    (folders.dataset / "a.txt").write_text("one", encoding="utf-8")
    return folders


def written(folders):
    return tomllib.loads(folders.handover.read_text(encoding="utf-8"))


def test_what_was_learnt_is_read_back(folders):
    assert handover.read(folders) == Handover()
    known = handover.remember(folders, project="cat", trigger_word="ohwx")
    assert known == handover.read(folders) == Handover("cat", "ohwx", "tags", 1, 1)


def test_unknown_keys_and_tables_stay_and_hide_nothing(folders):
    folders.handover.write_text(
        'future = 1979-05-27\ntrigger_word = "rexxy"\n[mine]\nnote = "猫"\n[[list]]\na = [1, 2.5]\n',
        encoding="utf-8",
    )
    told = []
    assert handover.read(folders, told.append).trigger_word == "rexxy"
    before = written(folders)
    assert handover.remember(folders, told.append, caption_kind="tags").trigger_word == "rexxy"
    after = written(folders)
    assert before.items() <= after.items() and after["caption_kind"] == "tags" and after["images"] == 1
    assert told == []


@pytest.mark.parametrize(
    "line", ["caption_kind = 5", 'images = "many"', 'caption_kind = "poems"', "project = [1]"]
)
def test_a_value_that_is_not_usable_is_told_and_stays_and_hides_nothing(folders, line):
    folders.handover.write_text(f'trigger_word = "rexxy"\n{line}\n')
    told = []
    assert handover.read(folders, told.append).trigger_word == "rexxy"
    name = line.split()[0]
    assert f"{name} = " in told[0].text and "it is passed over" in told[0].text
    handover.remember(folders)
    assert written(folders)["trigger_word"] == "rexxy"
    if name != "images":  # that one is counted anew
        assert tomllib.loads(line).items() <= written(folders).items()


@pytest.mark.parametrize("content", [b'trigger_word = "rexxy\n', b'trigger_word = "\xff"\n', b"\0" * 20])
def test_a_damaged_file_is_set_aside_and_told(folders, content):
    folders.handover.write_bytes(content)
    told = []
    assert handover.read(folders, told.append) == Handover()
    assert "cannot be read" in told.pop().text and folders.handover.read_bytes() == content
    handover.remember(folders, told.append, trigger_word="new")
    (kept,) = folders.base.glob("project.toml.damaged-*")
    assert kept.read_bytes() == content and kept.name in told[0].text
    assert handover.read(folders).trigger_word == "new"
    folders.handover.write_bytes(content)
    handover.remember(folders)
    assert len([*folders.base.glob("project.toml.damaged-*")]) == 2


def test_somebodys_own_folder_gets_no_project_file_from_a_step(tmp_path):
    own, project = Folders(tmp_path / "pictures"), Folders(tmp_path / "Loras" / "zoo" / "cat")
    for folders in (own, project):
        folders.dataset.mkdir(parents=True)
        handover.refresh(folders)
    assert not own.handover.exists() and handover.read(project).project == "zoo/cat"
    handover.remember(own, trigger_word="ohwx")
    handover.refresh(own, caption_kind="tags")
    assert handover.read(own) == Handover("pictures", "ohwx", "tags", 0, 0)


@pytest.mark.parametrize(
    ("texts", "kind"),
    [
        (["1girl, red hair", "solo, smile"], "tags"),
        (["a photo of a cat that sleeps on a red sofa"], "sentences"),
        (["", " "], ""),
        ([], ""),
    ],
)
def test_the_kind_of_captions_is_told_by_their_words_and_commas(texts, kind):
    assert kind_of(texts) == kind


def test_sentences_keep_their_order_and_tags_their_trigger_words_in_front():
    start = Captions(keep_tokens=3)
    tags = handover.for_training(Handover(trigger_word="ohwx, cat", caption_kind="tags"), start)
    assert (tags.trigger_word, tags.shuffle_caption, tags.keep_tokens) == ("ohwx, cat", True, 2)
    words = handover.for_training(Handover(trigger_word="ohwx", caption_kind="sentences"), start)
    assert (words.shuffle_caption, words.keep_tokens) == (False, 0)
    assert handover.for_training(Handover(), start).keep_tokens == 3


def test_trigger_words_of_folders_are_kept_beside_everything_else(tmp_path):
    folders = Folders(tmp_path)
    assert handover.trigger_words(folders) == {}
    folders.handover.write_text(
        'mine = 1\n[subsets]\n1_a = "cat"\n2_b = {trigger_word = "dog", other = 2}\n3_c = 3\n4_d = {trigger_word = ""}\n'
    )
    assert handover.trigger_words(folders) == {"1_a": "cat", "2_b": "dog"}
    handover.remember_subsets(folders, {"2_b": "", "5_e": "fox", "1_a": "lynx"})
    assert handover.trigger_words(folders) == {"1_a": "lynx", "5_e": "fox"}
    table = tomllib.loads(folders.handover.read_text())
    assert table["mine"] == 1 and table["subsets"]["2_b"] == {"other": 2}
    folders.handover.write_text("subsets = 3\n")
    assert handover.trigger_words(folders) == {}
    handover.remember_subsets(folders, {"1_a": "cat"})
    assert handover.trigger_words(folders) == {"1_a": "cat"}
    folders.handover.write_text("no toml [")
    assert handover.trigger_words(folders) == {}
