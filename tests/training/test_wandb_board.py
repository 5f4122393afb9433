"""Figures at wandb: real wandb where it is installed, told to send nothing; a net that stalls; none at all."""

import json
import os
import socket
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lora_nb.config.training import TrainConfig
from lora_nb.events import Drawn
from lora_nb.lora.lora_file import read_lora
from lora_nb.runs import run_folder
from lora_nb.settings import make, replace
from lora_nb.training import boards, wandb_board, wandb_process
from lora_nb.training.board import Figures
from lora_nb.training.plan import plan_run
from lora_nb.training.tensor_board import TensorBoard
from lora_nb.training.train import train
from lora_nb.training.wandb_board import Account, WandbBoard, account

KEY = "a1b2" * 10
with_wandb = pytest.mark.skipif(not find_spec("wandb"), reason="wandb is not installed")


@pytest.fixture
def config(tiny_base, make_pictures, tmp_path):
    folder = tmp_path / "Loras" / "my cat" / "dataset"
    make_pictures(folder, 2)
    return make(
        TrainConfig, pretrained_model_name_or_path=str(tiny_base), train_data_dir=str(folder), trigger_word="ohwx",
        output_dir=str(folder.parent / "output"), output_name="cat", num_repeats=1, max_train_epochs=2, rank=2,
        sample_prompts=("a <cat> --s 1 --w 32 --h 32", "ein Hündchen --s 1 --w 32 --h 32"), grid=False,
        log_with="wandb", validate_every_n_epochs=1, validation_base_pictures=0, source_date_epoch=1,
    )  # fmt: skip


def own_of(config):
    return run_folder(Path(config.place.output_dir), config.place.output_name)


def records(content: bytes):
    """The records in wandb's file: LevelDB's log format behind seven bytes of its own."""
    at, block, head, record = 7, 32_768, 7, b""
    while at + head <= len(content):
        if block - at % block < head:
            at += block - at % block  # what is left of a block is padding
            continue
        length, kind = int.from_bytes(content[at + 4 : at + 6], "little"), content[at + 6]
        record += content[at + head : at + head + length]
        at += head + length
        if kind in (1, 4):  # whole, or its last piece
            yield record
            record = b""


def kept_by(folder: Path):
    """What wandb wrote: its rows of figures, the run's record, its settings."""
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("offline-run-*/*.wandb")
    rows, run, told = [], None, {}
    for data in records(path.read_bytes()):
        record = Record.FromString(data)
        if record.WhichOneof("record_type") == "history":
            items = record.history.item
            rows.append(
                {".".join(each.nested_key) or each.key: json.loads(each.value_json) for each in items}
            )
        elif record.WhichOneof("record_type") == "run":
            run = record.run
            told |= {each.key: json.loads(each.value_json) for each in record.run.config.update}
        elif record.WhichOneof("record_type") == "config":
            told |= {each.key: json.loads(each.value_json) for each in record.config.update}
    return rows, run, told


