"""A plan made to fit a machine: only what helps is changed, the effective batch stays, and what cannot fit is said."""

import pytest

from lora_nb.settings import replace
from lora_nb.training.fitting import fit
from lora_nb.training.forecast_memory import forecast
from lora_nb.training.machine import Machine
from lora_nb.training.plan import plan_run

LARGE = Machine(
    ram=64 * 10**9, ram_free=60 * 10**9, gpu="T4", gpu_memory=16 * 10**9, gpu_free=15 * 10**9, half="fp16"
)


@pytest.fixture
def plan(demo_run):
    quiet = {"sample_every_n_epochs": 0, "grid": False}
    return plan_run(demo_run(4, resolution=256, train_batch_size=4, max_bucket_reso=512, **quiet))


def test_what_fits_is_left_alone(plan):
    found = fit(plan, LARGE)
    assert not found.short and not found.values and found.after is None


def gpu(free):
    return Machine(LARGE.ram, LARGE.ram_free, gpu="T4", gpu_memory=free, gpu_free=free, half="fp16")


def test_too_small_a_gpu_gets_a_cheaper_plan_of_the_same_effective_batch(plan):
    need = forecast(plan, "fp16", gpu=True).gpu
    found = fit(plan, gpu(int(need * 0.9)))
    assert found.short == ("GPU",) and found.after.gpu < 0.9 * need
    then = replace(plan.config, **dict(found.values))
    assert then.length.train_batch_size * then.length.gradient_accumulation_steps == 4
    assert (
        "cache_latents_to_disk" not in dict(found.values) and "gradient_checkpointing = true" in found.words
    )
    smaller = fit(plan, gpu(int(found.after.gpu / 0.95 * 0.99)))
    assert dict(smaller.values)["train_batch_size"] < 4


def test_what_nothing_makes_fit_is_said(plan):
    found = fit(plan, gpu(10**8))
    assert found.short == ("GPU",) and not found.values and not found.words


def test_precision_is_the_machines_own(plan):
    assert LARGE.precision("auto") == "fp16" and LARGE.precision("no") == "no"
    full = replace(plan.config, mixed_precision="no")
    need = forecast(plan_run(full), "no", gpu=True).gpu
    found = fit(plan_run(full), gpu(int(need * 0.97)))
    assert dict(found.values) == {"mixed_precision": "auto"}
