"""The resumable state: whole or not at all, and of one run only."""

import os
import tracemalloc
from dataclasses import asdict, replace
from pathlib import Path

import pytest
import torch

from lora_nb import settings
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make
from lora_nb.training.plan import plan_run
from lora_nb.training.state import (
    Identity,
    RunState,
    before,
    differences,
    identity_of,
    load_newest,
    load_state,
    save_state,
    set_damaged_aside,
)


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path):
    make_pictures(tmp_path / "dataset", 3)
    return make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(tmp_path / "dataset"),
        output_name="cat",
    )


def make_state(step=3):
    optimizer = {
        "state": {0: {"step": torch.tensor(3.0), "exp_avg": torch.randn(2)}},
        "param_groups": [{"lr": 1e-3, "name": "unet"}],
    }
    return RunState(
        Identity({"rank": 8}, "d", "b", 1),
        step,
        False,
        12.5,
        [0.1, 0.2],
        [torch.randn(3, 2)],
        optimizer,
        {"last_epoch": 3},
        {},
    )


def test_round_trip(tmp_path):
    path, state = tmp_path / "state" / "cat.state", make_state()
    assert load_state(path) is None
    save_state(path, state)
    back = load_state(path)
    assert (
        back.identity == state.identity
        and back.step == 3
        and back.losses == [0.1, 0.2]
        and back.started_at == 12.5
    )
    assert torch.equal(back.parameters[0], state.parameters[0])
    assert torch.equal(back.optimizer["state"][0]["exp_avg"], state.optimizer["state"][0]["exp_avg"])
    assert os.listdir(path.parent) == ["cat.state"]


def test_a_failed_save_keeps_the_old_state(tmp_path):
    path = tmp_path / "cat.state"
    save_state(path, make_state(3))
    os.chmod(tmp_path, 0o700)
    broken = make_state(4)
    broken.optimizer = {"unpicklable": lambda: None}
    with pytest.raises(Exception, match="pickle|lambda|local object"):
        save_state(path, broken)
    assert load_state(path).step == 3 and os.listdir(tmp_path) == ["cat.state"]


def test_a_damaged_state_is_one_sentence(tmp_path):
    path = tmp_path / "cat.state"
    save_state(path, make_state())
    whole = path.read_bytes()
    for content in (whole[:200], whole[:-1], whole + b"x", whole[1:], b"", b"<html>", b"PK\3\4"):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="cannot be read .*restart") as caught:
            load_state(path)
        assert "\n" not in str(caught.value) and path.read_bytes() == content