@with_wandb
def test_wandb_has_the_figures_of_tensorboard_and_the_samples_with_their_prompts(config, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    told = []
    end = train(replace(config, log_config=True, wandb_run_name="the first"), told.append)
    own = own_of(config)
    rows, run, settings = kept_by(own.wandb)
    assert (run.project, run.display_name) == ("my cat", "the first")
    assert run.run_id == json.loads((own.wandb / "run.json").read_text())["id"]
    assert settings["rank"] == 2 and "train_data_dir" not in settings and "sample_prompts" not in settings
    events = EventAccumulator(str(own.tensorboard)).Reload()
    over = {False: "global_step", True: "epoch"}
    here = {(name, one.step): one.value for name in events.Tags()["scalars"] for one in events.Scalars(name)}
    there = {
        (name, row[over[name in wandb_process.BY_EPOCH]]): value
        for row in rows for name, value in row.items() if isinstance(value, int | float) and "/" in name
    }  # fmt: skip
    assert here == {key: pytest.approx(value) for key, value in there.items() if key in here}
    assert here.keys() == there.keys() and any("validation" in name for name, _ in here)
    samples = [
        (row["global_step"], row[f"sample_{n}.caption"])
        for row in rows
        for n in (0, 1)
        if f"sample_{n}.caption" in row
    ]
    assert samples == [(step, text) for step in (1, 2) for text in ("a <cat>", "ein Hündchen")]
    everything = b"".join(path.read_bytes() for path in own.base.parents[1].rglob("*") if path.is_file())
    assert KEY.encode() not in everything and KEY not in str(told)
    assert any("wandb has this run in" in getattr(event, "text", "") for event in told)
    assert KEY not in str(read_lora(Path(end.files[-1])).metadata)


@with_wandb
def test_a_net_that_stalls_holds_no_training(tmp_path, monkeypatch):
    monkeypatch.setattr(wandb_board, "SECONDS_TO_END", 1.0)
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    told, begun = [], time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as stalls:
        monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{stalls.getsockname()[1]}")
        board = WandbBoard(Account("p", "n", "abc", str(tmp_path)), told.append, to_begin=3.0)
        for step in range(5000):
            board.add(Figures({"loss/current": 0.5, "loss/average": 0.25}, step, 1))
        board.flush()
        assert time.monotonic() - begun < 2.5
        board.close()
    assert time.monotonic() - begun < 10
    assert len(told) == 1 and told[0].level == "warning" and "The training goes on" in told[0].text


def test_a_process_that_dies_ends_no_training(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", sys)  # installed, as far as the board looks
    monkeypatch.setattr(wandb_board, "find_spec", lambda name: name)
    told = []
    board = WandbBoard(Account("p", "n", "abc", str(tmp_path)), told.append)
    board.process.kill()
    board.process.wait()
    board.add(Figures({"loss/current": 0.5}, 1, 1))
    board.show(Drawn(("a.png",), 1, 1), ["a cat"])
    board.flush()
    board.close()
    board.close()
    assert len(told) == 1 and "TensorBoard has them all. The training goes on." in told[0].text


def test_without_wandb_its_lack_is_told_once_and_how_to_mend_it(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    told = []
    board = WandbBoard(Account("p", "n", "abc", str(tmp_path)), told.append)
    board.add(Figures({"loss/current": 0.5}, 1, 1))
    board.flush()
    board.close()
    assert [event.text for event in told] == [
        "wandb is not installed (pip install wandb): it gets no figures; TensorBoard has them all. The training goes on."
    ]


def test_log_with_names_the_boards(config, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    for name, kinds in (("wandb", [TensorBoard, WandbBoard]), ("tensorboard", [TensorBoard])):
        plan = plan_run(replace(config, log_with=name))
        opened = boards.open_boards(plan, own_of(config), 0, lambda event: None)
        assert [type(board) for board in opened] == kinds
        for board in opened:
            board.close()


def test_a_run_that_goes_on_is_the_same_one_at_wandb(config):
    own = own_of(config)
    first = account(plan_run(config), own)
    assert (first.project, first.name, first.config) == ("my cat", "cat", {})
    again = replace(
        config, log_tracker_name="all cats", wandb_run_name="two", log_config=True, max_train_epochs=3
    )
    second = account(plan_run(again), own)
    assert second.id == first.id and (second.project, second.name) == ("all cats", "two")
    assert second.config["rank"] == 2 and second.config["max_train_epochs"] == 3
    assert os.sep + "tmp" not in json.dumps(second.config) and "ohwx" not in json.dumps(second.config)
    own.wandb.rename(own.wandb.with_name("aside"))
    assert account(plan_run(config), own).id != first.id


def test_an_account_that_cannot_be_kept_is_one_all_the_same(config):
    own = own_of(config)
    own.base.parent.mkdir(parents=True)
    own.base.write_text("a file")
    assert account(plan_run(config), own).project == "my cat"
