"""The forecast of memory: what autograd really keeps, and what each setting does to it.

Whole runs against it: benchmarks/bench_memory.py.
"""

import pytest
import torch

from lora_nb.bases.model_sizes import sizes_of
from lora_nb.bases.models import load_base
from lora_nb.settings import replace
from lora_nb.training import prepare
from lora_nb.training.forecast_activations import Activations
from lora_nb.training.forecast_memory import WIDEST_IN_HEAP, _Run, forecast
from lora_nb.training.plan import plan_run

SIDE = 128


@pytest.fixture
def config(demo_run):
    return demo_run(4, size=(SIDE, SIDE), resolution=SIDE, enable_bucket=False, text_encoder_lr=0.0)


def kept(config, precision):
    """Bytes that the real models keep for the backward pass of a step."""
    half = precision == "bf16"
    dtype = torch.bfloat16 if half else torch.float32
    base = load_base("demo", dtype)
    prepare.inject_lora(config.network, config.learning, 1, base, torch.device("cpu"))
    if config.precision.gradient_checkpointing:
        base.checkpoint_gradients()
    batch, seen = config.length.train_batch_size, {}
    own = {each.untyped_storage().data_ptr() for each in base.unet.parameters()}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            seen[storage.data_ptr()] = storage.nbytes()
        return tensor

    noisy = torch.randn(batch, *base.latent_shape((SIDE, SIDE))).to(dtype)
    told = base.encode(["ohwx"] * batch, 1, 75).to(dtype)
    with (
        torch.autocast("cpu", torch.bfloat16, enabled=half),
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
    ):
        base.predict(noisy, torch.zeros(batch, dtype=torch.long), told, ())
    return sum(seen.values())


@pytest.mark.parametrize(
    ("values", "precision"),
    [
        ({}, "no"),
        ({}, "bf16"),
        ({"network_type": "dora"}, "no"),
        ({"conv_rank": 8, "only_layers": "up_blocks"}, "no"),
    ],
)
def test_what_a_step_keeps_is_what_autograd_keeps(config, values, precision):
    config = replace(config, **values)
    run = Activations(plan_run(config), sizes_of("demo"), precision == "bf16", gpu=False)
    said = run.of_batch(config.length.train_batch_size, SIDE, SIDE)
    assert said == pytest.approx(kept(config, precision), rel=0.1)


def training(config, precision="no", gpu=False):
    need = forecast(plan_run(config), precision, gpu)
    return (need.gpu_stages if gpu else need.ram_stages)["training"]


@pytest.mark.parametrize("gpu", [False, True])
def test_what_is_to_save_memory_does(config, gpu):
    usual = training(config, gpu=gpu)
    assert training(replace(config, gradient_checkpointing=True), gpu=gpu) < usual
    assert training(replace(config, train_batch_size=1), gpu=gpu) < usual
    large = replace(config, resolution=512)
    assert training(large, "bf16", gpu) < training(large, gpu=gpu)
    assert training(replace(config, rank=256), gpu=gpu) > usual
    assert training(replace(config, ema_decay=0.9), gpu=gpu) > usual
    assert training(replace(config, optimizer="AdamW8bit"), gpu=gpu) < usual
    assert training(replace(config, text_encoder_lr=1e-4), gpu=gpu) > usual
    assert training(replace(config, resolution=256), gpu=gpu) > usual


def test_latents_on_disk_take_no_ram_and_drawing_none_takes_none(config):
    many = replace(config, flip_aug=True)
    assert training(replace(many, cache_latents_to_disk=True)) < training(many)
    quiet = replace(config, grid=False, sample_every_n_epochs=0)
    said = [forecast(plan_run(each), "no", False).ram_stages["drawing"] for each in (config, quiet)]
    assert said[1] < said[0]


def test_a_full_size_base_that_is_not_here_is_forecast_too(config):
    wanted = replace(config, pretrained_model_name_or_path="sdxl", resolution=1024, clip_skip=1)
    need = forecast(plan_run(wanted), "bf16", gpu=True)
    assert 7e9 < need.gpu < 40e9 and need.largest("gpu") in need.gpu_stages
    less = forecast(
        plan_run(replace(wanted, gradient_checkpointing=True, train_batch_size=1)), "bf16", gpu=True
    )
    assert less.gpu_stages["training"] < 0.7 * need.gpu_stages["training"]


def test_rows_that_are_asked_again_and_weights_that_are_made_anew_count(config):
    again = replace(config, diff_output_preservation=1.0, diff_output_preservation_share=1.0)
    twice = replace(config, train_batch_size=2 * config.length.train_batch_size)
    usual, preserved, doubled = (
        Activations(plan_run(each), sizes_of("demo"), half=False, gpu=False).most()
        for each in (config, again, twice)
    )
    assert preserved == pytest.approx(doubled, rel=0.01) and preserved > usual
    assert training(config) < training(again) < training(twice)
    texts = [
        training(replace(config, network_type=kind, text_encoder_lr=1e-4))
        - training(replace(config, network_type=kind))
        for kind in ("lora", "loha")
    ]
    assert texts[1] > texts[0]


def test_weights_stay_in_their_file_only_in_its_own_numbers(config, tiny_base):
    """A mapping of a file counts as far as it is used; numbers that are made into others are there besides."""
    plan, full, half = plan_run(config), sizes_of(str(tiny_base)), sizes_of("demo")
    plain, same, converted = (
        _Run(plan, *each, gpu=False) for each in ((full, "no"), (half, "fp16"), (half, "bf16"))
    )
    words = full.texts[0].config["vocab_size"] * full.texts[0].config["hidden_size"]
    assert plain.is_mapped and not plain.mapped() and plain.seen() == plain.weights() - 4 * words
    assert half.denoiser.dtype == "F16" and same.is_mapped
    # as many bytes, and yet other numbers
    assert not converted.is_mapped and converted.mapped() > 0 and converted.seen() == converted.weights()


def test_holes_of_the_heap_grow_with_the_maps_until_those_leave_it(config):
    found = [
        _Run(
            plan_run(replace(config, resolution=side, train_batch_size=1)), sizes_of("demo"), "no", gpu=False
        )
        for side in (128, 256, 1024, 2048)
    ]
    maps = [each.kept.in_heap(WIDEST_IN_HEAP) for each in found]
    assert maps[1] == 4 * maps[0] and maps[3] < 2 * maps[2]
    assert found[1].holes() > found[0].holes()


def test_with_checkpointing_a_text_model_keeps_its_inputs(config):
    texts = replace(config, text_encoder_lr=1e-4, learning_rate=0.0, network_type="loha")
    run = [
        Activations(plan_run(each), sizes_of("demo"), half=False, gpu=False)._of_texts(77)
        for each in (texts, replace(texts, gradient_checkpointing=True))
    ]
    layers = sizes_of("demo").texts[0].config["num_hidden_layers"]
    assert run[0].passing == 0 and run[1].passing == pytest.approx(run[0].lasting / layers)
    assert run[1].lasting < run[0].lasting / 20
