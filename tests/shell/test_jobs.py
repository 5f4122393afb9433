import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from lora_nb import events
from lora_nb.config.dataset import DatasetConfig
from lora_nb.config.intake import ImportConfig
from lora_nb.config.training import TrainConfig
from lora_nb.processes import creation_time
from lora_nb.project import Folders
from lora_nb.settings import make
from lora_nb.shell import jobs, memory


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    found = Folders(tmp_path / "Loras" / "cat")
    found.create()
    return found


def wait(job: jobs.Job, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while jobs.is_running(job):
        assert time.monotonic() < until, (job.folder / jobs.OUTPUT).read_text()
        time.sleep(0.05)


def sleeper(folders: Folders) -> jobs.Job:
    """A process of this test's own, in a job's folder: for what only concerns the process."""
    folder = folders.jobs / "20260101-000000-000-train"
    folder.mkdir(parents=True)
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], start_new_session=True)
    job = jobs.Job(folder, "train", process.pid, creation_time(process.pid), process)
    (folder / "job.json").write_text(json.dumps({"verb": "train", "pid": job.pid, "started": job.started}))
    return job


def test_a_job_runs_tells_and_is_found_again_by_another_kernel(folders, make_pictures):
    source = make_pictures(folders.base.parent / "source", 3)[0].parent
    config = ImportConfig(source=str(source), train_data_dir=str(folders.dataset))
    job = jobs.start("import", config, folders)
    found = jobs.latest(folders, "import")
    assert (found, found.process) == (job, None)
    assert os.getsid(job.pid) == job.pid != os.getsid(0)
    wait(job)
    told, offset = jobs.events(found)
    assert isinstance(told[-1], events.Finished) and told[-1].status == "done"
    assert jobs.finished(found) == told[-1]
    assert jobs.events(found, offset) == ([], offset)
    assert jobs.last_error(job) == ""
    assert not jobs.is_running(found)
    assert len(list(folders.dataset.glob("*.png"))) == 3


def test_a_token_is_refused_before_anything_is_written(folders):
    source = "https://me:hf_AbCdEfGh1234567890@huggingface.co/a.zip"
    with pytest.raises(ValueError, match="HF_TOKEN"):
        jobs.start("import", ImportConfig(source=source, train_data_dir=str(folders.dataset)), folders)
    assert not [path for path in folders.base.rglob("*") if path.is_file()]
    job = jobs.Job(folders.jobs, "import", 0, 0.0)
    folders.jobs.mkdir(parents=True, exist_ok=True)
    (folders.jobs / jobs.OUTPUT).write_text(f"cannot get {source}\n")
    assert "https://***@huggingface.co/a.zip" in jobs.last_error(job)


def test_a_failure_is_one_sentence(folders):
    job = jobs.start("scan", DatasetConfig(str(folders.base / "nothing")), folders)
    wait(job)
    error = jobs.last_error(job)
    assert "nothing" in error and "\n" not in error and "Traceback" not in error


def test_a_job_that_died_without_a_word_says_its_last_line(folders, make_pictures):
    make_pictures(folders.dataset, 2)
    job = jobs.start("scan", DatasetConfig(str(folders.dataset)), folders)
    os.kill(job.pid, signal.SIGKILL)
    wait(job)
    for path in (job.folder / jobs.EVENTS, job.folder / jobs.ERROR):
        path.unlink(missing_ok=True)
    (job.folder / memory.RECORD).unlink(missing_ok=True)
    assert jobs.last_error(job).startswith("scan was ended from outside (SIGKILL")
    assert jobs.last_error(jobs.latest(folders, "scan")).startswith("scan ended without finishing: ")


