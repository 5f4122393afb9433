"""The queue of runs: what is done to it, and what becomes of its runs when everything is killed."""

import json
import multiprocessing
import os
import random
import signal
import socket
import threading
import time
from pathlib import Path

import psutil
import pytest

from lora_nb import files, project, settings
from lora_nb.__main__ import main
from lora_nb.config.training import TrainConfig
from lora_nb.events import Finished, silent, to_line
from lora_nb.processes import creation_time
from lora_nb.shell import jobs, queue, queue_file, queue_turns
from lora_nb.shell.queue_file import Worker
from lora_nb.shell.queue_worker import Shift

SHORT = {
    "num_repeats": 1, "max_train_epochs": 2, "rank": 2, "alpha": 1.0, "sample_every_n_epochs": 0, "grid": False,
    "save_state_every_n_steps": 1, "save_precision": "fp32", "source_date_epoch": 1_700_000_000,
    "trigger_word": "ohwx",
}  # fmt: skip


@pytest.fixture
def make_run(dataset, make_pictures, tiny_base):
    """`make_run(**settings)`: a short run on two pictures."""
    make_pictures(dataset, 2)
    given = {**SHORT, "train_data_dir": str(dataset), "pretrained_model_name_or_path": str(tiny_base)}
    return lambda **more: settings.make(TrainConfig, **{**given, **more})


def states(folder: Path) -> list[str]:
    return [each.state for each in queue_file.read(folder).listed]


def names(folder: Path) -> list[str]:
    return [each.name for each in queue_file.read(folder).listed]


def test_a_run_waits_with_its_settings_beside_the_projects(make_run, dataset):
    folder, entry = queue.add(make_run(rank=3))
    assert folder == dataset.parents[1] / ".queue"
    assert (entry.number, entry.name, entry.state, entry.output) == (1, "cat", "waiting", "cat/output")
    kept = queue.config_of(folder, queue_file.read(folder).entry(1))
    assert (kept.network.rank, kept.place.train_data_dir) == (3, str(dataset))
    moved = folder.parent.rename(folder.parent.with_name("Elsewhere")) / ".queue"
    assert queue.config_of(moved, entry).place.train_data_dir == str(moved.parent / "cat" / "dataset")
    assert project.existing(moved.parents[1]) == []


def test_every_place_a_person_may_be_in_has_the_same_queue(dataset):
    dataset.mkdir(parents=True)
    wanted = dataset.parents[1] / ".queue"
    for place in (dataset.parents[2], dataset.parents[1], dataset.parent, dataset):
        assert project.queue_in(place) == wanted
    assert project.queue_in(dataset.parents[3]) == dataset.parents[3] / ".queue"


def test_another_run_of_a_name_gets_a_free_one_and_the_same_run_is_refused(make_run):
    folder, _ = queue.add(make_run())
    with pytest.raises(ValueError, match=r"this very run is in the queue already: 1, cat \(waiting\)"):
        queue.add(make_run(save_every_n_epochs=2))
    assert queue.add(make_run(rank=4))[1].name == "cat-2"
    queue.cancel(folder, 1)
    assert queue.add(make_run(rank=5))[1].name == "cat"
    with pytest.raises(ValueError, match="run 3 of the queue has the name cat now"):
        queue.resume(folder, 1)
    assert queue.add(make_run(rank=4, output_name="dog"))[1].name == "dog"
    assert queue.add(make_run(rank=8, output_name="dog"))[1].name == "dog-2"


def test_what_cannot_be_trained_is_refused_at_once(make_run, dataset):
    with pytest.raises(ValueError, match="initial|empty|does not|not"):
        queue.add(make_run(train_data_dir=str(dataset.parent / "nowhere")))
    assert not (dataset.parents[1] / ".queue").exists()


