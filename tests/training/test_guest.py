"""The seams, proven by guests: a family, an optimizer and a setting that exist here alone, with no edit of lora_nb."""

import json
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from test_train import StopAt

from guest_family import CARD, GUEST
from lora_nb.bases import families
from lora_nb.bases.models import load_base
from lora_nb.config.drawing import GridConfig, SampleConfig
from lora_nb.config.loss import Loss
from lora_nb.config.optimizers import OPTIMIZERS, OptimizerClass
from lora_nb.config.training import TrainConfig
from lora_nb.declare import part, setting, settings_of
from lora_nb.drawing.grid import grid
from lora_nb.drawing.sample import sample
from lora_nb.events import Drawn, Notice, StepLog
from lora_nb.forms.form import Form
from lora_nb.lora.lora_file import read_lora
from lora_nb.settings import from_dict, load, make, replace, save
from lora_nb.shell.flags import build_parser, read_arguments
from lora_nb.training import metadata, state
from lora_nb.training.plan import plan_run
from lora_nb.training.train import train


@pytest.fixture
def config(monkeypatch, make_pictures, tmp_path) -> TrainConfig:
    """A run on a guest's base, which is registered as long as the test lasts."""
    monkeypatch.setitem(families.FAMILIES, "guest", GUEST)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / CARD).write_text(json.dumps({"seed": 3}))
    make_pictures(tmp_path / "Loras" / "cat" / "dataset", 4)
    return make(
        TrainConfig,
        pretrained_model_name_or_path=str(tmp_path / "base"),
        train_data_dir=str(tmp_path / "Loras" / "cat" / "dataset"),
        output_name="cat",
        num_repeats=3,
        max_train_epochs=2,
        rank=4,
        alpha=2.0,
        learning_rate=0.05,
        text_encoder_lr=0.01,
        trigger_word="ohwx",
        save_precision="fp32",
        source_date_epoch=1_700_000_000,
        diff_output_preservation=0.5,
        diff_output_preservation_share=0.5,
        sample_prompts=("ohwx --s 3",),
    )


def elsewhere(config: TrainConfig, folder: Path) -> TrainConfig:
    return replace(config, output_dir=str(folder / "output"))


def test_a_guest_trains_samples_saves_kohyas_names_is_proven_and_drawn(config, tmp_path):
    told = []
    done = train(config, told.append)
    assert done.status == "done" and len(done.files) == 2
    assert any("changes the model's answer" in event.text for event in told if isinstance(event, Notice))
    assert any("seer and readers, both trained" in event.text for event in told if isinstance(event, Notice))
    drawn = [path for event in told if isinstance(event, Drawn) for path in event.paths]
    assert len(drawn) == 2 and Image.open(drawn[0]).size == (64, 64)
    names = read_lora(Path(done.files[-1])).modules
    assert set(names) == {
        f"lora_{prefix}_mixing_{layer}" for prefix in ("seer", "te1", "te2") for layer in ("go_in", "go_out")
    }
    assert [names[f"lora_te{n}_mixing_go_in"].down.shape[1] for n in (1, 2)] == [16, 24]
    with safe_open(done.files[-1], "pt") as file:
        about = file.metadata()
    assert (about["ss_base_model_version"], about["modelspec.architecture"]) == ("guest_v1", "guest/lora")
    assert about["modelspec.prediction_type"] == "flow"
    sidecar = json.loads(Path(done.files[-1]).with_suffix(".json").read_text())
    assert sidecar["sd version"] == "Guest"
    options = {"pretrained_model_name_or_path": config.base.pretrained_model_name_or_path, "steps": 2}
    where = {"output_dir": str(tmp_path / "drawn"), **options}
    one = sample(make(SampleConfig, lora=done.files[-1], prompts=("ohwx",), **where))
    none = sample(make(SampleConfig, prompts=("ohwx",), **where))
    assert Image.open(one.files[0]).tobytes() != Image.open(none.files[0]).tobytes()
    folder = str(Path(done.files[-1]).parent)
    assert (
        len(grid(make(GridConfig, lora_dir=folder, output_name="cat", trigger_word="ohwx", **where)).files)
        == 2
    )


@pytest.mark.parametrize("optimizer", ["AdamW", "Guest"])
def test_a_guest_resumes_to_equal_bytes_with_a_guest_optimizer_too(config, tmp_path, monkeypatch, optimizer):
    row = OptimizerClass("torch.optim", "RMSprop", "torch.optim.rmsprop.RMSprop")
    monkeypatch.setitem(OPTIMIZERS, "Guest", row)
    config = replace(config, optimizer=optimizer, sample_every_n_epochs=0)
    whole = train(elsewhere(config, tmp_path / "whole"))
    cut = elsewhere(config, tmp_path / "cut")
    assert train(cut, poll=StopAt(stop=4)).status == "stopped"
    gone_on = train(cut)
    assert [Path(file).read_bytes() for file in gone_on.files] == [
        Path(file).read_bytes() for file in whole.files
    ]
    with safe_open(whole.files[-1], "pt") as file:
        said = file.metadata()["ss_optimizer"]
    assert said.startswith(row.in_file if optimizer == "Guest" else "torch.optim.adamw.AdamW")


