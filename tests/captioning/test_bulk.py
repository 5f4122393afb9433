"""Edits of many captions: planned, made, undone, killed."""

import shutil

import pytest
from PIL import Image
from test_kill import check, contents, pairs, run, spread, world  # noqa: F401

from lora_nb.__main__ import main
from lora_nb.captioning import bulk
from lora_nb.config.captioning import ACTIONS, EditTagsConfig
from lora_nb.config.dataset import DatasetConfig
from lora_nb.dataset import handover
from lora_nb.dataset.captions import read_caption
from lora_nb.project import folders_of_dataset
from lora_nb.shell.verbs import VERBS

SENTENCE = "A woman in a red coat stands on the old bridge in the rain."
TEXTS = {
    "a": "ohwx, 1girl,  long_hair, white shirt, shirt",
    "b": "ohwx, 1girl, hat, kitty, Hat",
    "5_x/c": "sks, 1boy, signature, long hair, scarf",
    "5_x/d": SENTENCE,
    "5_x/e": None,
}


@pytest.fixture
def dataset(tmp_path):
    dataset = tmp_path / "cat" / "dataset"
    (dataset / "5_x").mkdir(parents=True)
    for number, (name, text) in enumerate(TEXTS.items()):
        Image.new("RGB", (16, 16), (number, 0, 0)).save(dataset / f"{name}.png")
        if text is not None:
            (dataset / f"{name}.txt").write_text(text)
    folders = folders_of_dataset(dataset)
    handover.remember(folders, trigger_word="ohwx")
    handover.remember_subsets(folders, {"5_x": "sks"})
    return dataset


def edit(dataset, **settings):
    """The captions that change, each with its new text; that nothing is written without `apply`, and all with it."""
    config = EditTagsConfig(str(dataset), **settings)
    before = files(dataset)
    plan = bulk.plan_edit(config)
    assert files(dataset) == before
    assert bulk.apply_edit(config) == plan
    for change in plan.changes:
        assert read_caption(dataset / change.name) == change.new.strip()
    return {change.name.removesuffix(".png"): change.new for change in plan.changes}


def files(dataset):
    return {path: path.read_bytes() for path in dataset.rglob("*") if path.is_file()}


EDITS = [
    ({"action": "add", "tags": ("red, hat",), "names": ("a.png",)}, {"a": f"{TEXTS['a']}, red, hat"}),
    (
        {"action": "add", "tags": ("solo",), "place": "after trigger", "where": "1girl OR 1boy"},
        {
            "a": "ohwx, solo, 1girl,  long_hair, white shirt, shirt",
            "b": "ohwx, solo, 1girl, hat, kitty, Hat",
            "5_x/c": "sks, solo, 1boy, signature, long hair, scarf",
        },
    ),
    (
        {"action": "remove", "tags": ("Long_Hair", "1boy")},
        {"a": "ohwx, 1girl, white shirt, shirt", "5_x/c": "sks, signature, scarf"},
    ),
    (
        {"action": "replace", "tags": ("long hair",), "replace_with": ("hair", "long"), "where": "NOT 1boy"},
        {"a": "ohwx, 1girl,  hair, long, white shirt, shirt"},
    ),
    ({"action": "replace", "tags": ("kitty",), "replace_with": ("hat",)}, {"b": "ohwx, 1girl, hat, Hat"}),
    (
        {"action": "regex", "pattern": "^(white) (.*)$", "replacement": r"\2, \1"},
        {"a": "ohwx, 1girl,  long_hair, shirt, white"},
    ),
    (
        {"action": "regex", "pattern": "woman", "replacement": "girl"},
        {"5_x/d": SENTENCE.replace("woman", "girl")},
    ),
    ({"action": "dedupe"}, {"b": "ohwx, 1girl, hat, kitty"}),
    (
        {"action": "sort", "tags": ("scarf",)},
        {
            "a": "ohwx, 1girl,  long_hair, shirt, white shirt",
            "b": "ohwx, 1girl, hat, Hat, kitty",
            "5_x/c": "sks, scarf, 1boy, long hair, signature",
        },
    ),
    (
        {"action": "sort", "sort_by": "frequency", "where": "shirt OR scarf", "keep_first": 1},
        {
            "a": "ohwx, 1girl,  long_hair, shirt, white shirt",
            "5_x/c": "sks, long hair, 1boy, scarf, signature",
        },
    ),
    (
        {"action": "rare"},
        {"a": "ohwx, 1girl,  long_hair", "b": "ohwx, 1girl, hat, Hat", "5_x/c": "sks, long hair"},
    ),
    ({"action": "implied"}, {"a": "ohwx, 1girl,  long_hair, white shirt"}),
    ({"action": "synonyms"}, {"b": "ohwx, 1girl, hat, cat, Hat"}),
    (
        {"action": "synonyms", "synonyms": ("1boy -> man", "kitty -> kitten")},
        {"b": "ohwx, 1girl, hat, kitten, Hat", "5_x/c": "sks, man, signature, long hair, scarf"},
    ),
    ({"action": "blacklist", "tags": ("scarf",)}, {"5_x/c": "sks, 1boy, long hair"}),
]


