"""A hundred captions in eight encodings: each step writes the right words in UTF-8 or leaves the file and names it."""

import random

import pytest
from PIL import Image
from test_encodings import texts

from lora_nb.captioning.annotate import annotate
from lora_nb.config.captioning import TagConfig
from lora_nb.config.dataset import DatasetConfig, RecodeConfig, TriggerConfig
from lora_nb.config.training import TrainConfig
from lora_nb.dataset import captions
from lora_nb.events import Notice
from lora_nb.settings import make
from lora_nb.shell.verbs import VERBS
from lora_nb.training.plan import plan_run

ENCODINGS = ("cp932", "gb18030", "big5", "cp949", "cp1251", "cp1252", "utf-16", "utf-32-le")


@pytest.fixture
def dataset(tmp_path):
    """A hundred pictures; {name: (its text, its bytes)} of the captions, some in UTF-8 with one bad byte."""
    folder, chance, known = tmp_path / "cat" / "dataset", random.Random(5), {}
    folder.mkdir(parents=True)
    pool = texts(2000, seed=3)
    for number in range(100):
        name = ENCODINGS[number % len(ENCODINGS)]
        text = next(
            text for text, own in chance.sample(pool, len(pool)) if own == name or name.startswith("utf")
        )
        content = text.encode(name)
        if number % 10 == 9:
            content = text.encode()[:-1] + b"\xff"
        Image.new("RGB", (8, 8), (number, 0, 0)).save(folder / f"{number:03}.png")
        (folder / f"{number:03}.txt").write_bytes(content)
        known[f"{number:03}.txt"] = (None if number % 10 == 9 else text, content)
    return folder, known


def trigger(folder, tell):
    VERBS["trigger"].run(TriggerConfig(str(folder), trigger_word="ohwx"), tell, frozenset)
    return lambda old: captions.add_trigger(old, "ohwx")


def tag(folder, tell):
    def words(todo):
        return ((item, "hat, 猫") for item in todo)

    config = TagConfig(str(folder), existing="append")
    report = annotate(config, "tag", words, captions.merge_tags, tell)
    assert report.tagged + len(report.failed) == 100
    return lambda old: captions.merge_tags(old, "hat, 猫")


def recode(folder, tell):
    VERBS["recode"].run(RecodeConfig(str(folder)), tell, frozenset)
    return str


@pytest.mark.parametrize("step", [trigger, tag, recode])
def test_every_caption_is_right_or_untouched_and_named_and_undo_restores_every_byte(dataset, step):
    folder, known = dataset
    told = []
    edit = step(folder, told.append)
    sentences = " ".join(
        event.text for event in told if isinstance(event, Notice) and event.level == "warning"
    )
    untouched = 0
    for name, (text, before) in known.items():
        now = (folder / name).read_bytes()
        if now == before:
            untouched += 1
            continue
        assert text is not None and now.decode().strip() == edit(text.strip()).strip(), name
    assert 10 <= untouched < 80
    assert f"{untouched} captions are left alone" in sentences
    VERBS["undo"].run(DatasetConfig(str(folder)), told.append, frozenset)
    assert {name: (folder / name).read_bytes() for name in known} == {
        name: b for name, (_, b) in known.items()
    }


def test_a_training_does_not_begin_with_a_caption_that_is_not_sure(dataset):
    folder, known = dataset
    with pytest.raises(ValueError, match=r"not in UTF-8, so that it is not sure what is said \(.*\.txt"):
        plan_run(make(TrainConfig, train_data_dir=str(folder), allow_demo_base=True))
    for name in known:
        (folder / name).write_bytes("猫, café".encode())
    (folder / "000.txt").write_bytes(
        "猫耳の女の子、赤い髪、長い髪、桜の木の下で本を読んでいる".encode("cp932")
    )
    assert set(
        plan_run(make(TrainConfig, train_data_dir=str(folder), allow_demo_base=True)).captions[1:]
    ) == {"猫, café"}
