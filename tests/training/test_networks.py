"""Runs of every kind of network, and of each setting of the update: what is learnt, saved, said, and gone on with."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_kinds import learnt, predict
from test_train import StopAt

from lora_nb import events
from lora_nb.bases.models import load_base
from lora_nb.config.drawing import SampleConfig
from lora_nb.config.learning import Learning
from lora_nb.config.network import Network
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.drawing.sample import sample
from lora_nb.lora import inject
from lora_nb.lora.lora_file import read_lora
from lora_nb.settings import make, replace
from lora_nb.training import metadata
from lora_nb.training.network_facts import network_facts
from lora_nb.training.prepare import inject_lora
from lora_nb.training.train import train

KINDS = {
    "locon": {"conv_rank": 2, "conv_alpha": 1.0, "dropout": 0.1, "rank_dropout": 0.2, "module_dropout": 0.1},
    "dora": {"network_type": "dora", "conv_rank": 2, "rank_dropout": 0.2, "loraplus_lr_ratio": 4.0},
    "loha": {
        "network_type": "loha",
        "conv_rank": 2,
        "use_tucker": True,
        "rank_dropout": 0.1,
        "module_dropout": 0.1,
    },
    "lokr": {"network_type": "lokr", "lokr_factor": 4, "scale_weight_norms": 0.02, "learning_rate": 0.01},
}
SUFFIXES = {
    "locon": "lora_down.weight", "dora": "dora_scale", "loha": "hada_w2_b", "lokr": "lokr_w1",
}  # fmt: skip


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path):
    """Four steps."""
    make_pictures(tmp_path / "Loras" / "cat" / "dataset", 4)
    return make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(tmp_path / "Loras" / "cat" / "dataset"),
        output_name="cat", num_repeats=2, max_train_epochs=1, rank=4, alpha=2.0, trigger_word="ohwx",
        source_date_epoch=1_700_000_000, save_precision="fp32", sample_every_n_epochs=0, grid=False,
        save_state_every_n_steps=2,
    )  # fmt: skip


def elsewhere(config, folder, **settings):
    return replace(
        config, output_dir=str(Path(config.place.train_data_dir).parents[1] / folder / "output"), **settings
    )


def output(config):
    return Path(config.place.output_dir) / "cat-01.safetensors"


def about(path):
    with safe_open(path, "pt") as opened:
        return opened.metadata()


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_trains_goes_on_exactly_is_proven_and_drawn(config, kind, tmp_path):
    config, told = replace(config, **KINDS[kind]), []
    whole, cut = elsewhere(config, "whole"), elsewhere(config, "cut")
    assert train(whole, told.append).status == "done"
    assert train(cut, poll=StopAt(stop=3)).status == "stopped"
    assert train(cut).status == "done"
    assert output(whole).read_bytes() == output(cut).read_bytes()
    words = "read back by diffusers and" if kind == "locon" else "read back and"
    assert any(words in event.text for event in told if isinstance(event, events.Notice))
    tensors = load_file(output(whole))
    assert any(key.endswith(SUFFIXES[kind]) for key in tensors)
    assert any("resnets" in key for key in tensors) is ("conv_rank" in KINDS[kind])
    assert not any(
        module.is_zero for name, module in read_lora(output(whole)).modules.items() if "unet" in name
    )
    if kind == "lokr":
        return
    said = about(output(whole))
    arguments = json.loads(said["ss_network_args"])
    assert arguments["conv_dim"] == "2" and arguments["rank_dropout"] == str(KINDS[kind]["rank_dropout"])
    assert said["ss_network_module"] == ("networks.lora" if kind == "locon" else "lycoris.kohya")
    assert arguments.get("algo") == {"dora": "locon", "loha": "loha"}.get(kind)
    drawn = [
        sample(
            SampleConfig(
                base=config.base, prompts=("ohwx --s 2",), lora=str(output(whole)), strength=strength,
                output_dir=str(tmp_path / f"drawn{strength}"),
            )
        ).files[0]
        for strength in (0.0, 1.0)
    ]  # fmt: skip
    assert Path(drawn[0]).read_bytes() != Path(drawn[1]).read_bytes()


EACH = {
    "network_type": ("loha", {}), "rank": (2, {}), "alpha": (4.0, {}), "conv_rank": (2, {}),
    "conv_alpha": (3.0, {"conv_rank": 2}), "use_tucker": (True, {"network_type": "lokr", "conv_rank": 2}),
    "lokr_factor": (2, {"network_type": "lokr"}), "decompose_both": (True, {"network_type": "lokr", "rank": 1}),
    "dropout": (0.5, {}), "rank_dropout": (0.5, {}), "module_dropout": (0.5, {}), "only_layers": ("attn2", {}),
    "skip_layers": ("attn2", {}), "block_dims": ((2,) * 25, {}), "block_alphas": ((3.0,) * 25, {}),
    "conv_block_dims": ((2,) * 25, {}), "conv_block_alphas": ((3.0,) * 25, {"conv_block_dims": (2,) * 25}),
    "down_lr_weight": ("sine+.1", {}), "mid_lr_weight": ("0.5", {}), "up_lr_weight": ("zeros", {}),
    "block_lr_zero_threshold": (0.6, {"mid_lr_weight": "0.5"}), "loraplus_lr_ratio": (8.0, {}),
    "loraplus_unet_lr_ratio": (8.0, {}), "loraplus_text_encoder_lr_ratio": (8.0, {}),
}  # fmt: skip
IN_RUNS = {"scale_weight_norms", "network_weights"}  # by the tests below
SAID = {"rank": "ss_network_dim", "alpha": "ss_network_alpha", "dropout": "ss_network_dropout"}
UNSAID = {
    "network_type",
    "only_layers",
    "skip_layers",
}  # of which sd-scripts has no word; in lora_nb_settings


def put_in(tiny_base, network):
    """What a run would train with: the groups, the update by its names, and an answer in the middle of a training."""
    base = load_base(str(tiny_base))
    groups = inject_lora(network, Learning(), 1, base, torch.device("cpu"))
    learnt([parameter for group in groups for parameter in group["params"]], 0.1)
    torch.manual_seed(3)
    return (
        {group["name"]: (group["lr"], len(group["params"])) for group in groups},
        {
            name: (update.alpha, {part: values.shape for part, values in update.tensors.items()})
            for name, update in inject.modules(base.parts).items()
        },
        predict(base.unet, base.text_encoder),
    )


def test_every_setting_of_the_network_is_shown_to_have_an_effect():
    assert {each.name for each in settings_of(Network)} == EACH.keys() | IN_RUNS


@pytest.mark.parametrize("name", EACH)
def test_each_setting_changes_what_learns(tiny_base, name):
    value, before = EACH[name]
    plain = put_in(tiny_base, Network(**{"rank": 4, **before}))
    again = put_in(tiny_base, Network(**{"rank": 4, **before}))
    other = put_in(tiny_base, Network(**{"rank": 4, **before, name: value}))
    assert plain[:2] == again[:2] and torch.equal(plain[2], again[2])
    assert plain[:2] != other[:2] or not torch.equal(plain[2], other[2])
    if name in UNSAID:
        return
    config = make(TrainConfig, **{"rank": 4, **before, name: value})
    base = load_base(str(tiny_base))
    inject_lora(config.network, config.learning, 1, base, torch.device("cpu"))
    said = metadata._declared(config) | network_facts(base, config)
    written = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
    kohyas = {"conv_rank": "conv_dim", "lokr_factor": "factor"}.get(name, name)
    assert written == str(said[SAID[name]] if name in SAID else said["ss_network_args"][kohyas])


def trained(config, folder, **settings):
    """The tensors of a short run with these settings, and its metadata."""
    run = elsewhere(config, folder, max_train_steps=2, **settings)
    train(run)
    return load_file(output(run)), about(output(run))


def test_the_lengths_are_limited_after_every_step_and_logged(config):
    run = elsewhere(config, "run", learning_rate=0.01, scale_weight_norms=0.01)
    train(run)
    assert (about(output(run))["ss_scale_weight_norms"], about(output(run))["ss_network_module"]) == (
        "0.01",
        "networks.lora",
    )
    longest = 0.0
    for module in read_lora(output(run)).modules.values():
        longest = max(longest, (module.scale * module.up.flatten(1) @ module.down.flatten(1)).norm().item())
    assert 0.009 < longest < 0.01001
    board = EventAccumulator(str(Path(run.place.output_dir).parent / "runs" / "cat" / "tensorboard"))
    board.Reload()
    assert [each.step for each in board.Scalars("max_norm/keys_scaled")] == [1, 2, 3, 4]
    assert board.Scalars("max_norm/keys_scaled")[-1].value > 0
    assert board.Scalars("max_norm/max_key_norm")[-1].value == pytest.approx(0.01, rel=1e-3)


@pytest.mark.parametrize("kind", ["dora", "lokr"])
def test_a_run_begins_from_a_file_with_its_kind_ranks_and_values(config, kind):
    first = elsewhere(config, "first", max_train_steps=2, **KINDS[kind])
    train(first)
    second = elsewhere(
        config, "second", network_weights=str(output(first)), learning_rate=1e-9, text_encoder_lr=1e-9, weight_decay=0.0, max_train_steps=1
    )  # fmt: skip
    told = []
    train(second, told.append)
    old, new = load_file(output(first)), load_file(output(second))
    assert old.keys() == new.keys()
    assert all(torch.allclose(values, new[key], atol=1e-6) for key, values in old.items())
    said = about(output(second))
    assert json.loads(said["lora_nb_network_weights"])["name"] == "cat-01.safetensors"
    assert str(Path(first.place.output_dir)) not in json.dumps(said)
    assert said["ss_network_dim"] == ("4" if kind == "lokr" else "Dynamic")


def test_a_file_that_says_nothing_of_what_is_trained_is_refused(config, tmp_path):
    first = elsewhere(config, "first", text_encoder_lr=0.0, max_train_steps=1)
    train(first)
    with pytest.raises(ValueError, match="holds no layer of what is trained, e.g. lora_unet_"):
        train(elsewhere(config, "second", learning_rate=0.0, network_weights=str(output(first))))
    both, told = elsewhere(config, "both", max_train_steps=1), []
    train(both)
    train(
        elsewhere(config, "third", text_encoder_lr=0.0, network_weights=str(output(both)), max_train_steps=1),
        told.append,
    )
    said = [event.text for event in told if isinstance(event, events.Notice) and event.level == "warning"]
    assert any("are of what is not trained and are left out" in text for text in said)
    with pytest.raises(ValueError, match="does not exist"):
        train(elsewhere(config, "fourth", network_weights=str(tmp_path / "gone.safetensors")))


def test_base_weights_are_in_the_base_that_is_trained_and_proven(config):
    first = elsewhere(config, "first", learning_rate=0.02, max_train_steps=2)
    train(first)
    plain, _ = trained(config, "plain")
    merged, said = trained(config, "merged", base_weights=(str(output(first)),))
    less, _ = trained(config, "less", base_weights=(str(output(first)),), base_weights_multiplier=(0.5,))
    assert any(not torch.equal(plain[key], merged[key]) for key in plain)
    assert any(not torch.equal(less[key], merged[key]) for key in less)
    (named,) = json.loads(said["lora_nb_base_weights"])
    assert (named["name"], named["multiplier"]) == ("cat-01.safetensors", 1.0) and len(named["sha256"]) == 64
    assert str(Path(first.place.output_dir)) not in json.dumps(said)


def test_a_base_is_drawn_with_what_is_merged_into_it(config, tmp_path):
    """As a run's samples and grid are: what the file beside the base draws, within a rounding of 255."""
    first = elsewhere(config, "first", learning_rate=0.05, max_train_steps=2)
    train(first)
    merged = replace(config, base_weights=(str(output(first)),), base_weights_multiplier=(0.8,))
    pictures = []
    for number, (base, lora) in enumerate(
        ((merged.base, ""), (config.base, str(output(first))), (config.base, ""))
    ):
        drawn = sample(
            SampleConfig(
                base=base, prompts=("ohwx --s 2",), lora=lora, strength=0.8, output_dir=str(tmp_path / str(number))
            )
        )  # fmt: skip
        pictures.append(np.asarray(Image.open(drawn.files[0])).astype(int))
    ours, beside, plain = pictures
    assert abs(ours - beside).max() <= 1 < abs(ours - plain).max()


def test_only_some_layers_are_trained_and_none_is_an_error(config):
    tensors, _ = trained(config, "some", only_layers="attn2", text_encoder_lr=0.0)
    assert tensors and all("attn2" in key for key in tensors)
    told, unet = [], elsewhere(config, "unet", only_layers="attn2", max_train_steps=1)
    train(unet, told.append)
    said = [event.text for event in told if isinstance(event, events.Notice) and event.level == "warning"]
    assert any("no layer of the text encoder is left to train" in text for text in said)
    with pytest.raises(
        ValueError, match='no layer is left to train with only_layers = "attn9": .* names such as lora_'
    ):
        train(elsewhere(config, "none", only_layers="attn9"))


def test_a_run_of_one_layer_that_is_left_out_goes_on(config):
    """Nothing then has a gradient in some steps."""
    run = elsewhere(
        config, "one", only_layers="mid_block_.*attn2_to_k", module_dropout=0.5, text_encoder_lr=0.0
    )
    assert train(run).status == "done"
