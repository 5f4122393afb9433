"""One child process per piece of heavy work: start it, follow it, ask it to stop.

A job is a folder `jobs/<stamp>-<verb>/` that outlives the notebook's kernel: job.toml (what to do),
job.json (who does it), memory.json (what was left of it), output.log, events.jsonl, error.txt (the one sentence of a
failure) and requests/.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lora_nb import events as ev
from lora_nb import files, settings
from lora_nb.patience import in_words, is_away
from lora_nb.processes import creation_time, is_alive
from lora_nb.project import Before, Folders
from lora_nb.redact import redact
from lora_nb.shell import memory

EVENTS, ERROR, OUTPUT, REQUESTS = "events.jsonl", "error.txt", "output.log", "requests"
KILLED = -9
NO_ROOM = 1 << 16  # bytes: a file or two
FROM_OUTSIDE = ("SIGKILL", "SIGTERM", "SIGHUP", "SIGINT")
REQUESTABLE = ("stop", "save", "sample")


@dataclass(frozen=True)
class Job:
    """One started child process. `started` is its creation time, which tells it from a later one with its number."""

    folder: Path
    verb: str
    pid: int
    started: float
    process: subprocess.Popen | None = field(default=None, compare=False, repr=False)


def start(
    verb: str,
    config: Any,
    folders: Folders,
    processes: int = 1,
    environment: Mapping[str, str] | None = None,
    cwd: Path | None = None,
) -> Job:
    """The job that runs `verb` with `config`, begun in its own session so that it outlives the kernel.

    Relative paths in its settings lead from `cwd`, the current folder where none is given.
    """
    folder = _new_folder(folders.jobs, verb)
    settings.save(config, folder / "job.toml")
    with open(folder / OUTPUT, "wb") as output:
        process = subprocess.Popen(
            [*_launcher(processes), verb, str(folder / "job.toml"), "--job_dir", str(folder)],
            stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT,
            env=child_environment(environment or {}), cwd=cwd, start_new_session=True,
        )  # fmt: skip
    return noted(Job(folder, verb, process.pid, creation_time(process.pid), process))


def noted(job: Job) -> Job:
    """The job, with a note in its folder by which other processes know it."""
    note = {"version": 1, "verb": job.verb, "pid": job.pid, "started": job.started}
    files.write_text(job.folder / "job.json", json.dumps(note))
    return job


def _new_folder(jobs: Path, verb: str) -> Path:
    stamp = time.strftime("%Y%m%d-%H%M%S") + f"-{time.time_ns() // 1_000_000 % 1000:03d}"
    folder = files.free_name(jobs / f"{stamp}-{verb}")
    folder.mkdir(parents=True)
    return folder


def _launcher(processes: int) -> list[str]:
    if processes == 1:
        return [sys.executable, "-m", "lora_nb"]
    accelerate = [sys.executable, "-m", "accelerate.commands.launch", "--num_processes", str(processes)]
    return [*accelerate, "-m", "lora_nb"]


def child_environment(extra: Mapping[str, str]) -> dict[str, str]:
    """The kernel's environment, with this very package on the path even where it is not installed."""
    home = Path(__file__).resolve().parents[2]
    found = [str(home)] if not {"site-packages", "dist-packages"} & set(home.parts) else []
    path = os.pathsep.join([*found, *filter(None, [os.environ.get("PYTHONPATH")])])
    own = {"PYTHONUNBUFFERED": "1", "PYTHONIOENCODING": "utf-8"} | ({"PYTHONPATH": path} if path else {})
    return {**os.environ, **own, **extra}


def gpu_count() -> int:
    """How many NVIDIA GPUs this machine shows, asked of nvidia-smi."""
    if not shutil.which("nvidia-smi"):
        return 0
    listed = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, check=False)
    return sum(line.startswith("GPU ") for line in listed.stdout.splitlines())


def latest(folders: Folders, verb: str) -> Job | None:
    """The newest job of `verb`, running or not, as another kernel, or an older version, may have started it."""
    found = [folder for place in _places(folders) for folder in place.glob(f"*-{verb}*")]
    for folder in sorted(found, key=lambda folder: folder.name, reverse=True):
        if (job := at(folder)) and job.verb == verb:
            return job
    return None


