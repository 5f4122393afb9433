"""Twenty runs of different settings in a queue, of which everything is killed at five random moments.

python checks/queue_of_twenty.py FOLDER [--cold] [seed ...]     (some minutes for each seed of the kills)

The runs trained alone are kept in FOLDER for the next time. With --cold every process is begun as the notebooks do it;
else they are forks of this one, which has everything imported. Each time the queue is set to work again by two
processes at once, as two kernels would. Two more times the worker alone is killed, and two more the training alone.
In the end every file must be byte for byte what the same run leaves that was trained alone, and none may have been
trained twice. The exit code says whether that is so.
"""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil

HOME = Path(__file__).parents[1]
sys.path[:0] = [str(HOME), str(HOME / "tests"), str(HOME / "checks")]
os.environ.update({"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"})

import forked  # noqa: E402
from left_of_runs import faults_of, starts, steps_of  # noqa: E402

from conftest import build_tiny_base, draw_pictures  # noqa: E402
from lora_nb import settings  # noqa: E402
from lora_nb.config.training import TrainConfig  # noqa: E402
from lora_nb.shell import jobs, queue, queue_file, queue_turns, queue_worker  # noqa: E402

RUNS = 20
KILLS = ["everything"] * 5 + ["the worker"] * 2 + ["the training"] * 2
LONGEST = 20.0  # seconds after so many runs are done, or after the kill before
PATIENCE = 1800.0
MARK = "LORA_NB_CHECK"
SAME = {
    "num_repeats": 4, "max_train_epochs": 2, "train_batch_size": 1, "alpha": 2.0, "resolution": 64,
    "save_precision": "fp32",
    "source_date_epoch": 1_700_000_000, "save_state_every_n_steps": 5, "sample_every_n_epochs": 2,
    "sample_prompts": ("ohwx --s 2",), "grid": False, "trigger_word": "ohwx",
}  # fmt: skip
OTHER = {
    "optimizer": ("AdamW", "Prodigy", "Lion", "AdamWScheduleFree", "Adafactor"),
    "network_type": ("lora", "loha", "lokr"),
    "rank": (2, 4, 6),
    "gradient_accumulation_steps": (1, 2),
    "flip_aug": (False, True),
    "dropout": (0.0, 0.1),
    "text_encoder_lr": (0.0, 1e-4),
    "ema_decay": (0.0, 0.9),
    "noise_offset": (0.0, 0.1),
    "cache_latents_to_disk": (False, True),
}


def main(folder: Path, cold: bool, seeds: Sequence[int]) -> int:
    """Carry it out in `folder`; 0 where everything is as it should be."""
    forked.load()
    chance = random.Random(20)
    other = [_sensible({name: chance.choice(values) for name, values in OTHER.items()}) for _ in range(RUNS)]
    train_alone(folder, other)
    wrong = 0
    for seed in seeds:
        root = folder / f"{'cold' if cold else 'warm'}-{seed}" / "Loras"
        if root.is_dir():
            raise SystemExit(f"{root} is there already")
        shutil.copytree(folder / "pictures", root / "cat" / "dataset")
        for number, each in enumerate(other):
            where, _ = queue.add(_config(folder, root / "cat", number, each))
        print(f"seed {seed}, {'processes begun cold' if cold else 'forks'}", flush=True)
        begun = time.monotonic()
        killed = work_and_kill(where, random.Random(seed), cold)
        print(f"through after {time.monotonic() - begun:.0f} s")
        wrong += report(where, folder / "alone", other, killed)
    return wrong


def _sensible(values: dict[str, Any]) -> dict[str, Any]:
    """The settings with none that would be refused beside the others."""
    free = values["optimizer"] == "AdamWScheduleFree"
    rate = 1.0 if values["optimizer"] == "Prodigy" else 1e-3
    text = rate if values["text_encoder_lr"] else 0.0
    values = {**values, "learning_rate": rate, "text_encoder_lr": text}
    return {
        **values,
        "lr_scheduler": "constant" if free else "cosine",
        "ema_decay": 0.0 if free else values["ema_decay"],
        "dropout": values["dropout"] if values["network_type"] == "lora" else 0.0,
    }


def _config(folder: Path, project: Path, number: int, other: dict[str, Any]) -> TrainConfig:
    places = {
        "pretrained_model_name_or_path": str(folder / "base"),
        "train_data_dir": str(project / "dataset"),
        "output_dir": str(project / "output"),
        "output_name": f"r{number:02d}",
        "seed": 100 + number,
    }
    return settings.make(TrainConfig, **{**SAME, **places, **other})


def train_alone(folder: Path, other: Sequence[dict[str, Any]]) -> None:
    """Train each in a process of its own, which nobody disturbs, unless that was done before."""
    if (folder / "alone" / "done").is_file():
        return
    folder.mkdir(parents=True, exist_ok=True)
    build_tiny_base(folder / "base")
    draw_pictures(folder / "pictures", 4)
    shutil.copytree(folder / "pictures", folder / "alone" / "dataset")
    begun = time.monotonic()
    for number, each in enumerate(other):
        job = forked.begin(_config(folder, folder / "alone", number, each), folder / "alone" / "jobs")
        while jobs.is_running(job):
            time.sleep(0.05)
        if jobs.finished(job) is None:
            raise SystemExit(f"run {number} cannot be trained alone: {jobs.last_error(job)}")
    (folder / "alone" / "done").write_text("")
    print(f"{RUNS} runs trained alone in {time.monotonic() - begun:.0f} s", flush=True)