GB = 10**9
KILLS = memory.measure().oom_kills  # of this machine so far
PLENTY, SCARCE = memory.Memory(13 * GB, 9 * GB, KILLS), memory.Memory(13 * GB, GB // 2, KILLS)


def killed(folders, number: int = signal.SIGKILL) -> jobs.Job:
    """A job that really was ended by a signal, with a last line of progress."""
    job = sleeper(folders)
    (job.folder / jobs.OUTPUT).write_text("Step 7/900, epoch 1: loss 0.1, 1.00 steps/s, 14:53 to go\n")
    os.killpg(job.pid, number)
    wait(job)
    return job


@pytest.mark.parametrize("kernel", ["the same", "another"])
def test_a_job_that_the_machine_had_no_memory_for_says_so(folders, kernel):
    job = killed(folders)
    memory.write(job.folder, SCARCE)
    said = jobs.last_error(job if kernel == "the same" else jobs.latest(folders, "train"))
    assert said.startswith(
        "The machine ran out of memory (12.5 of 13.0 GB were in use at the end) and ended train: lower"
    )
    assert "Step 7" not in said and "\n" not in said


def test_a_kernel_that_ended_a_process_meanwhile_is_believed(folders, monkeypatch, tmp_path):
    job = killed(folders)
    monkeypatch.setattr(memory, "VMSTAT", tmp_path / "vmstat")
    memory.VMSTAT.write_text(f"pgfault 5\noom_kill {KILLS}\n")
    memory.write(job.folder, PLENTY)
    assert "SIGKILL" in jobs.last_error(job)
    memory.VMSTAT.write_text(f"pgfault 7\noom_kill {KILLS + 1}\n")
    assert "ran out of memory (the system ended a process for lack of it)" in jobs.last_error(job)


def test_a_job_that_a_person_killed_is_told_apart(folders):
    job = killed(folders)
    memory.write(job.folder, PLENTY)
    assert jobs.last_error(job).startswith("train was ended from outside (SIGKILL, as by kill -9)")
    assert "ended without finishing: Step 7/900" in jobs.last_error(jobs.latest(folders, "train"))
    (job.folder / memory.RECORD).write_text('{"total": "x"}')
    assert "from outside" in jobs.last_error(job)


def test_a_job_that_could_not_write_why_it_ended_says_that_the_disk_is_full(folders, tmp_path):
    job = killed(folders)
    small = tmp_path / "small"
    small.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(small)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("this user may not mount a small file system")
    try:
        moved = shutil.copytree(job.folder, small / "job")
        there = jobs.Job(moved, job.verb, job.pid, job.started)
        (moved / jobs.OUTPUT).write_bytes(b"")
        assert "ended without finishing: it said nothing" in jobs.last_error(there)
        with pytest.raises(OSError, match="No space left"):
            (small / "filler").write_bytes(b"0" * 2_000_000)
        said = jobs.last_error(there)
        assert "is full" in said and "free some space and start it again" in said
    finally:
        subprocess.run(["umount", str(small)], check=True)


def test_a_job_whose_disk_does_not_answer_is_told_so(folders):
    job = killed(folders)
    there = Path.cwd()
    os.chdir(job.folder)  # the path of a socket is to be short
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(jobs.ERROR)  # opened as a file, it answers ENXIO
    os.chdir(there)
    said = jobs.last_error(job)
    assert (
        f"{jobs.ERROR} cannot be reached (No such device or address)" in said and "goes on from there" in said
    )


def test_a_crash_of_a_library_is_told_apart(folders):
    job = killed(folders, signal.SIGSEGV)
    memory.write(job.folder, SCARCE)
    assert jobs.last_error(job).startswith("train crashed in a library (SIGSEGV): Step 7")


def test_a_job_notes_what_memory_is_left(folders, make_pictures):
    make_pictures(folders.dataset, 2)
    job = jobs.start("scan", DatasetConfig(str(folders.dataset)), folders)
    wait(job)
    noted = memory.Memory(**json.loads((job.folder / memory.RECORD).read_text()))
    assert 0 < noted.available < noted.total <= psutil.virtual_memory().total
    assert memory.shortage(job.folder) is None or noted.is_scarce


def test_requests_are_taken_once(folders):
    job = sleeper(folders)
    assert jobs.take_requests(job.folder) == frozenset()
    jobs.request(job, "stop")
    jobs.request(job, "save")
    assert jobs.take_requests(job.folder) == {"stop", "save"}
    assert jobs.take_requests(job.folder) == frozenset()
    jobs.stop(job)
    wait(job)


def test_stop_ends_the_process_and_its_like_is_not_mistaken_for_it(folders):
    job = sleeper(folders)
    other = jobs.latest(folders, "train")
    assert jobs.is_running(job) and jobs.is_running(other)
    later = jobs.Job(job.folder, "train", os.getpid(), job.started)
    assert not jobs.is_running(later), "another process that got the same number"
    jobs.stop(other)
    wait(job)
    assert not jobs.is_running(other)
    jobs.stop(other)


def test_a_half_written_line_waits_for_its_end(folders):
    job = sleeper(folders)
    line = events.to_line(events.Notice("über Nacht")).encode()
    path = job.folder / jobs.EVENTS
    path.write_bytes(line + b"\n" + line[:9])
    told, offset = jobs.events(job)
    assert told == [events.Notice("über Nacht")]
    path.write_bytes(line + b"\n" + line + b"\n")
    assert jobs.events(job, offset)[0] == told
    jobs.stop(job)
    wait(job)


def test_a_damaged_line_does_not_end_the_following_of_a_job(folders):
    job = sleeper(folders)
    first, last = events.Notice("über Nacht"), events.Finished("done", "Done.")
    damaged = [b"{", b"7", b'{"event": "StepLog"}', b"\xff" * 9, b"\x00" * 99, b"[" * 100_000]
    lines = [events.to_line(first).encode(), *damaged, events.to_line(last).encode(), *damaged]
    (job.folder / jobs.EVENTS).write_bytes(b"\n".join(lines) + b"\n")
    told, offset = jobs.events(job)
    assert told == [first, last] and offset == (job.folder / jobs.EVENTS).stat().st_size
    assert jobs.finished(job) == last
    jobs.stop(job)
    wait(job)


@pytest.mark.parametrize(
    "record", ["[]", "7", '{"verb": "scan", "pid": [], "started": 1}', "[" * 100_000, "", "\x00"]
)
def test_a_damaged_record_is_nobodys(folders, record):
    folder = folders.jobs / "20260101-000000-000-scan"
    folder.mkdir(parents=True)
    (folder / "job.json").write_text(record)
    assert jobs.latest(folders, "scan") is None


def test_what_is_no_request_stays_and_ends_nothing(folders, monkeypatch):
    job = sleeper(folders)
    requests = job.folder / jobs.REQUESTS
    (requests / "stop").mkdir(parents=True)
    for name in ("desktop.ini", ".DS_Store", "save (1)"):
        (requests / name).write_text("x")
    jobs.request(job, "save")
    before = sorted(path.name for path in requests.iterdir())
    assert jobs.take_requests(job.folder) == {"save"}
    assert sorted(path.name for path in requests.iterdir()) == [name for name in before if name != "save"]
    shutil.rmtree(requests)
    requests.write_text("a file in the folder's place")
    assert jobs.take_requests(job.folder) == frozenset()
    jobs.stop(job)
    wait(job)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such folder rights")
def test_a_request_that_cannot_be_removed_is_left_alone(folders):
    job = sleeper(folders)
    jobs.request(job, "save")
    code = (
        "import os, sys; from pathlib import Path; from lora_nb.shell import jobs; os.chdir(sys.argv[1]); "
        "os.getuid() or os.setuid(65534); print(sorted(jobs.take_requests(Path())))"
    )
    (job.folder / jobs.REQUESTS).chmod(0o555)
    said = subprocess.run(
        [sys.executable, "-c", code, str(job.folder)], capture_output=True, text=True, check=False
    )
    assert (said.stdout, said.stderr) == ("[]\n", ""), (
        "asked again at every step, it would save at every step"
    )
    jobs.stop(job)
    wait(job)


def test_latest_is_the_newest_of_its_verb(folders, make_pictures):
    make_pictures(folders.dataset, 1)
    assert jobs.latest(folders, "scan") is None
    started = [jobs.start("scan", DatasetConfig(str(folders.dataset)), folders) for _ in range(2)]
    for job in started:
        wait(job)
    assert jobs.latest(folders, "scan") == started[-1]
    assert jobs.latest(folders, "tag") is None
    (folders.jobs / "29990101-000000-000-scan").mkdir()
    assert jobs.latest(folders, "scan") == started[-1], "a folder without a record is nobody's"


def test_several_gpus_are_accelerates_business():
    assert jobs._launcher(1)[1:] == ["-m", "lora_nb"]
    line = jobs._launcher(2)
    assert line[1:5] == ["-m", "accelerate.commands.launch", "--num_processes", "2"]
    assert line[-2:] == ["-m", "lora_nb"]


@pytest.mark.slow
def test_a_training_is_stopped_by_request_and_goes_on(folders, tiny_base, make_pictures):
    make_pictures(folders.dataset, 4)
    config = make(TrainConfig,
        pretrained_model_name_or_path=str(tiny_base), train_data_dir=str(folders.dataset), max_train_steps=400,
        num_repeats=50, train_batch_size=1, sample_every_n_epochs=0, grid=False, rank=2,
    )  # fmt: skip
    job = jobs.start("train", config, folders)
    while not any(isinstance(event, events.StepLog) for event in jobs.events(job)[0]):
        assert jobs.is_running(job), jobs.last_error(job)
        time.sleep(0.05)
    jobs.request(job, "stop")
    asked = time.monotonic()
    while jobs.finished(job) is None:
        assert time.monotonic() - asked < 2
        time.sleep(0.05)
    assert jobs.finished(job).status == "stopped"
    wait(job)
    again = jobs.start("train", config, folders)
    told: list = []
    while not any("Going on" in getattr(event, "text", "") for event in told):
        assert jobs.is_running(again), jobs.last_error(again)
        told = jobs.events(again)[0]
        time.sleep(0.05)
    jobs.request(again, "stop")
    wait(again)
