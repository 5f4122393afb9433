"""TensorBoard over real runs, asked for by the verb and by its own protocol."""

import json
import socket
import urllib.request

import pytest
from torch.utils.tensorboard import SummaryWriter

from lora_nb.config.board import TensorboardConfig
from lora_nb.config.validation import CurveConfig
from lora_nb.overview.fiftyone_process import answers
from lora_nb.shell.figure_verbs import BOARD, open_tensorboard, say_curve


def test_all_runs_are_shown_and_nothing_is_left_when_it_is_closed(tmp_path):
    for name in ("cat", "dog"):
        with SummaryWriter(str(tmp_path / "runs" / name / "tensorboard")) as writer:
            writer.add_scalar("loss/current", 0.1, 1)
    told, seen = [], []

    def poll():
        address = told[0].text.removeprefix(BOARD).strip()
        with urllib.request.urlopen(f"{address}data/runs", timeout=60) as answer:
            seen.append(sorted(json.load(answer)))
        return frozenset({"stop"} if len(seen[-1]) == 2 or len(seen) > 60 else ())

    end = open_tensorboard(TensorboardConfig(str(tmp_path / "runs")), told.append, poll)
    assert end.status == "done" and seen[-1] == ["cat/tensorboard", "dog/tensorboard"]
    assert not answers(int(told[0].text.rstrip("/").rpartition(":")[2]))


def test_without_runs_and_at_a_taken_port_it_is_a_sentence(tmp_path):
    with pytest.raises(ValueError, match="holds no run that wrote figures yet: train first"):
        open_tensorboard(TensorboardConfig(str(tmp_path)), print, frozenset)
    (tmp_path / "cat" / "tensorboard" / "x").mkdir(parents=True)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(ValueError, match="is taken on this machine"):
            open_tensorboard(TensorboardConfig(str(tmp_path), taken.getsockname()[1]), print, frozenset)


def test_what_a_run_without_checks_says(tmp_path):
    assert say_curve(CurveConfig(str(tmp_path)), print, frozenset).status == "nothing"
    with pytest.raises(ValueError, match="is no folder"):
        say_curve(CurveConfig(str(tmp_path / "none")), print, frozenset)