def test_each_of_two_text_models_has_its_own_rate_and_both_stop(config):
    """`text_encoder_lr2`; sd-scripts writes both in one list."""
    told, said = (
        [],
        {"text_encoder_lr2": 0.002, "stop_text_encoder_training": 3.0, "lr_scheduler": "constant"},
    )
    config = replace(config, sample_every_n_epochs=0, grid=False, save_every_n_steps=1, **said)
    done = train(config, told.append)
    steps = [event for event in told if isinstance(event, StepLog)]
    assert steps[0].rates == {"seer": 0.05, "reader_1": 0.01, "reader_2": 0.002}
    assert steps[0].lr_text_encoder == 0.01 and steps[-1].rates == {
        "seer": 0.05,
        "reader_1": 0.0,
        "reader_2": 0.0,
    }
    with safe_open(done.files[0], "pt") as file:
        assert file.metadata()["ss_text_encoder_lr"] == "[0.01, 0.002]"
    second, third, last = (
        read_lora(Path(done.files[0]).parent / f"cat-step{step:06d}.safetensors").modules
        for step in (2, 3, len(steps))
    )
    for name in last:
        moved = name.startswith("lora_seer")
        assert not torch.equal(second[name].up, third[name].up)
        assert torch.equal(third[name].up, last[name].up) is not moved


def test_a_guest_optimizer_is_offered_wherever_one_is_chosen(monkeypatch, tmp_path):
    monkeypatch.setitem(OPTIMIZERS, "Guest", OptimizerClass("torch.optim", "RMSprop", "rmsprop"))
    assert ("Guest", "Guest") in Form(TrainConfig()).fields["optimizer"].control.options
    chosen, _ = read_arguments(build_parser("train", TrainConfig), TrainConfig, ["--optimizer", "Guest"])
    assert chosen.learning.optimizer == "Guest"
    save(chosen, tmp_path / "run.toml")
    assert load(TrainConfig, tmp_path / "run.toml") == chosen
    monkeypatch.delitem(OPTIMIZERS, "Guest")
    with pytest.raises(
        ValueError, match="optimizer = 'Guest' is not usable: it must be one of AdamW, AdamW8bit"
    ):
        load(TrainConfig, tmp_path / "run.toml")


@dataclass(frozen=True)
class GuestLoss(Loss):
    """One line more."""

    sparkle: float = setting(
        0.0, "how much it sparkles", label="Sparkle of it", min=0, max=5, in_file="always"
    )


@dataclass(frozen=True)
class GuestConfig(TrainConfig):
    """A run with a guest's slice."""

    loss: GuestLoss = part(GuestLoss, "Learning")


def test_a_guest_setting_is_everywhere_by_its_one_line(config, tmp_path):
    values = {each.name: each for each in settings_of(GuestConfig)}
    assert values["sparkle"].said.group == "Learning"
    field = Form(GuestConfig()).fields["sparkle"]
    assert field.control.description == "Sparkle of it" and "how much it sparkles" in field.note.value
    parser = build_parser("train", GuestConfig)
    assert "--sparkle X" in parser.format_help()
    chosen, _ = read_arguments(parser, GuestConfig, ["--sparkle", "2"])
    assert chosen.loss.sparkle == 2.0
    save(chosen, tmp_path / "run.toml")
    assert "sparkle = 2.0" in (tmp_path / "run.toml").read_text()
    assert load(GuestConfig, tmp_path / "run.toml") == chosen
    with pytest.raises(ValueError, match="sparkle = 9 is not usable: it must be a number from 0 to 5"):
        from_dict(GuestConfig, {"sparkle": 9})
    run = make(
        GuestConfig,
        pretrained_model_name_or_path=config.base.pretrained_model_name_or_path,
        train_data_dir=config.place.train_data_dir,
        trigger_word="ohwx",
    )
    facts = metadata.RunFacts(
        0.0, "1", "no", 1, "guest", "", "", load_base(run.base.pretrained_model_name_or_path).facts
    )
    assert metadata.of_run(plan_run(replace(run, sparkle=2.0)), facts)["ss_sparkle"] == "2.0"
    one, two = (state.identity_of(plan_run(replace(run, sparkle=x)), "b", 1) for x in (0.0, 2.0))
    assert state.differences(one, two) == ["sparkle 0.0 -> 2.0"]


def test_the_guests_process_is_asked_for_noise_and_times(config):
    """Its times are shares, not whole numbers: they come from the process and reach it again."""
    base = load_base(config.base.pretrained_model_name_or_path)
    drawn = base.process.draw(torch.zeros(6, 8, 8), config.loss, torch.Generator().manual_seed(1))
    time, noise = drawn.time, drawn.noise
    assert time.is_floating_point() and 0 < time < 1 and noise.shape == (6, 8, 8)


@pytest.mark.parametrize("chosen", [{"noise_offset": 0.1}, {"min_snr_gamma": 3.0}, {"timestep_shift": 3.0}])
def test_what_the_guests_process_does_not_know_is_refused_before_anything_is_written(
    config, tmp_path, chosen
):
    (name,) = chosen
    run = elsewhere(replace(config, **chosen), tmp_path / "refused")
    with pytest.raises(
        ValueError, match=f"^{name} = .* has no effect on .*: its way from picture to noise knows no"
    ):
        train(run)
    assert not list((tmp_path / "refused").rglob("*.safetensors"))


def test_what_no_process_is_asked_for_works_on_the_guest_too(config, tmp_path):
    options = {"loss_type": "l1", "masked_loss": True, "blank_prompt_preservation": 1.0}
    done = train(elsewhere(replace(config, max_train_epochs=1, **options), tmp_path / "other"))
    plain = train(elsewhere(replace(config, max_train_epochs=1), tmp_path / "plain"))
    first, second = (read_lora(Path(each.files[-1])).modules for each in (done, plain))
    assert any(not torch.equal(first[name].up, second[name].up) for name in first)
