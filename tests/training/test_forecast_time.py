"""The forecast of time: arithmetic that grows as it should, an earlier run's pace where there is one."""

import dataclasses

import pytest

from lora_nb import events, runs
from lora_nb.bases.model_sizes import sizes_of
from lora_nb.settings import replace
from lora_nb.training import kept_settings
from lora_nb.training.forecast_time import flops, forecast, forward
from lora_nb.training.machine import Machine
from lora_nb.training.plan import Path, plan_run, resolve

MACHINE = Machine(10**10, 10**10, flops=1e11)


@pytest.fixture
def config(demo_run):
    return demo_run(4, train_batch_size=2)


def test_a_forward_pass_is_what_is_known_of_these_bases():
    """Stable Diffusion 1.5 at 512: 0.68 TFLOPs (0.34 TMACs); XL at 1024: 6 (2.98 TMACs, diffusers' own reports)."""
    assert forward(sizes_of("nobody/has-this-base"), 512 * 512) == pytest.approx(0.68e12, rel=0.25)
    assert forward(sizes_of("sdxl"), 1024 * 1024) == pytest.approx(6.0e12, rel=0.25)


def test_more_work_takes_longer(config):
    sizes = sizes_of("demo")
    usual = flops(plan_run(config), sizes)
    assert flops(plan_run(replace(config, train_batch_size=4)), sizes) == pytest.approx(2 * usual)
    assert flops(plan_run(replace(config, gradient_checkpointing=True)), sizes) > 1.1 * usual
    assert flops(plan_run(replace(config, resolution=128)), sizes) > 2 * usual
    stages = forecast(plan_run(config), sizes, MACHINE).stages
    first = forecast(plan_run(replace(config, sample_at_first=True)), sizes, MACHINE).stages
    assert first["samples"] > stages["samples"] and first["training"] == stages["training"]
    quiet = replace(config, sample_every_n_epochs=0, grid=False)
    assert stages["samples"] > 0 and stages["grid"] > 0
    assert forecast(plan_run(quiet), sizes, MACHINE).total < sum(stages.values())


def test_nothing_is_said_where_nothing_is_known(config):
    assert forecast(plan_run(config), sizes_of("demo"), dataclasses.replace(MACHINE, flops=0.0)) is None


def test_the_pace_of_an_earlier_run_goes_before_the_rough_figure(config):
    earlier = replace(config, output_name="before", train_batch_size=1)
    kept_settings.keep(resolve(earlier))
    own = runs.run_folder(Path(earlier.place.output_dir), "before")
    log = events.StepLog(1, 9, 1, 0.1, 0.1, 0.0, 0.0, steps_per_second=0.5, eta_seconds=1.0)
    own.metrics.write_text(events.to_line(log) + "\n")
    plan = plan_run(config)
    found = forecast(plan, sizes_of("demo"), MACHINE)
    assert found.known_from == "before" and found.stages["training"] == pytest.approx(4.0 * plan.total_steps)
    other = plan_run(replace(config, resolution=128))
    assert not forecast(other, sizes_of("demo"), MACHINE).known_from