def two_kernels(where: Path, cold: bool) -> None:
    """Two processes set the queue to work at the same moment."""
    if cold:
        line = [sys.executable, "-m", "lora_nb", "queue", "start", "--root", str(where.parent)]
        env = {**os.environ, "PYTHONPATH": str(HOME)}
        for _ in range(2):
            subprocess.Popen(line, env=env, stdout=subprocess.DEVNULL)
        return
    for _ in range(2):
        forked.fork(where / "worker-cpu.log", lambda: _work(where))


def _work(where: Path) -> int:
    """What `queue work` does, with trainings that are forks."""
    shift = queue_worker.Shift(where, "cpu", lambda event: print(getattr(event, "text", ""), flush=True))
    shift.start, shift.tick = forked.start, 0.1
    if queue_turns.sign_on(where, shift.device, shift.me):
        shift.work()
    return 0


def work_and_kill(where: Path, chance: random.Random, cold: bool) -> list[tuple[str, float, str]]:
    """Let the queue work until nothing waits, and kill meanwhile; what was killed, when, and what ran then."""
    kills, killed, begun = chance.sample(KILLS, len(KILLS)), [], time.monotonic()
    after = sorted(chance.randrange(RUNS - 1) for _ in kills)
    two_kernels(where, cold)
    due = 0.0
    while not _is_through(where):
        now = time.monotonic()
        if now - begun > PATIENCE:
            raise SystemExit(f"not through after {PATIENCE:.0f} s: {queue_file.read(where)}")
        if kills and not due and _done(where) >= after[len(killed)]:
            due = now + chance.random() * LONGEST
        if kills and due and now >= due:
            found = _kill(where, kills[0])
            if found or kills[0] == "everything":
                killed.append((kills.pop(0), now - begun, found))
                if killed[-1][0] != "the training":
                    two_kernels(where, cold)
                due = 0.0
        time.sleep(0.05)
    return killed


def _done(where: Path) -> int:
    return sum(each.state == "done" for each in queue_file.read(where).listed)


def _is_through(where: Path) -> bool:
    found = queue_file.read(where)
    return not any(each.state in ("waiting", "running") for each in found.listed) and not found.workers


def _kill(where: Path, what: str) -> str:
    """Kill -9; what was at work then, or "" where there was nothing to kill."""
    found = queue_file.read(where)
    running = next((each for each in found.listed if each.state == "running"), None)
    job = queue.job_of(where, running) if running else None
    if what == "everything":
        for process in _ours():
            process.kill()
    elif what == "the worker":
        workers = [each.pid for each in found.workers.values() if each.works()]
        if not workers:
            return ""
        os.kill(workers[0], signal.SIGKILL)
    elif job and jobs.is_running(job):
        os.kill(job.pid, signal.SIGKILL)
    else:
        return ""
    told = steps_of(job.folder) if job else ()
    return f"{running.name if running else '-'}, step {told[-1] if told else 0}"


def _ours() -> list[psutil.Process]:
    """All processes of this check but this one."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and process.environ().get(MARK) == os.environ[MARK]:
                found.append(process)
    return found


def report(
    where: Path, alone: Path, other: Sequence[dict[str, Any]], killed: Sequence[tuple[str, float, str]]
) -> int:
    """Print what came of it; 0 where all is well."""
    for what, at, running in killed:
        print(f"  after {at:5.1f} s: kill -9 of {what} ({running})")
    base, bad, states = where.parent / "cat", 0, queue_file.read(where).listed
    print(f"{'run':4} {'queue':9} {'starts':6} {'steps of each start':34} equal to the run alone")
    for entry, values in zip(states, other, strict=True):
        found = starts(base, entry.name)
        wrong = faults_of(entry.name, found, base, alone)
        wrong += [] if entry.state == "done" else [f"is {entry.state}: {entry.text}"]
        bad += bool(wrong)
        ranges = ", ".join(f"{each.steps[0]}-{each.steps[-1]}" if each.steps else "none" for each in found)
        what = f"{values['optimizer']}, {values['network_type']}, rank {values['rank']}"
        said = f"NO: {'; '.join(wrong)}" if wrong else "yes"
        print(f"{entry.name:4} {entry.state:9} {len(found):6} {ranges:34} {said:4} ({what})")
    left = [str(path.relative_to(base)) for path in base.rglob("*.tmp")]
    print(f"half-written files left: {', '.join(left) or 'none'}")
    late = len(killed) < len(KILLS)
    print(f"{RUNS - bad} of {RUNS} right, {len(killed)} kills{', TOO FEW' if late else ''}")
    return 1 if bad or late or left else 0


if __name__ == "__main__":
    if MARK not in os.environ:  # in the environment of every fork, by which they are found
        os.environ[MARK] = str(time.time_ns())
        os.execv(sys.executable, [sys.executable, *sys.argv])
    given = [each for each in sys.argv[2:] if each != "--cold"]
    sys.exit(main(Path(sys.argv[1]).absolute(), "--cold" in sys.argv, [int(each) for each in given] or [1]))