def test_order_pause_cancel_and_again(make_run):
    for name in "abcd":
        folder, _ = queue.add(make_run(output_name=name))
    queue.move(folder, 3, "up")
    assert names(folder) == ["a", "c", "b", "d"]
    queue.move(folder, 4, "first")
    queue.move(folder, 1, "down")
    assert names(folder) == ["d", "c", "a", "b"]
    queue.pause(folder, 4)
    assert queue_turns.take(folder, "cpu", Worker.this_process()).name == "c"
    assert states(folder) == ["paused", "running", "waiting", "waiting"]
    with pytest.raises(ValueError, match="it is running"):
        queue.move(folder, 3, "up")
    with pytest.raises(ValueError, match="runs: cancel it first"):
        queue.remove(folder, 3)
    queue.cancel(folder, 1)
    with pytest.raises(ValueError, match="nothing to pause"):
        queue.pause(folder, 1)
    queue.resume(folder, 1)
    queue.resume(folder, 4)
    assert states(folder) == ["waiting", "running", "waiting", "waiting"]
    new = queue.again(folder, 4, {"rank": 8})
    assert (new.name, queue.config_of(folder, new).network.rank) == ("d-2", 8)
    queue.remove(folder, 4)
    assert "d" not in names(folder) and queue_file.settings_of(folder, 4).is_file()
    with pytest.raises(ValueError, match="number = 4 is no run of this queue; there are: 3, 1, 2, 5"):
        queue.pause(folder, 4)


def test_added_from_many_threads_at_once_none_is_lost(make_run):
    runs = [make_run(output_name=f"r{number}") for number in range(8)]
    threads = [threading.Thread(target=queue.add, args=(each,)) for each in runs]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    folder = project.queue_in(Path(runs[0].place.train_data_dir))
    assert sorted(names(folder)) == [f"r{number}" for number in range(8)]
    assert sorted(each.number for each in queue_file.read(folder).listed) == list(range(1, 9))


def test_one_worker_for_a_device_and_what_a_dead_one_had_is_next(make_run):
    folder, _ = queue.add(make_run(output_name="a"))
    queue.add(make_run(output_name="b"))
    me, process = Worker.this_process(), psutil.Process()
    other = Worker(me.host, process.ppid(), creation_time(process.ppid()), time.time())
    assert queue_turns.sign_on(folder, "0", other)
    assert not queue_turns.sign_on(folder, "0", me) and queue_turns.sign_on(folder, "1", me)
    assert queue_turns.take(folder, "0", other).name == "a"
    assert queue_turns.take(folder, "1", me).name == "b"


def test_a_worker_of_another_machine_counts_while_it_was_seen(make_run):
    folder, _ = queue.add(make_run())
    far = Worker("elsewhere", 1, 1.0, time.time())
    assert queue_turns.sign_on(folder, "cpu", far)
    assert not queue_turns.sign_on(folder, "cpu", Worker.this_process())
    silent_one = Worker("elsewhere", 1, 1.0, time.time() - queue_file.SILENT_FOR - 1)
    assert queue_turns.sign_on(folder, "cpu", far) and not silent_one.works()


@pytest.mark.parametrize("text", ["", "{", "[]", '{"version": 1}', '{"version": 9, "entries": []}'])
def test_a_queue_that_cannot_be_read_is_a_sentence_and_stays(text, make_run):
    folder, _ = queue.add(make_run())
    queue_file.file_of(folder).write_text(text)
    with pytest.raises(ValueError, match="queue"):
        queue.add(make_run(rank=9))
    assert queue_file.file_of(folder).read_text() == text


def forked(verb, config, folders, processes=1, environment=None, cwd=None):
    """What jobs.start does, in a process that has everything imported already."""
    folder = files.free_name(folders.jobs / f"{time.time_ns()}-{verb}")
    folder.mkdir(parents=True)
    settings.save(config, folder / "job.toml")
    pid = os.fork()
    if not pid:
        os.setsid()
        output = os.open(folder / jobs.OUTPUT, os.O_CREAT | os.O_WRONLY)
        os.dup2(output, 1)
        os.dup2(output, 2)
        os._exit(main([verb, str(folder / "job.toml"), "--job_dir", str(folder)]))
    job = jobs.Job(folder, verb, pid, creation_time(pid))
    files.write_text(
        folder / "job.json",
        f'{{"version": 1, "verb": "{verb}", "pid": {pid}, "started": {job.started}}}',
    )
    return job


