"""Folders `N_name` of a source: listed, chosen, renamed, given trigger words; odd numbers are asked about."""

import pytest
from test_importer import BLUE, GREEN, RED, run, tree, zipped

from lora_nb.__main__ import main
from lora_nb.config.intake import LookConfig
from lora_nb.dataset import handover
from lora_nb.intake import subsets
from lora_nb.intake.importer import list_subsets
from lora_nb.intake.subsets import Subset
from lora_nb.project import Folders


@pytest.fixture
def source(tmp_path):
    entries = [("5_cat/a.png", RED), ("x/5_cat/d.png", GREEN), ("3_dog/b.png", BLUE), ("c.png", RED + b"x")]
    return zipped(tmp_path / "a.zip", entries)


@pytest.fixture
def odd(tmp_path):
    entries = [("2023_holiday/a.png", RED), ("0_old/b.png", BLUE), ("100_cat/c.png", GREEN)]
    return zipped(tmp_path / "odd.zip", entries)


def test_they_are_listed_with_their_pictures(source, odd):
    assert list_subsets(LookConfig(str(source))) == (Subset("3_dog", 1), Subset("5_cat", 2))
    assert [bool(subset.odd) for subset in list_subsets(LookConfig(str(odd)))] == [True, False, True]


def test_the_chosen_ones_come_in_under_their_new_names(source, dataset):
    report = run(source, dataset, folders=("5_cat -> 8_kitty: ohwx cat",))
    assert tree(dataset) == ["8_kitty/a.png", "8_kitty/d.png", "c.png"]
    assert report.trigger_words == (("8_kitty", "ohwx cat"),)
    assert ("3_dog/b.png", "its folder was not chosen") in report.skipped


def test_one_may_lose_its_repeats(source, dataset):
    run(source, dataset, folders=("5_cat ->", "3_dog"))
    assert tree(dataset) == ["3_dog/b.png", "a.png", "c.png", "d.png"]


@pytest.mark.parametrize(
    ("folders", "sentence"),
    [
        (("7_cow",), 'no N_name folder "7_cow" with pictures; it has 3_dog, 5_cat'),
        (("5_cat -> cat",), 'folders: "cat" is not usable: write N_name'),
        ((": x",), 'folders: ": x" cannot be read'),
    ],
)
def test_what_cannot_be_chosen_is_one_sentence(source, dataset, folders, sentence):
    with pytest.raises(ValueError, match=sentence):
        run(source, dataset, folders=folders)
    assert tree(dataset) == []


def test_odd_numbers_are_asked_about_and_nothing_comes_in(odd, dataset):
    with pytest.raises(ValueError, match='"0_old" with 1 pictures, which would mean 0 repeats') as asked:
        run(odd, dataset)
    assert "odd_folders = plain" in str(asked.value) and tree(dataset) == []


def test_they_are_ordinary_folders_or_as_they_say_or_called_otherwise(odd, dataset):
    run(odd, dataset / "1", odd_folders="plain")
    assert tree(dataset / "1") == ["100_cat/c.png", "a.png", "b.png"]
    run(odd, dataset / "2", odd_folders="repeats")
    assert tree(dataset / "2") == ["0_old/b.png", "100_cat/c.png", "2023_holiday/a.png"]
    run(odd, dataset / "3", folders=("2023_holiday -> 4_holiday", "0_old ->"))
    assert tree(dataset / "3") == ["4_holiday/a.png", "b.png"]
    with pytest.raises(ValueError, match="2023_holiday"):
        run(odd, dataset / "4", folders=("2023_holiday",))


def test_trigger_words_of_folders_go_into_project_toml_and_other_keys_stay(source, dataset, capsys):
    folders = Folders(dataset.parent)
    folders.create()
    folders.handover.write_text(
        'mine = 1\n[subsets."3_dog"]\nnote = "kept"\n[subsets."9_x"]\ntrigger_word = "x"\n'
    )
    line = [
        "import",
        "--source",
        str(source),
        "--train_data_dir",
        str(dataset),
        "--folders",
        "5_cat: ohwx cat; 3_dog: rex",
    ]
    assert main(line) == 0
    assert handover.trigger_words(folders) == {"5_cat": "ohwx cat", "3_dog": "rex", "9_x": "x"}
    assert 'note = "kept"' in folders.handover.read_text() and "mine = 1" in folders.handover.read_text()


def test_the_verb_look_lists_and_says_what_is_odd(odd, source, dataset, capsys, tmp_path):
    dataset.mkdir(parents=True)
    assert main(["look", "--source", str(odd), "--train_data_dir", str(dataset)]) == 0
    said = capsys.readouterr().out
    assert "100_cat: 1 picture, 100 repeats" in said and "0_old would mean 0 repeats" in said
    assert subsets.kept(Folders(dataset.parent), str(odd))[0] == Subset("0_old", 1)
    assert subsets.kept(Folders(dataset.parent), str(source)) == ()
    plain = zipped(tmp_path / "plain.zip", [("a.png", RED)])
    assert main(["look", "--source", str(plain)]) == 0
    assert "has no folder called N_name" in capsys.readouterr().out