def write_as_before(path, state):
    """What save_state wrote before there was a checksum: these very lines."""
    values = {**state.__dict__, "identity": asdict(state.identity)}
    for name in ("plain_losses", "seed_drawn"):
        values.pop(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save(values, path)


def test_a_state_without_a_checksum_is_still_read(tmp_path):
    path, state = tmp_path / "cat.state", make_state()
    write_as_before(path, state)
    back = load_state(path)
    assert (back.step, back.losses, back.plain_losses, back.seed_drawn) == (3, [0.1, 0.2], [], False)
    assert torch.equal(back.parameters[0], state.parameters[0]) and back.identity == state.identity


def test_a_state_of_a_newer_version_says_so(tmp_path):
    path = tmp_path / "cat.state"
    save_state(path, make_state())
    path.write_bytes(path.read_bytes().replace(b"lora_nb state 2", b"lora_nb state 3", 1))
    with pytest.raises(ValueError, match="written by a newer version .*: update lora_nb"):
        load_state(path)


def test_a_state_that_a_newer_version_of_the_same_format_wrote_is_read(tmp_path):
    """It may hold more: what is not known is passed over."""
    path, state = tmp_path / "cat.state", make_state()
    state.more = torch.ones(2)
    save_state(path, state)
    back = load_state(path)
    assert back.step == 3 and not hasattr(back, "more") and back.identity == state.identity


def test_a_state_with_numbers_that_are_none_is_not_written(tmp_path):
    path = tmp_path / "cat.state"
    save_state(path, make_state(3))
    broken = make_state(4)
    broken.parameters[0][1, 1] = float("inf")
    with pytest.raises(ValueError, match="NaN or infinite"):
        save_state(path, broken)
    assert load_state(path).step == 3 and os.listdir(tmp_path) == ["cat.state"]


def test_a_large_state_is_not_held_twice_in_memory(tmp_path):
    """Python's own memory while a state of 64 MB is written and read; tensors do not count there."""
    state = make_state()
    state.parameters = [torch.zeros(4, 4_000_000)]
    tracemalloc.start()
    try:
        save_state(tmp_path / "cat.state", state)
        load_state(tmp_path / "cat.state")
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert most < 10_000_000


def test_identity_tells_runs_apart(config, tmp_path):
    same = identity_of(plan_run(config), "b", 1)
    assert (
        differences(
            same,
            identity_of(plan_run(settings.replace(config, grid=False, max_data_loader_n_workers=2)), "b", 1),
        )
        == []
    )
    assert differences(same, identity_of(plan_run(settings.replace(config, rank=8)), "b", 1)) == [
        "rank 16 -> 8"
    ]
    told = settings.replace(config, metadata_author="Ada", training_comment="x", no_metadata=True)
    assert differences(same, identity_of(plan_run(told), "b", 1)) == []
    forced = identity_of(plan_run(settings.replace(config, prediction_type="v_prediction")), "b", 1)
    assert differences(same, forced) == ["prediction_type auto -> v_prediction"]
    older = replace(same, settings={k: v for k, v in same.settings.items() if k != "prediction_type"})
    assert differences(older, same) == [], "what an older version did not know counts as its default"
    assert differences(same, identity_of(plan_run(config), "c", 2)) == ["another base model", "1 -> 2 GPUs"]
    (tmp_path / "dataset" / "00.txt").write_text("other words")
    assert differences(same, identity_of(plan_run(config), "b", 1)) == ["other pictures or captions"]


def test_a_setting_that_an_older_state_lacks_has_its_default(config):
    new = identity_of(plan_run(config), "b", 1)
    lacking = {
        name: value
        for name, value in new.settings.items()
        if not name.startswith("diff_output_preservation_")
    }
    assert len(lacking) == len(new.settings) - 2
    older = replace(new, settings=lacking)
    assert differences(older, new) == []
    other = identity_of(plan_run(settings.replace(config, diff_output_preservation_share=0.5)), "b", 1)
    assert differences(older, other) == ["diff_output_preservation_share 1.0 -> 0.5"]


def test_the_state_before_stays_until_the_new_one_is_proven(tmp_path, monkeypatch):
    path = tmp_path / "cat.state"
    save_state(path, make_state(3))
    first = path.read_bytes()
    monkeypatch.setattr(
        os, "fsync", lambda file: os.truncate(file, 5000)
    )  # a disk that loses what it was given
    with pytest.raises(OSError, match="cannot be read back"):
        save_state(path, make_state(4))
    monkeypatch.undo()
    assert path.read_bytes() == first and os.listdir(tmp_path) == ["cat.state"]
    save_state(path, make_state(5))
    assert load_state(path).step == 5 and before(path).read_bytes() == first


def test_a_damaged_state_is_made_good_by_the_one_before_it(tmp_path):
    path, told = tmp_path / "cat.state", []
    save_state(path, make_state(3))
    save_state(path, make_state(4))
    damaged = path.read_bytes()[:-9]
    path.write_bytes(damaged)
    assert load_newest(path, told.append).step == 3
    assert "is damaged; the state before it is sound" in told[0].text and "step 3" in told[0].text
    set_damaged_aside(path)
    save_state(path, make_state(6))
    assert load_state(before(path)).step == 3, "the damaged one has not pushed it out"
    assert (tmp_path / "cat.state.damaged").read_bytes() == damaged
    path.unlink()  # as a kill between the two renames leaves it
    assert load_newest(path, told.append).step == 3 and "is not there" in told[1].text
    path.write_bytes(damaged)
    before(path).write_bytes(damaged)
    with pytest.raises(ValueError, match="is damaged and cannot be read"):
        load_newest(path)


def test_a_save_whose_last_rename_fails_leaves_the_state_in_its_place(tmp_path, monkeypatch):
    path, put = tmp_path / "cat.state", os.replace
    save_state(path, make_state(3))

    def refuse(source, target):
        if Path(target) == path and Path(source) != before(path):
            raise OSError(28, "No space left on device", str(target))
        put(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(OSError, match="No space"):
        save_state(path, make_state(4))
    assert os.listdir(tmp_path) == ["cat.state"] and load_state(path).step == 3
