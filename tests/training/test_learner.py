"""What learns: rates, averages in the files, a stop for what reads text, steps that overflow; and that all goes on exactly."""

import json
from pathlib import Path

import pytest
import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from safetensors import safe_open
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from test_train import StopAt

from lora_nb import events, settings
from lora_nb.bases.models import load_base
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make
from lora_nb.training import divergence, state
from lora_nb.training.learner import Learner
from lora_nb.training.plan import plan_run
from lora_nb.training.run import Run
from lora_nb.training.train import train


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path):
    return short_run(tiny_base, make_pictures, tmp_path)


def short_run(tiny_base, make_pictures, tmp_path):
    """Two steps an epoch, four in all."""
    make_pictures(tmp_path / "cat" / "dataset", 4)
    return make(TrainConfig,
        pretrained_model_name_or_path=str(tiny_base), train_data_dir=str(tmp_path / "cat" / "dataset"),
        output_name="cat", num_repeats=1, max_train_epochs=2, rank=2, alpha=2.0, dropout=0.1, trigger_word="ohwx",
        source_date_epoch=1_700_000_000, sample_every_n_epochs=0, save_state_every_n_steps=0, grid=False,
        save_precision="fp32",
    )  # fmt: skip


def elsewhere(config, name):
    home = Path(config.place.train_data_dir).parents[1]
    return settings.replace(config, output_dir=str(home / name / "output"))


def files(config):
    return {
        path.name: path.read_bytes() for path in sorted(Path(config.place.output_dir).glob("*.safetensors"))
    }


def weights(config, number=2):
    return load_file(Path(config.place.output_dir) / f"cat-0{number}.safetensors")


def differ(one, other, prefix=""):
    return [name for name in one if name.startswith(prefix) and not torch.equal(one[name], other[name])]


def go(run, told=None, poll=frozenset):
    """As `train`, or as going on where it was stopped, without the proof at the end: the run, and how it ended."""
    begun = run_in(run, "no", told, state.load_state(state.state_path(run.place)))
    return begun, begun.go_on(poll)


ONE_RATE = {"learning_rate": 1.0, "text_encoder_lr": 1.0}
WAYS = [
    {"optimizer": "AdamW8bit", "gradient_accumulation_steps": 3},
    {"optimizer": "Prodigy", "optimizer_args": ("d_coef=2", "decouple=True"), **ONE_RATE},
    {"optimizer": "Adafactor", "lr_scheduler": "adafactor"},
    {"optimizer": "AdamWScheduleFree", "lr_scheduler": "constant", "gradient_accumulation_steps": 3},
    {
        "ema_decay": 0.9,
        "initial_step": 1,
        "optimizer": "CAME",
        "lr_scheduler": "rex",
        "stop_text_encoder_training": 2.0,
    },
]


@pytest.mark.parametrize("said", WAYS, ids=lambda said: "-".join(str(value) for value in said.values()))
def test_each_way_to_learn_goes_on_exactly(config, said):
    """Stopped in the middle, its average looked at more often: every file has the bytes of a run undisturbed."""
    if said.get("optimizer", "").endswith("8bit"):
        pytest.importorskip("bitsandbytes", reason="bitsandbytes is an extra")
    config = settings.replace(config, num_repeats=1, max_train_epochs=3, **said)
    whole, broken = (elsewhere(config, name) for name in ("whole", "broken"))
    go(whole)
    stop = StopAt(stop=3 if plan_run(whole).total_steps == 6 else 1, save=1)
    assert go(broken, poll=stop)[1] == "stopped"
    go(broken, poll=StopAt(save=1))
    ours, theirs = files(broken), files(whole)
    assert len(theirs) == 3 and {name: ours[name] == theirs[name] for name in theirs} == dict.fromkeys(
        theirs, True
    )


def test_a_killed_run_with_an_average_and_prodigy_goes_on_exactly(config):
    """Killed after a save in the middle of an epoch; samples are drawn on the way."""
    said = {
        "ema_decay": 0.9,
        "sample_every_n_epochs": 1,
        "sample_prompts": ("ohwx --s 1",),
        "optimizer": "Prodigy",
    }
    whole, broken = (
        elsewhere(settings.replace(config, **said, **ONE_RATE), name) for name in ("whole", "broken")
    )
    go(whole)

    class Killed(BaseException):
        pass

    def killed():
        raise Killed

    saves = iter([frozenset(), frozenset({"save"})])
    with pytest.raises(Killed):
        go(broken, poll=lambda: next(saves, None) or killed())
    go(broken)
    ours, theirs = files(broken), files(whole)
    assert {name: ours[name] == theirs[name] for name in theirs} == dict.fromkeys(theirs, True)


