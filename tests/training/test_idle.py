"""Settings that do nothing with the pictures and captions there are, and those that do something."""

from pathlib import Path

import pytest

from lora_nb import settings
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make
from lora_nb.training.plan import plan_run


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path):
    make_pictures(tmp_path / "cat" / "dataset", 2, size=(64, 64))
    return make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(tmp_path / "cat" / "dataset"),
        trigger_word="ohwx",
        max_train_epochs=2,
    )


QUIET = {"shuffle_caption": False, "text_encoder_lr": 0.0, "cache_text_encoder_outputs": True}
MASKED = {"subsets": ('folder = ".", conditioning_data_dir = "."',)}
CASES = [
    ({"random_crop": True}, "random_crop has no effect: no picture is longer than its bucket"),
    (
        {"face_crop_aug_range": (1.0, 3.0)},
        "face_crop_aug_range has no effect: no file is named NAME_x_y_width_height, with the place of its face",
    ),
    (
        {"resize_interpolation": "box"},
        "resize_interpolation has no effect: every picture has the right size already",
    ),
    ({"keep_tokens_separator": "|||"}, "keep_tokens_separator has no effect: no caption holds '|||'"),
    ({"secondary_separator": ";;;"}, "secondary_separator has no effect: no caption holds ';;;'"),
    ({"enable_wildcard": True}, "enable_wildcard has no effect: no caption holds a {, or a second line"),
    ({"balance": True}, "balance has no effect: all folders are seen as often without it"),
    (
        {"caption_dropout_every_n_epochs": 3},
        "caption_dropout_every_n_epochs has no effect: there are 2 epochs",
    ),
    (
        {"masked_loss": True},
        "masked_loss has no effect: no picture has a mask (Prepare in Dataset Maker makes them, as name-masklabel.png)",
    ),
    (
        {"prior_loss_weight": 0.5},
        "prior_loss_weight has no effect: there are no regularisation pictures",
    ),
    (QUIET, "caption_variants has no effect: captions are the same at each step"),
    (MASKED, "conditioning_data_dir has no effect: masked_loss is off"),
]


@pytest.mark.parametrize(("options", "says"), CASES)
def test_what_does_nothing_is_said(config, options, says):
    assert plan_run(settings.replace(config, **options)).warnings == (says,)


@pytest.mark.parametrize("options", [options for options, _ in CASES[:-4]])
def test_what_does_something_is_not(config, make_pictures, options):
    folder = Path(config.place.train_data_dir)
    (path,) = make_pictures(folder / "3_more", 1, size=(90, 64))
    path.rename(path.with_name("mia_30_30_20_20.png"))
    path.with_suffix(".txt").rename(path.with_name("mia_30_30_20_20.txt"))
    (folder / "00.txt").write_text("ohwx ||| a;;;b, {c|d}")
    told = plan_run(settings.replace(config, max_train_epochs=3, **options)).warnings
    assert not [text for text in told if "no effect" in text]


def test_one_caption_with_a_mark_is_enough_and_so_is_a_prefix(config):
    assert (
        plan_run(settings.replace(config, keep_tokens_separator="|||", caption_prefix="x |||")).warnings == ()
    )