def at(folder: Path) -> Job | None:
    """The job of a folder; None where it never came to one."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        record = files.from_json((folder / "job.json").read_bytes())
        return Job(folder, str(record["verb"]), int(record["pid"]), float(record["started"]))
    return None


def _places(folders: Folders) -> tuple[Path, Path]:
    return folders.jobs, Before(folders.base).jobs


def is_of(job: Job, folders: Folders) -> bool:
    """Whether this is a job of that project."""
    return job.folder.parent in _places(folders)


def is_running(job: Job) -> bool:
    """Whether the process of this job still works."""
    if job.process is not None:
        return job.process.poll() is None
    return is_alive(job.pid, job.started)


def events(job: Job, offset: int = 0) -> tuple[list[ev.Event], int]:
    """The events written since `offset` bytes, and the offset to ask with next time."""
    try:
        with open(job.folder / EVENTS, "rb") as file:
            file.seek(offset)
            fresh = file.read()
    except FileNotFoundError:
        return [], offset
    whole = fresh[: fresh.rfind(b"\n") + 1]
    return ev.read_lines(whole), offset + len(whole)


def finished(job: Job) -> ev.Finished | None:
    """What the job said at its end, or None when it has not ended or ended without a word."""
    found, _ = events(job)
    return next((event for event in reversed(found) if isinstance(event, ev.Finished)), None)


def request(job: Job, name: str) -> None:
    """Ask a training for "stop", "save" or "sample"; it answers after the step it is at."""
    files.write_text(job.folder / REQUESTS / name, "")


def take_requests(job_dir: Path) -> frozenset[str]:
    """What was asked since the last call, each once; anything else that lies there is left alone."""
    taken = set()
    for name in REQUESTABLE:
        with suppress(
            OSError
        ):  # mostly: it is not there; a folder, or one that cannot be taken away, is no request
            (Path(job_dir) / REQUESTS / name).unlink()
            taken.add(name)
    return frozenset(taken)


def stop(job: Job) -> None:
    """End a job that holds no state of its own (everything but a training), its own children included."""
    import psutil  # a notebook's first cell is not to wait for it

    if not is_running(job):
        return
    with suppress(ProcessLookupError, psutil.NoSuchProcess):
        if os.name == "posix":
            os.killpg(job.pid, signal.SIGTERM)
        else:
            psutil.Process(job.pid).terminate()


def last_error(job: Job) -> str:
    """The one sentence of what went wrong, or "" when nothing did (or the job still runs)."""
    if is_running(job):
        return ""
    try:
        return _last_sentence(job)
    except OSError as error:
        if not is_away(error):
            raise
        return in_words(error)


def _last_sentence(job: Job) -> str:
    with suppress(FileNotFoundError):
        return (job.folder / ERROR).read_text(encoding="utf-8", errors="replace").strip()
    if finished(job) is not None:
        return ""
    return f"{_manner_of_death(job)} (all of it: {job.folder / OUTPUT})"


def _manner_of_death(job: Job) -> str:
    """Why a job ended without a word; a job that another kernel started has left no code."""
    code = job.process.poll() if job.process is not None else None
    short = memory.shortage(job.folder)
    if short and (code is None or code == KILLED or code > 0):
        return (
            f"The machine ran out of memory ({short.in_words}) and ended {job.verb}: lower the batch size or the "
            "resolution, close other notebooks, or take a runtime with more RAM; what was saved before is whole"
            f"{', and starting it again goes on from there' if job.verb == 'train' else ''}"
        )
    if (code is None or code >= 0) and _is_full(job.folder):
        return (
            f"The disk of {job.folder} is full, so that {job.verb} could not even write why it ended: free some space "
            "and start it again; what was saved before is whole"
        )
    if code is None or code >= 0:
        return f"{job.verb} ended without finishing: {_last_words(job)}"
    name = next((each.name for each in signal.Signals if each == -code), f"signal {-code}")
    if name in FROM_OUTSIDE:
        return (
            f"{job.verb} was ended from outside ({name}, as by kill {code}); what was saved before is whole"
        )
    return f"{job.verb} crashed in a library ({name}): {_last_words(job)}"


def _is_full(folder: Path) -> bool:
    try:
        return shutil.disk_usage(folder).free < NO_ROOM
    except OSError:
        return False


def _last_words(job: Job) -> str:
    try:
        lines = (job.folder / OUTPUT).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        lines = []
    said = [line.strip() for line in lines if line.strip()]
    return redact(said[-1][:300]) if said else "it said nothing"
