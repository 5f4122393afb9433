"""A run's folder is held by one training, gone with it, and no hindrance where files cannot be locked."""

import errno
import fcntl
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lora_nb.runs import RunFolder
from lora_nb.training import claim, holder

HOLD = """
import sys, time
from pathlib import Path
from lora_nb.events import silent
from lora_nb.runs import RunFolder
from lora_nb.training.claim import claimed
with claimed(RunFolder(Path(sys.argv[1])), silent):
    print("held", flush=True)
    if sys.argv[2:]:
        import os
        if os.fork() == 0:  # as a data loader, which sees later that it is alone
            time.sleep(float(sys.argv[2]))
            os._exit(0)
    print("on", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def run(tmp_path) -> RunFolder:
    return RunFolder(tmp_path / "runs" / "cat")


def hold(run: RunFolder, *more: str) -> subprocess.Popen:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    line = [sys.executable, "-c", HOLD, str(run.base), *more]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, env=environment)
    assert [process.stdout.readline() for _ in range(2)] == ["held\n", "on\n"]
    return process


def test_the_second_says_who_has_it_and_touches_nothing(run):
    process = hold(run)
    try:
        before = {path: path.read_bytes() for path in run.base.iterdir()}
        with (
            pytest.raises(
                ValueError, match=rf'"cat" is at work already \(process {process.pid} on .*, since 2'
            ) as said,
            claim.claimed(run, print),
        ):
            pass
        assert "\n" not in str(said.value) and "another output_name" in str(said.value)
        assert {path: path.read_bytes() for path in run.base.iterdir()} == before
    finally:
        process.kill()
        process.wait()


def test_a_killed_one_is_no_hindrance(run):
    process = hold(run)
    process.kill()
    process.wait()
    begun = time.monotonic()
    with claim.claimed(run, print):
        assert holder.noted(run).pid == os.getpid()
    assert time.monotonic() - begun < 1
    assert holder.noted(run) is None and run.contents() == []


def test_what_a_killed_one_forked_is_waited_for(run):
    process = hold(run, "1.5")
    process.kill()
    process.wait()
    with claim.claimed(run, print):
        pass


def test_it_is_held_against_the_same_process_too(run):
    with (
        claim.claimed(run, print),
        pytest.raises(ValueError, match="at work already"),
        claim.claimed(run, print),
    ):
        pass
    with claim.claimed(run, print):
        pass


def test_on_a_disk_that_was_mounted_anew_whose_locks_are_new_the_one_at_work_is_known(run):
    process = hold(run)
    try:
        run.lock.unlink()  # the same path is another file now, which nobody has locked
        with pytest.raises(ValueError, match="at work already"), claim.claimed(run, print):
            pass
        assert holder.noted(run).pid == process.pid
    finally:
        process.kill()
        process.wait()
    with claim.claimed(run, print):
        pass


@pytest.mark.parametrize("number", [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP])
def test_without_locks_one_warning_is_said_and_the_work_goes_on(run, monkeypatch, number):
    def unable(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", unable)
    told = []
    with claim.claimed(run, told.append):
        assert [event.level for event in told] == ["warning"]
        assert re.search("cannot be locked", told[0].text)
        with pytest.raises(ValueError, match="at work already"), claim.claimed(run, told.append):
            pass
    with claim.claimed(run, told.append):
        pass


def test_another_fault_of_the_disk_is_told_as_it_is(run, monkeypatch):
    def broken(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(OSError, match="Input/output"), claim.claimed(run, print):
        pass


@pytest.mark.parametrize(
    "note", ["", "{", "[]", '{"host": 1}', json.dumps({"host": "x", "pid": "1", "started": 1.0, "since": ""})]
)
def test_a_damaged_note_is_no_hindrance(run, note):
    run.base.mkdir(parents=True)
    run.holder.write_text(note)
    with claim.claimed(run, print), pytest.raises(ValueError, match="process"), claim.claimed(run, print):
        pass
