"""The forecast of disk: the bytes that a real run leaves, and where they go."""

from pathlib import Path

import pytest
from safetensors.torch import load_file

from lora_nb.bases.model_sizes import sizes_of
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make, replace
from lora_nb.training import forecast_disk
from lora_nb.training.forecast_disk import forecast, lora_files
from lora_nb.training.plan import plan_run
from lora_nb.training.train import train


@pytest.fixture
def config(make_pictures, tmp_path, tiny_base):
    folder = tmp_path / "Loras" / "cat" / "dataset"
    make_pictures(folder, 2)
    return make(
        TrainConfig, pretrained_model_name_or_path=str(tiny_base), train_data_dir=str(folder), trigger_word="ohwx",
        output_dir=str(folder.parent / "output"), output_name="cat", num_repeats=1, max_train_epochs=3, rank=32,
        sample_every_n_epochs=0, grid=False,
    )  # fmt: skip


def written(config, tmp_path):
    name = config.base.pretrained_model_name_or_path
    found = forecast(plan_run(config), sizes_of(name), tmp_path / "scratch", tmp_path / "cache")
    return dict(what for writes in found for what in writes.what)


@pytest.mark.parametrize("precision", ["fp16", "fp32"])
def test_the_lora_files_of_a_run_are_as_many_and_as_large(config, tmp_path, precision):
    config = replace(config, save_precision=precision, max_train_epochs=2)
    said = written(config, tmp_path)["LoRA files"] - lora_files(plan_run(config)) * forecast_disk.HEADER
    train(config)
    files = list(Path(config.place.output_dir).glob("*.safetensors"))
    assert len(files) == lora_files(plan_run(config)) == 2
    real = sum(values.nbytes for file in files for values in load_file(file).values())
    assert said == pytest.approx(real, rel=0.02)


def test_what_is_kept_is_what_counts(config):
    plan = plan_run(replace(config, max_train_epochs=30))
    assert lora_files(plan) == 10
    assert lora_files(plan_run(replace(config, max_train_epochs=30, save_last_n_epochs=0))) == 30
    assert lora_files(plan_run(replace(config, max_train_epochs=30, save_every_n_epochs=7))) == 5
    assert lora_files(plan_run(replace(config, max_train_epochs=10, save_every_n_steps=5))) == 12


def test_each_place_gets_its_own(config, tmp_path):
    assert "encoded pictures" not in written(config, tmp_path)
    assert written(replace(config, cache_latents_to_disk=True), tmp_path)["encoded pictures"] > 0
    more = written(replace(config, grid=True, sample_every_n_epochs=1), tmp_path)
    assert more["the grid"] > 0 and more["samples"] > written(config, tmp_path).get("samples", 0)
    assert written(replace(config, pretrained_model_name_or_path="sdxl"), tmp_path)["the base"] > 6e9
    assert forecast_disk.existing(tmp_path / "a" / "b") == tmp_path