def test_the_files_and_the_proof_hold_the_average(config):
    plain, averaged = (elsewhere(config, name) for name in ("plain", "averaged"))
    averaged = settings.replace(averaged, ema_decay=0.5)
    go(plain)
    go(averaged, poll=StopAt(stop=3))
    kept = state.load_state(state.state_path(averaged.place))
    assert kept.averaged_steps == 3 and len(kept.average) == len(kept.parameters)
    told = []
    train(averaged, told.append)
    assert differ(weights(plain), weights(averaged))
    assert any(
        "changes the model's answer" in event.text for event in told if isinstance(event, events.Notice)
    )
    go(elsewhere(settings.replace(config, ema_decay=0.2), "other"))
    assert differ(weights(averaged), weights(elsewhere(config, "other")))


def test_samples_are_drawn_with_the_average(config):
    """The weights that learn are far off at once; their average is not yet."""
    found = []
    for decay in (0.0, 0.99):
        run = elsewhere(settings.replace(config, ema_decay=decay, sample_every_n_steps=4, sample_prompts=("ohwx --s 2",),
            learning_rate=0.02, lr_scheduler="constant"), f"with{decay}")  # fmt: skip
        told = []
        go(run, told=told)
        (drawn,) = [event for event in told if isinstance(event, events.Drawn)]
        found.append(Path(drawn.paths[0]).read_bytes())
    assert found[0] != found[1]


def test_what_reads_text_stands_still_after_its_stop(config):
    run = elsewhere(settings.replace(config, stop_text_encoder_training=0.5, save_every_n_steps=1), "stops")
    told = []
    go(run, told=told)
    at = {
        step: load_file(Path(run.place.output_dir) / f"cat-step00000{step}.safetensors")
        for step in (1, 2, 3, 4)
    }
    assert differ(at[1], at[2], "lora_te") and not differ(at[2], at[4], "lora_te")
    assert differ(at[2], at[3], "lora_unet") and set(at[4]) == set(at[2])
    rates = [event.lr_text_encoder for event in told if isinstance(event, events.StepLog)]
    assert rates[0] and not any(rates[2:])
    free = elsewhere(config, "free")
    go(free)
    assert differ(weights(run, 1), weights(free, 1)) == [] and differ(
        weights(run), weights(free), "lora_unet"
    )


def test_every_groups_rate_and_prodigys_factor_are_logged(config):
    run = elsewhere(settings.replace(config, optimizer="Prodigy", **ONE_RATE), "prodigy")
    told = []
    go(run, told=told)
    steps = [event for event in told if isinstance(event, events.StepLog)]
    assert all(set(step.rates) == {"unet", "text_encoder"} and 0 < step.d < 1 for step in steps)
    assert steps[0].rates["unet"] == steps[0].lr_unet
    folder = Path(run.place.output_dir).parent / "runs" / "cat"
    assert [event for event in events.read_lines((folder / "metrics.jsonl").read_bytes())
        if isinstance(event, events.StepLog)] == steps  # fmt: skip
    board = EventAccumulator(str(folder / "tensorboard"))
    board.Reload()
    found = [value.value for value in board.Scalars("lr/d*lr/unet")]
    assert found == pytest.approx([step.d * step.rates["unet"] for step in steps], rel=1e-6)
    assert {"lr/unet", "lr/textencoder", "lr/text_encoder", "lr/d*lr/text_encoder"} <= set(
        board.Tags()["scalars"]
    )


def test_the_optimizers_arguments_change_what_is_learnt_and_stand_in_the_file(config):
    found = []
    for name, said in (
        ("one", {}),
        ("two", {"optimizer_args": ("betas=0.5,0.9",)}),
        ("three", {"optimizer": "CAME"}),
    ):
        run = elsewhere(settings.replace(config, **said), name)
        go(run)
        found.append(weights(run))
        with safe_open(Path(run.place.output_dir) / "cat-02.safetensors", "pt") as opened:
            about = opened.metadata()
    assert differ(found[0], found[1]) and differ(found[0], found[2])
    assert about["ss_optimizer"] == "pytorch_optimizer.optimizer.came.CAME(weight_decay=0.01)"
    assert json.loads(about["lora_nb_settings"])["optimizer"] == "CAME"


def test_a_rate_of_a_second_text_model_needs_one(config):
    with pytest.raises(ValueError, match="text_encoder_lr2 = 5e-05 is for the second .* this base has 1"):
        train(settings.replace(config, text_encoder_lr2=5e-5))


# fp16 and bf16 on a CPU: torch's own autocast and scaler, in the very step that a GPU takes


