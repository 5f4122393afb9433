"""How long a run is, and what is saved and drawn on its way by steps and minutes."""

import json
from pathlib import Path

import pytest
from safetensors.torch import load_file
from test_learner import differ, elsewhere, files, go, run_in, short_run
from test_train import StopAt

from lora_nb import events, settings
from lora_nb.training import checkpoints, state
from lora_nb.training.plan import plan_run
from lora_nb.training.train import train


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path):
    return short_run(tiny_base, make_pictures, tmp_path)


def names(run):
    return sorted(path.name for path in Path(run.place.output_dir).iterdir() if path.suffix == ".safetensors")


def samples(run):
    return sorted(
        path.name for path in (Path(run.place.output_dir).parent / "runs" / "cat" / "samples").glob("*.png")
    )


def test_files_and_samples_come_by_steps_with_the_step_in_their_names(config):
    run = elsewhere(
        settings.replace(config, save_every_n_steps=3, sample_every_n_steps=2, sample_prompts=("x --s 1",)),
        "steps",
    )
    plain = elsewhere(config, "plain")
    go(run)
    go(plain)
    assert names(run) == ["cat-01.safetensors", "cat-02.safetensors", "cat-step000003.safetensors"]
    assert samples(run) == ["cat_e01_s000002_00.png", "cat_e02_s000004_00.png"] and samples(plain) == []
    about = json.loads((Path(run.place.output_dir) / "cat-step000003.json").read_text())
    assert about["activation text"] == "ohwx"
    ours, theirs = (load_file(Path(each.place.output_dir) / "cat-02.safetensors") for each in (run, plain))
    assert not differ(ours, theirs), "nothing of it changes what is learnt"


def test_samples_come_before_the_first_step_where_asked(config):
    run = elsewhere(settings.replace(config, sample_at_first=True, sample_prompts=("x --s 1",)), "first")
    go(run, poll=StopAt(stop=1))
    go(run)
    assert samples(run) == ["cat_e00_s000000_00.png"]


def test_only_files_of_the_last_steps_stay_and_nothing_that_is_not_the_runs_goes(config):
    """By steps 1, 2, 3, 4; the second asked for by hand, a file of the user's beside them."""
    run = elsewhere(settings.replace(config, save_every_n_steps=1, save_last_n_steps=1), "last")
    mine = Path(run.place.output_dir)
    begun, _ = go(run, poll=StopAt(save=2, stop=2))
    for name in ("cat-step000000.safetensors", "cat-step000001.txt", "other-step000001.safetensors"):
        (mine / name).write_bytes(b"mine")
    assert begun.state.saved_steps == [1]
    go(run)
    assert [name for name in names(run) if "step" in name] == [
        "cat-step000000.safetensors",
        "cat-step000002.safetensors",
        "cat-step000003.safetensors",
        "cat-step000004.safetensors",
        "other-step000001.safetensors",
    ]
    assert not (mine / "cat-step000001.json").exists() and (mine / "cat-step000001.txt").exists()


def test_all_files_of_steps_stay_by_default(config):
    run = elsewhere(settings.replace(config, save_every_n_steps=1), "all")
    go(run)
    assert len([name for name in names(run) if "step" in name]) == 4


def test_older_files_of_steps_stay_while_the_newest_is_not_sound(config):
    run = elsewhere(settings.replace(config, save_every_n_steps=1), "unsound")
    go(run)
    newest = Path(run.place.output_dir) / "cat-step000004.safetensors"
    newest.write_bytes(newest.read_bytes()[:200])
    kept, why = checkpoints.drop_old_steps(plan_run(run), [1, 2, 3, 4], 1)
    assert kept == [1, 2, 3, 4] and "although save_last_n_steps = 1" in why and len(names(run)) == 6


def test_minutes_save_files_samples_and_the_state(config):
    """A clock that is half a minute further at each step."""
    run = elsewhere(
        settings.replace(
            config,
            save_every_n_minutes=1.0,
            sample_every_n_minutes=1.5,
            save_state_every_n_minutes=0.5,
            sample_prompts=("x --s 1",),
        ),
        "minutes",
    )
    begun = run_in(run, "no")
    times = iter(range(30, 1000, 30))
    begun.moments.now = lambda: next(times)
    begun.moments.since = dict.fromkeys(begun.moments.since, 0)
    saved, save = [], begun.writer.save_state
    begun.writer.save_state = lambda: (saved.append(begun.state.step), save())
    begun.go_on(frozenset)
    assert [name for name in names(run) if "step" in name] == [
        "cat-step000002.safetensors",
        "cat-step000004.safetensors",
    ]
    assert samples(run) == ["cat_e02_s000003_00.png"] and set(saved) == {1, 2, 3, 4}


def test_what_a_kill_left_out_of_a_step_is_made_up_for(config):
    """Killed after the state and before the file and the sample of the same step."""
    run = elsewhere(
        settings.replace(config, save_every_n_steps=3, sample_every_n_steps=3, sample_prompts=("x --s 1",)),
        "killed",
    )
    whole = elsewhere(run, "whole")
    go(whole)

    class Killed(BaseException):
        pass

    begun = run_in(run, "no")
    write = begun.writer.write_step

    def killed(what, epoch):
        if what:
            raise Killed
        write(what, epoch)

    begun.writer.write_step = killed
    with pytest.raises(Killed):
        begun.go_on(frozenset)
    assert state.load_state(
        state.state_path(run.place)
    ).step == 3 and "cat-step000003.safetensors" not in names(run)
    go(run)
    assert files(run) == files(whole) and samples(run) == samples(whole)
    told = []
    path = Path(run.place.output_dir) / "cat-step000003.safetensors"
    before = path.stat().st_mtime_ns
    go(run, told=told)
    assert path.stat().st_mtime_ns == before and not any(isinstance(event, events.Drawn) for event in told)


def test_as_many_files_as_asked_for_come_of_a_run(config):
    run = elsewhere(settings.replace(config, max_train_epochs=5, save_n_epoch_ratio=2), "ratio")
    go(run)
    assert names(run) == [f"cat-0{epoch}.safetensors" for epoch in (2, 4, 5)]
    assert settings.without_effect(settings.replace(run, save_every_n_epochs=3)) == [
        "save_every_n_epochs has no effect with save_n_epoch_ratio"
    ]


def test_a_run_may_begin_at_a_later_step(config):
    """It sees the pictures and has the rates of a whole run from there on."""
    told, later = [], []
    go(elsewhere(settings.replace(config, lr_scheduler="linear"), "whole"), told=told)
    run = elsewhere(settings.replace(config, lr_scheduler="linear", initial_step=3, dropout=0.0), "later")
    begun, _ = go(run, told=later)
    whole, late = ([event for event in each if isinstance(event, events.StepLog)] for each in (told, later))
    assert [(step.step, step.epoch, step.lr_unet) for step in late] == [(4, 2, whole[3].lr_unet)]
    assert names(run) == ["cat-02.safetensors"] and begun.state.identity.settings["initial_step"] == 3
    with pytest.raises(
        ValueError, match="initial_step = 4 is not before the end of the run, which has 4 steps"
    ):
        train(elsewhere(settings.replace(config, initial_step=4), "never"))


def test_a_run_that_begins_at_the_end_of_an_epoch_writes_no_file_of_it(config):
    run = elsewhere(settings.replace(config, initial_step=2), "end")
    go(run)
    assert names(run) == ["cat-02.safetensors"]


def test_files_to_drop_need_files_by_steps(config):
    with pytest.raises(ValueError, match="save_last_n_steps = 5, but no file is saved by steps"):
        settings.replace(config, save_last_n_steps=5)
