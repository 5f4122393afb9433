"""The devices of a queue: which run sees which, and how many processes train it."""

import json
import subprocess
import sys

import pytest

from lora_nb import events, settings
from lora_nb.config.training import TrainConfig
from lora_nb.processes import creation_time
from lora_nb.shell import jobs, queue, queue_file, queue_turns, queue_worker
from lora_nb.shell.queue_worker import Shift

# What a training finds itself in, told as its last word.
LOOKS = """
import os, pathlib, sys
from lora_nb import events
said = f"{os.environ.get('CUDA_VISIBLE_DEVICES')} x {sys.argv[2]}"
pathlib.Path(sys.argv[1]).write_text(events.to_line(events.Finished("done", said)) + chr(10))
"""


def look_around(verb, config, folders, processes=1, environment=None, cwd=None):
    """A child process as `jobs.start` begins it, which trains nothing and says what it sees."""
    folder = jobs._new_folder(folders.jobs, verb)
    line = [sys.executable, "-c", LOOKS, str(folder / jobs.EVENTS), str(processes)]
    child = subprocess.Popen(line, env=jobs.child_environment(environment or {}), cwd=cwd)
    job = jobs.Job(folder, verb, child.pid, creation_time(child.pid), child)
    record = {"version": 1, "verb": verb, "pid": job.pid, "started": job.started}
    (folder / "job.json").write_text(json.dumps(record))
    return job


def dies(verb, config, folders, processes=1, environment=None, cwd=None):
    """A training that has ended without a word."""
    folder = jobs._new_folder(folders.jobs, verb)
    (folder / jobs.OUTPUT).touch()
    child = subprocess.Popen([sys.executable, "-c", ""])
    job = jobs.Job(folder, verb, child.pid, creation_time(child.pid), child)
    child.wait()
    return jobs.noted(job)


class Gone(BaseException):
    """The worker is no more."""


@pytest.fixture
def waiting(dataset, make_pictures, tiny_base):
    """The folder of a queue in which three runs wait."""
    make_pictures(dataset, 1)
    given = {
        "train_data_dir": str(dataset),
        "pretrained_model_name_or_path": str(tiny_base),
        "trigger_word": "x",
    }
    runs = [settings.make(TrainConfig, **given, output_name=f"r{number}") for number in range(3)]
    return [queue.add(run)[0] for run in runs][-1]


def test_of_two_gpus_each_run_sees_its_own_or_one_run_both(waiting, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "4,GPU-7b")
    seen = []
    for device in (*queue_worker.devices(), queue_worker.ALL):
        shift = Shift(waiting, device, seen.append, start=look_around, tick=0.01)
        assert queue_turns.sign_on(waiting, device, shift.me)
        entry = queue_turns.take(waiting, device, shift.me)
        shift._train(entry)
        queue_turns.sign_off(waiting, device, shift.me)
    ends = [jobs.finished(queue.job_of(waiting, each)).text for each in queue_file.read(waiting).listed]
    assert ends == ["4 x 1", "GPU-7b x 1", "4,GPU-7b x 2"]
    assert jobs._launcher(2)[1:5] == ["-m", "accelerate.commands.launch", "--num_processes", "2"]
    assert not [each for each in seen if isinstance(each, events.Notice) and each.level == "warning"]


@pytest.mark.parametrize(
    ("visible", "together", "begun"),
    [("0,1", False, ["0", "1"]), ("0,1", True, ["all"]), ("0", True, ["0"]), ("", True, ["cpu"])],
)
def test_the_queue_begins_on_each_gpu_or_on_all_together(waiting, visible, together, begun, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    monkeypatch.setattr(queue_worker, "_spawn", lambda folder, device, environment: device)
    assert queue_worker.start(waiting, together=together) == begun


@pytest.mark.parametrize("device", ["1", "all"])
def test_gpus_at_work_are_not_taken_for_one_run(waiting, device, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "0,1")
    monkeypatch.setattr(queue_worker, "_spawn", lambda folder, device, environment: device)
    queue_turns.sign_on(waiting, device, queue_file.Worker.this_process())
    assert queue_worker.start(waiting, together=True) == []
    assert queue_worker.start(waiting) == ([] if device == "all" else ["0"])


@pytest.mark.parametrize(
    ("visible", "devices", "together"),
    [("0,1", ["0", "1"], 2), ("3", ["3"], 1), ("", ["cpu"], 1), ("GPU-1a, GPU-2b", ["GPU-1a", "GPU-2b"], 2)],
)
def test_a_worker_for_each_gpu_that_may_be_used(visible, devices, together, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert queue_worker.devices() == devices
    assert queue_worker.processes_on("all") == together
    assert queue_worker.processes_on(devices[0]) == 1


def test_a_run_sees_its_own_gpu_alone():
    assert queue_worker.seen_by("1") == {"CUDA_VISIBLE_DEVICES": "1"}
    assert queue_worker.seen_by("all") == queue_worker.seen_by("cpu") == {}


def now(folder):
    return queue_file.read(folder).entries[0]


def test_a_run_that_dies_by_itself_is_begun_three_times_and_called_failed(waiting):
    begun = []

    def begin(*given):
        begun.append(dies(*given))
        return begun[-1]

    Shift(waiting, "cpu", lambda event: None, start=begin, tick=0.01)._train(now(waiting))
    assert now(waiting).state == "failed" and len(begun) == queue_worker.MOST_DEATHS


def test_a_run_that_was_killed_with_its_worker_is_never_called_failed(waiting):
    """A runtime that vanishes again and again, each time before the run has got any further."""

    def vanish(*given):
        job = dies(*given)
        queue_turns.update(waiting, now(waiting).number, job=queue.inside(job.folder, waiting))
        raise Gone

    for _ in range(2 * queue_worker.MOST_DEATHS):
        with pytest.raises(Gone):
            Shift(waiting, "cpu", lambda event: None, start=vanish, tick=0.01)._train(now(waiting))
    Shift(waiting, "cpu", lambda event: None, start=look_around, tick=0.01)._train(now(waiting))
    assert now(waiting).state == "done"