def run_in(config, precision, told=None, kept=None, scale=2.0**16):
    """A run as `train` begins it. accelerate refuses fp16 without a GPU, so the scaler is put in its place here."""
    AcceleratorState._reset_state(True)
    accelerator = Accelerator(cpu=True, mixed_precision="no" if precision == "fp16" else precision)
    if precision == "fp16":
        accelerator.state._mixed_precision = "fp16"
        accelerator.native_amp = True
        accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=scale, growth_interval=3)
    base = load_base(config.base.pretrained_model_name_or_path)
    tell = events.silent if told is None else told.append
    return Run.begin(plan_run(config), base, accelerator, kept, tell)


@pytest.fixture
def _fresh_state():
    yield
    AcceleratorState._reset_state(True)


def losses(told):
    return [event.loss for event in told if isinstance(event, events.StepLog)]


@pytest.mark.usefixtures("_fresh_state")
@pytest.mark.parametrize(("precision", "near"), [("fp16", 0.01), ("bf16", 0.05)])
def test_half_precision_learns_beside_full(config, precision, near):
    found = {}
    for each in ("no", precision):
        told = []
        run = run_in(elsewhere(config, each), each, told)
        run.go_on(frozenset)
        assert run.learner.skipped == 0 and all(p.dtype is torch.float32 for p in run.learner.parameters)
        found[each] = losses(told)
    assert found[precision] == pytest.approx(found["no"], rel=near)
    assert found[precision] != found["no"]


class OverflowAt:
    """Some of the gradients are infinite at one step, as in fp16 they are when they are too large."""

    def __init__(self, run, step, stop=0):
        self.run, self.stop, self.at = run, stop, step - 1
        run.learner.parameters[0].register_hook(self.spoil)

    def spoil(self, gradient):
        return gradient / 0 if self.run.state.step == self.at else gradient

    def __call__(self):
        return frozenset({"stop"} if self.run.state.step == self.stop else ())


@pytest.mark.usefixtures("_fresh_state")
def test_a_step_that_overflows_is_left_out_counted_told_and_goes_on_exactly(config):
    config = settings.replace(config, ema_decay=0.5)
    told, before = [], {}
    whole = run_in(elsewhere(config, "whole"), "fp16", told)
    step = whole.learner.step

    def look(*said):
        before[said[-1]] = [p.detach().clone() for p in whole.learner.parameters]
        return step(*said)

    whole.learner.step = look
    whole.go_on(OverflowAt(whole, 2))
    assert whole.learner.skipped == whole.state.skipped == 1
    assert all(torch.equal(one, other) for one, other in zip(before[2], before[3], strict=True))
    assert not all(torch.equal(one, other) for one, other in zip(before[3], before[4], strict=True))
    (notice,) = [
        event.text for event in told if isinstance(event, events.Notice) and "left out" in event.text
    ]
    assert notice.startswith("Step 2 is left out") and len(losses(told)) == 4
    broken = elsewhere(config, "broken")
    first = run_in(broken, "fp16")
    assert first.go_on(OverflowAt(first, 2, stop=3)) == "stopped"
    kept = state.load_state(state.state_path(broken.place))
    assert kept.skipped == 1 and kept.scaler["scale"] == 2.0**15
    second = run_in(broken, "fp16", kept=kept)
    second.go_on(frozenset)
    assert second.learner.skipped == 1
    assert files(broken) == files(elsewhere(config, "whole"))


def test_too_many_steps_left_out_in_a_row_end_the_run():
    divergence.refuse_skipping(9, divergence.MOST_SKIPPED - 1)
    with pytest.raises(
        ValueError, match="gradients of 40 steps in a row, up to step 50, were too large for fp16"
    ):
        divergence.refuse_skipping(50, divergence.MOST_SKIPPED)


def test_groups_of_a_part_share_its_name_and_are_stopped_together(config):
    """More groups than parts: `part/what`, as LoRA+ and rates by block make them."""
    run = run_in(elsewhere(config, "groups"), "no")
    parts, objective = run.base.parts, run.learner.objective
    params = run.learner.parameters
    names = ["unet/down", "unet/up", "text_encoder/down", "text_encoder/up"]
    groups = [{"name": name, "lr": rate, "params": [param]} for name, rate, param in zip(names, (1e-3, 2e-3, 1e-4, 2e-4), params, strict=False)]  # fmt: skip
    plan = plan_run(settings.replace(config, lr_scheduler="constant", stop_text_encoder_training=2.0))
    learner = Learner(plan, objective, groups, parts, run.accelerator)
    rates = learner.rates()
    assert (rates.denoiser, rates.text) == (2e-3, 2e-4) and rates.groups["unet/down"] == 1e-3
    learner._hold_text()
    assert [param.requires_grad for param in params[:4]] == [True, True, False, False]
    assert learner.rates().text == 0.0