def worker(folder: Path, device: str) -> None:
    """What a worker's process does."""
    import torch

    torch.set_num_threads(1)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    shift = Shift(folder, device, silent, start=forked, tick=0.02)
    if queue_turns.sign_on(folder, shift.device, shift.me):
        shift.work()


@pytest.fixture(scope="module")
def processes():
    """Processes that begin with everything imported."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["lora_nb.training.train", "pytorch_optimizer", "lora_nb.shell.verbs"])
    return context


def answered_late(verb, config, folders, *_):
    """A job whose events cannot be read at first: its disk answers ENXIO, as for a socket, until it has ended."""
    folder = files.free_name(folders.jobs / f"1-{verb}")
    folder.mkdir(parents=True)
    pid = os.fork()
    if not pid:
        os.chdir(folder)
        with socket.socket(socket.AF_UNIX) as blocking:
            blocking.bind(jobs.EVENTS)
        time.sleep(0.5)
        Path("whole").write_text(to_line(Finished("done", "All is well.")) + "\n")
        os.replace("whole", jobs.EVENTS)
        os._exit(0)
    return jobs.Job(folder, verb, pid, creation_time(pid))


def test_a_disk_that_is_away_while_a_run_is_followed_makes_it_no_failed_one(make_run):
    folder, _ = queue.add(make_run())
    told = []
    shift = Shift(folder, "cpu", told.append, start=answered_late, tick=0.02)
    assert queue_turns.sign_on(folder, shift.device, shift.me)
    shift.work()
    assert [(each.state, each.text) for each in queue_file.read(folder).listed] == [("done", "All is well.")]
    said = [event.text for event in told]
    assert any("No such device" in text and "5 minutes" in text for text in said) and shift.done == 1


def kill_everything(process: multiprocessing.Process, folder: Path) -> None:
    """kill -9 of the worker and of every training it began."""
    if process.is_alive():
        process.kill()
    process.join()
    for entry in queue_file.read(folder).entries:
        job = queue.job_of(folder, entry)
        if job and jobs.is_running(job):
            os.kill(job.pid, signal.SIGKILL)


def left(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*/output/*.safetensors"))}


def trained(config: TrainConfig) -> None:
    """A run that nobody kills and no queue knows of."""
    import torch

    from lora_nb.training.train import train

    torch.set_num_threads(1)
    train(config)


@pytest.mark.slow
def test_twenty_runs_and_five_kills_of_everything_end_in_twenty_right_results(make_run, processes, tmp_path):
    chance = random.Random(20)
    for number in range(20):
        folder, _ = queue.add(make_run(output_name=f"r{number:02d}", seed=number + 1))
    kills = sorted(chance.sample(range(19), 5))
    for done in kills:
        process = processes.Process(target=worker, args=(folder, "cpu"))
        process.start()
        while process.is_alive() and states(folder).count("done") < done:
            time.sleep(0.02)
        process.join(chance.random() * 1.2)
        kill_everything(process, folder)
    process = processes.Process(target=worker, args=(folder, "cpu"))
    process.start()
    process.join()
    assert states(folder) == ["done"] * 20, [each.text for each in queue_file.read(folder).listed]
    found = left(folder.parent)
    assert len(found) == 40
    for number in (0, 13):
        alone = make_run(output_name=f"r{number:02d}", seed=number + 1, output_dir=str(tmp_path / "alone"))
        process = processes.Process(target=trained, args=(alone,))
        process.start()
        process.join()
        assert process.exitcode == 0
    for path in (tmp_path / "alone").glob("*.safetensors"):
        assert path.read_bytes() == found[path.name], path.name


def begun(process: multiprocessing.Process, folder: Path, number: int, step: int) -> None:
    """Wait until a run has done so many steps."""
    log = queue.run_of(folder, queue_file.read(folder).entry(number)).metrics
    until = time.monotonic() + 200
    while not log.is_file() or log.read_text().count('"StepLog"') < step:
        assert time.monotonic() < until and process.is_alive()
        time.sleep(0.02)


def test_a_paused_run_goes_on_exactly_and_the_next_one_is_trained_meanwhile(make_run, processes, tmp_path):
    long = {"max_train_epochs": 20, "save_every_n_epochs": 20}
    folder, _ = queue.add(make_run(output_name="a", **long))
    queue.add(make_run(output_name="b", max_train_epochs=1))
    queue.add(make_run(output_name="c", max_train_epochs=1))
    queue.cancel(folder, 3)
    process = processes.Process(target=worker, args=(folder, "cpu"))
    process.start()
    begun(process, folder, 1, 3)
    queue.pause(folder, 1)
    process.join()
    assert states(folder) == ["paused", "done", "cancelled"]
    assert not list(folder.glob("../cat/output/c*"))
    queue.resume(folder, 1)
    for target, given in (
        (worker, (folder, "cpu")),
        (trained, (make_run(output_name="a", output_dir=str(tmp_path / "alone"), **long),)),
    ):
        process = processes.Process(target=target, args=given)
        process.start()
        process.join()
    assert states(folder) == ["done", "done", "cancelled"]
    name = "a-20.safetensors"
    assert left(folder.parent)[name] == (tmp_path / "alone" / name).read_bytes()


def test_a_run_that_cannot_be_trained_fails_with_its_sentence_and_the_next_is_trained(
    make_run, processes, tiny_base
):
    folder, _ = queue.add(make_run(output_name="a"))
    queue.add(make_run(output_name="b", max_train_epochs=1))
    kept = queue_file.settings_of(folder, 1)
    kept.write_text(kept.read_text().replace(str(tiny_base), str(tiny_base / "gone")))
    process = processes.Process(target=worker, args=(folder, "cpu"))
    process.start()
    process.join()
    found = queue_file.read(folder)
    assert states(folder) == ["failed", "done"] and "gone" in found.entry(1).text
    assert found.workers == {}


def test_two_workers_train_every_run_once(make_run, processes):
    for number in range(4):
        folder, _ = queue.add(make_run(output_name=f"r{number}", max_train_epochs=1))
    workers = [processes.Process(target=worker, args=(folder, device)) for device in ("0", "1", "1")]
    for each in workers:
        each.start()
    for each in workers:
        each.join()
    assert states(folder) == ["done"] * 4
    assert len(list(folder.parent.glob("cat/jobs/*-train"))) == 4


@pytest.mark.slow
def test_the_verbs_queue_a_run_and_a_worker_in_the_background_trains_it(make_run, tmp_path, capsys):
    settings.save(make_run(max_train_epochs=1), tmp_path / "run.toml")
    root = ["--root", str(tmp_path)]
    assert main(["queue", "add", str(tmp_path / "run.toml"), "--rank", "4"]) == 0
    assert main(["queue", "sweep", str(tmp_path / "run.toml"), "--seed", "5", "6"]) == 0
    assert main(["queue", "again", "1", "--rank", "8", *root]) == 0
    assert main(["queue", "move", "4", "first", *root]) == 0
    assert "4 cat-2, 1 cat, 2 cat_seed_5, 3 cat_seed_6" in capsys.readouterr().out
    for number in ("2", "3", "4"):
        assert main(["queue", "cancel", number, *root]) == 0
    assert main(["queue", "pause", *root]) == 0 and main(["queue", "resume", *root]) == 0
    folder = project.queue_in(tmp_path)
    assert main(["queue", "start", *root]) == 0
    until = time.monotonic() + 300
    while states(folder)[1] in ("waiting", "running"):
        assert time.monotonic() < until, (folder / "worker-cpu.log").read_text()
        time.sleep(0.1)
    assert states(folder) == ["cancelled", "done", "cancelled", "cancelled"], queue_file.read(folder)
    capsys.readouterr()
    assert main(["queue", "list", "--json", *root]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [(each["number"], each["state"], len(each["files"])) for each in found][1] == (1, "done", 1)
    assert (found[1]["step"], found[1]["total"]) == (1, 1)
    assert main(["queue", "work", *root]) == 0 and "Nothing waits" in capsys.readouterr().out
