"""Held-out pictures: none of them is trained in any shape, and which they are comes from their content."""

import shutil

import numpy as np
import pytest
from PIL import Image, ImageOps

from lora_nb.config.training import TrainConfig
from lora_nb.settings import make, replace
from lora_nb.training.held_out import LEAST, content_of
from lora_nb.training.plan import plan_run


def draw(folder, numbers, size=96):
    """Pictures of which no two are alike."""
    folder.mkdir(parents=True, exist_ok=True)
    for number in numbers:
        squares = np.random.default_rng(number).integers(0, 256, (6, 6, 3), dtype=np.uint8)
        picture = Image.fromarray(squares.repeat(size // 6, 0).repeat(size // 6, 1))
        picture.save(folder / f"{number:02d}.png")
        (folder / f"{number:02d}.txt").write_text("ohwx, cat")


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "Loras" / "cat" / "dataset"


@pytest.fixture
def config(tiny_base, folder):
    draw(folder, range(10))
    return make(
        TrainConfig, pretrained_model_name_or_path=str(tiny_base), train_data_dir=str(folder), num_repeats=2,
        validation_split=0.4,
    )  # fmt: skip


def names(examples):
    return {each.item.path.name for each in examples}


def test_what_is_held_out_is_not_trained_and_the_rest_is(config):
    whole, plan = plan_run(replace(config, validation_split=0.0)), plan_run(config)
    assert len(plan.held_out) >= LEAST and not names(plan.held_out) & names(plan.examples)
    assert names(plan.held_out) | names(plan.examples) == names(whole.examples) and not whole.held_out
    assert sum(plan.repeats) == 2 * (10 - len(plan.held_out))


def test_no_copy_of_a_held_out_picture_is_trained(config, folder, tmp_path):
    """Copies lie in a sub-folder, beside it, in a subset elsewhere and among the regularisation: all go with it."""
    held = [each.item.path for each in plan_run(config).held_out]
    others = tmp_path / "others"
    for place in (folder / "3_again", others, tmp_path / "regular"):
        place.mkdir()
    shutil.copy(held[0], folder / "3_again" / "same.png")
    whole = Image.open(held[1])
    ImageOps.mirror(whole).save(others / "mirrored.png")
    whole.resize((60, 60)).save(folder / "smaller.jpg", quality=85)
    shutil.copy(held[2], tmp_path / "regular" / "same.png")
    draw(tmp_path / "regular", [50])
    for copy in (folder / "3_again" / "same", others / "mirrored", folder / "smaller"):
        copy.with_suffix(".txt").write_text("ohwx, cat")
    more = replace(config, subsets=(f'folder = "{others}"',), reg_data_dir=str(tmp_path / "regular"))
    everything, plan = plan_run(replace(more, validation_split=0.0)), plan_run(more)
    copies = {"same.png", "mirrored.png", "smaller.jpg"}
    assert copies <= names(everything.examples)
    trained = {each.item.path for each in plan.examples}
    assert not names(plan.examples) & copies and not {content_of(path) for path in trained} & set(
        map(content_of, held)
    )
    assert len({each.item.path for each in everything.examples} - trained) == len(plan.held_out) + 4
    assert names(plan.examples) == names(plan_run(config).examples) | {"50.png"}


def test_another_picture_moves_none_of_the_others(config, folder):
    draw(folder, range(10, 20))
    before = names(plan_run(config).held_out)
    draw(folder, range(20, 40))
    after = names(plan_run(config).held_out)
    assert len(before) > LEAST and {name for name in after if name < "20"} == before < after


def test_the_seed_decides_and_a_name_does_not(config, folder):
    before = {content_of(each.item.path) for each in plan_run(config).held_out}
    for path in sorted(folder.glob("*.png")):
        for each in (path, path.with_suffix(".txt")):
            each.rename(each.with_name(f"x{99 - int(path.stem)}{each.suffix}"))
    assert {content_of(each.item.path) for each in plan_run(config).held_out} == before
    others = [plan_run(replace(config, validation_seed=seed)).held_out for seed in range(3)]
    assert any({content_of(each.item.path) for each in held} != before for held in others)


def test_too_few_pictures_are_a_sentence(config, folder):
    for path in sorted(folder.glob("*.png"))[2 * LEAST - 1 :]:
        path.unlink()
    with pytest.raises(
        ValueError, match=r"validation_split = 0.4 holds 5 pictures out at least, and there are 9"
    ):
        plan_run(config)