@pytest.mark.parametrize(("settings", "expected"), EDITS)
def test_an_edit_changes_what_its_plan_says_and_nothing_else_and_undo_brings_every_byte_back(
    dataset, settings, expected
):
    before = files(dataset)
    assert edit(dataset, **settings) == expected
    assert {path.name for path, content in files(dataset).items() if before.get(path) != content} == {
        f"{name.rpartition('/')[2]}.txt" for name in expected
    }
    again = bulk.plan_edit(EditTagsConfig(str(dataset), **settings))
    assert not again.changes or settings["action"] == "rare"
    VERBS["undo"].run(DatasetConfig(str(dataset)), lambda event: None, frozenset)
    assert files(dataset) == before


def test_every_action_is_tested():
    assert {settings["action"] for settings, _ in EDITS} == set(ACTIONS)


def test_a_picture_without_a_caption_gets_one_where_tags_are_added_to_all(dataset):
    changed = edit(dataset, action="add", tags=("photo",), place="front")
    assert changed["5_x/e"] == "photo" and changed["5_x/d"] == f"photo, {SENTENCE}" and len(changed) == 5


def test_a_plan_counts_tags_before_and_after(dataset):
    config = EditTagsConfig(str(dataset), "replace", ("1girl", "1boy"), ("person",))
    plan = bulk.plan_edit(config)
    assert plan.deltas == {"person": (0, 3), "1girl": (2, 0), "1boy": (1, 0)}
    assert plan.seen == 5


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"action": "remove"}, "tags is empty: give the tags to remove"),
        ({"action": "regex"}, "pattern is empty"),
        ({"action": "regex", "pattern": "("}, 'pattern = "\\(" or its replacement is not usable'),
        ({"action": "regex", "pattern": "a", "replacement": r"\2"}, "is not usable: invalid group reference"),
        ({"action": "dedupe", "where": "hat AND"}, "a tag is missing"),
        ({"action": "dedupe", "names": ("c.png",)}, "c.png is no picture of .*: give names as 5_cat/01.png"),
        ({"action": "synonyms", "synonyms": ("a = b",)}, '"a = b" is no replacement'),
    ],
)
def test_an_edit_that_lacks_something_is_one_sentence_and_changes_nothing(dataset, settings, sentence):
    before = files(dataset)
    for make in (bulk.plan_edit, bulk.apply_edit):
        with pytest.raises(ValueError, match=sentence):
            make(EditTagsConfig(str(dataset), **settings))
    assert files(dataset) == before


def test_the_verb_shows_applies_and_says_when_there_is_nothing_to_do(dataset, capsys):
    line = [
        "edit_tags",
        "--train_data_dir",
        str(dataset),
        "--action",
        "replace",
        "--tags",
        "hat",
        "--replace_with",
        "cap",
    ]
    before = files(dataset)
    assert main([*line, "--dry_run"]) == 0
    said = capsys.readouterr().out
    assert 'Would change: b.png ("ohwx, 1girl, hat, kitty, Hat" -> "ohwx, 1girl, cap, kitty")' in said
    assert "1 of 5 captions would change; nothing is written." in said and "cap: 0 -> 1" in said
    assert files(dataset) == before
    assert main(line) == 0
    assert "1 of 5 captions changed; `undo` brings them back." in capsys.readouterr().out
    assert main(line) == 0
    assert "0 of 5 captions change: none holds what was asked for." in capsys.readouterr().out


def test_trigger_words_of_folders_stand_first_and_are_remembered_and_undone(dataset, capsys):
    before, toml = files(dataset), (dataset.parent / "project.toml").read_text()
    line = ["trigger", "--train_data_dir", str(dataset), "--trigger_word", "new word"]
    assert main([*line, "--subset_triggers", "5_x -> cat, dog"]) == 0
    assert read_caption(dataset / "a.png").startswith("new word, 1girl")
    assert read_caption(dataset / "5_x" / "c.png").startswith("cat, dog, 1boy")
    assert read_caption(dataset / "5_x" / "e.png") == "cat, dog"
    assert handover.trigger_words(folders_of_dataset(dataset)) == {"5_x": "cat, dog"}
    assert main(line) == 0  # the folder keeps its own
    assert read_caption(dataset / "5_x" / "e.png") == "cat, dog"
    assert "0 of 5 captions changed" in capsys.readouterr().out
    assert main([*line, "--subset_triggers", "6_x -> cat"]) == 2
    assert "no picture lies in a folder of that name: there are 5_x, dataset" in capsys.readouterr().err
    assert main(["undo", "--train_data_dir", str(dataset)]) == 0
    assert files(dataset) == before and (dataset.parent / "project.toml").read_text() == toml


def edit_line(home):
    return [
        "edit_tags",
        "--train_data_dir",
        str(home / "cat" / "dataset"),
        "--action",
        "add",
        "--tags",
        "new",
    ]


@pytest.fixture(scope="module")
def whole(world, tmp_path_factory):  # noqa: F811
    """What an edit changes before and after, and how many moments it has."""
    home = tmp_path_factory.mktemp("edit")
    shutil.copytree(world, home, dirs_exist_ok=True)
    before = contents(home)
    done = run("count", 0, home, edit_line(home))
    assert done.returncode == 0, done.stderr
    assert pairs(contents(home)) != pairs(before)
    return before, contents(home), int((home / "counted").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("part", range(20))
def test_a_kill_at_any_moment_of_an_edit(world, whole, tmp_path, capsys, part):  # noqa: F811
    before, after, moments = whole
    shutil.copytree(world, tmp_path, dirs_exist_ok=True)
    killed = run("kill", spread(moments, part, 20), tmp_path, edit_line(tmp_path))
    assert killed.returncode == -9, killed.stderr
    check(tmp_path, tmp_path, before, before, after, capsys)
