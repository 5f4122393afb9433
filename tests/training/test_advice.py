"""The settings of a run that follow from a few answers."""

import random

import pytest
from PIL import Image

from lora_nb import presets, settings
from lora_nb.__main__ import main
from lora_nb.bases import catalogue, suggested
from lora_nb.config.project import Handover
from lora_nb.config.training import PURPOSES, TrainConfig
from lora_nb.training import advice
from lora_nb.training.advice import Answers, advise

MACHINES = [preset.name for preset in presets.presets() if preset.kind == "machine"]
BASES = [entry.id for entry in catalogue.read().entries] + [
    suggested.DEMO,
    suggested.USUAL,
    "somebody/else",
    "",
]


@pytest.mark.parametrize("base", BASES)
@pytest.mark.parametrize("purpose", PURPOSES)
def test_whatever_is_answered_makes_a_run_without_a_setting_in_vain(purpose, base):
    for machine in ["", *MACHINES]:
        found = advise(Answers(purpose, base, machine, pictures=8))
        made = settings.make(TrainConfig, **found.values)
        assert settings.without_effect(made) == [] and made.about.purpose == purpose
        assert made.base.pretrained_model_name_or_path == base
        low, high = found.rates
        assert low <= made.learning.learning_rate <= high, "a rate of the demo is for the demo alone"
        assert 200 <= made.pictures.num_repeats * 8 <= 400
        assert not set(found.lacks) & {
            name for name, value in found.values.items() if value != settings.values_of(TrainConfig())[name]
        }


def test_what_suits_a_family():
    said = {
        base: advise(Answers("character", base))
        for base in ("sd15", "anylora", "illustrious", "noobai_vpred")
    }
    assert [each.values["resolution"] for each in said.values()] == [512, 512, 1024, 1024]
    assert [each.values.get("clip_skip") for each in said.values()] == [1, 2, None, None]
    assert "clip_skip" in said["illustrious"].lacks and "text_encoder_lr2" in said["sd15"].lacks
    assert (
        "v_pred_like_loss" in said["noobai_vpred"].lacks
        and said["noobai_vpred"].values["prediction_type"] == "v_prediction"
    )
    assert (
        said["illustrious"].values["learning_rate"] == 3e-4 and said["sd15"].values["learning_rate"] == 5e-4
    )
    assert said["sd15"].sources == ("character_sd15",)
    assert advise(Answers("style", "sdxl", "8gb")).sources == ("style_sdxl", "8gb")


def test_the_demo_base_has_rates_of_its_own_and_needs_a_yes_still():
    found = advise(Answers("style", suggested.DEMO, "t4", 8)).values
    assert found["learning_rate"] == 0.003 and found["allow_demo_base"] is False
    real = advise(Answers("style", suggested.USUAL, "cpu", 8)).values
    assert real["learning_rate"] == 5e-4 and real["resolution"] == 512


def test_captions_and_trigger_come_from_dataset_maker():
    known = Handover("cat", "ohwx, cat", "tags", 8, 8)
    assert advise(Answers(known=known)).values["keep_tokens"] == 2
    found = advise(Answers(known=Handover("cat", "ohwx", "sentences", 8, 8))).values
    assert (found["trigger_word"], found["shuffle_caption"], found["keep_tokens"]) == ("ohwx", False, 0)


def test_a_purpose_or_a_machine_that_is_not_there_is_named():
    with pytest.raises(ValueError, match='purpose = "dog" is not known; there are character, style'):
        advise(Answers("dog"))
    with pytest.raises(ValueError, match='unknown preset "t5"; there are character_sd15'):
        advise(Answers(machine="t5"))


def test_a_rate_far_off_is_said():
    assert (
        advice.unusual((1e-4, 1e-3), 0.003, "SDXL")
        == "0.003 is above what is usual for SDXL: 0.0001 to 0.001"
    )
    assert advice.unusual((1e-4, 1e-3), 5e-4, "SDXL") == advice.unusual((1e-4, 1e-3), 0, "SDXL") == ""


@pytest.fixture
def drawings(tmp_path):
    """A project with flat drawings: 3 in the folder, 2 in one that says its repeats."""
    draw, folder = random.Random(1), tmp_path / "Loras" / "cat" / "dataset"
    for name in ("a", "b", "c", "7_x/d", "7_x/e"):
        picture = Image.new("RGB", (64, 64), draw.randrange(1 << 24))
        picture.paste(draw.randrange(1 << 24), (10, 10, 40, 50))
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{name}.png")
    return folder


def test_pictures_whose_folder_says_their_repeats_do_not_count(drawings):
    seen = advice.look(drawings)
    assert (len(seen.paths), seen.unsaid) == (5, 3) and advice.look(drawings / "none") == advice.Seen()
    assert advice.kind_of(Handover(), seen.paths) == "drawings"
    assert advice.kind_of(Handover(medium="photos"), seen.paths) == "photos"


def test_the_verb_writes_a_run_that_trains_as_it_is(drawings, tmp_path, tiny_base, capsys):
    path = tmp_path / "run.toml"
    line = [
        "advise",
        "--train_data_dir",
        str(drawings),
        "--purpose",
        "style",
        "--machine",
        "8gb",
        "--output",
        str(path),
    ]
    assert main(line) == 0
    said = capsys.readouterr().out
    assert "5 drawings; base: Lykon/AnyLoRA" in said and "3 pictures x 67 = 201 looks" in said
    made = settings.load(TrainConfig, path)
    assert (made.length.train_batch_size, made.captions.clip_skip, made.learning.text_encoder_lr) == (
        1,
        2,
        0.0,
    )
    small = {
        "pretrained_model_name_or_path": tiny_base, "resolution": 64, "min_bucket_reso": 32, "num_repeats": 1,
        "max_train_steps": 1, "sample_every_n_epochs": 0, "grid": "false",
    }  # fmt: skip
    assert (
        main(
            ["train", str(path), *(text for key, value in small.items() for text in (f"--{key}", str(value)))]
        )
        == 0
    )


def test_the_verb_says_what_is_missing(tmp_path, capsys):
    assert main(["advise", "--train_data_dir", str(tmp_path / "none")]) == 2
    assert "is not a folder" in capsys.readouterr().err
    (tmp_path / "empty").mkdir()
    assert main(["advise", "--train_data_dir", str(tmp_path / "empty")]) == 2
    assert "picture" in capsys.readouterr().err


def test_a_run_that_is_filled_in_draws_what_the_base_makes_of_its_prompts_first():
    for base in (suggested.DEMO, "sd15", "illustrious", ""):
        assert advise(Answers("character", base, pictures=8)).values["sample_at_first"] is True
    assert not TrainConfig().samples.sample_at_first, "a run that nobody filled in stays as it was"
