"""Writes to a disk that is away: waited for, told once, given up in the end."""

import errno
import os

import pytest

from lora_nb import patience
from lora_nb.patience import in_words, is_away, lasting


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(patience, "FIRST_PAUSE", 0.001)


class Disk:
    """Writes a file, after `times` failures with `number`."""

    def __init__(self, path, times, number=errno.EIO):
        self.path, self.times, self.number, self.tries = path, times, number, 0

    def __call__(self):
        self.tries += 1
        if self.tries <= self.times:
            raise OSError(self.number, os.strerror(self.number), str(self.path))
        self.path.write_text("whole")
        return "done"


def test_a_disk_that_comes_back_is_waited_for_and_told_of_once(tmp_path):
    told, disk = [], Disk(tmp_path / "cat.state", times=3)
    assert lasting(disk, tmp_path, told.append) == "done" and disk.tries == 4
    assert len(told) == 2 and "cat.state cannot be reached now (Input/output error)" in told[0].text
    assert (
        told[0].level == "warning" and "up to 2 minutes" in told[0].text and "answers again" in told[1].text
    )


def test_a_disk_that_stays_away_is_given_up(tmp_path, monkeypatch):
    monkeypatch.setattr(patience, "LONGEST", 0.05)
    told, disk = [], Disk(tmp_path / "cat.state", times=10**9, number=errno.ENOTCONN)
    with pytest.raises(OSError) as caught:
        lasting(disk, tmp_path, told.append)
    assert is_away(caught.value) and len(told) == 1 and 2 < disk.tries < 50
    said = in_words(caught.value)
    assert "cat.state cannot be reached" in said and "goes on from there" in said and "\n" not in said


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES, errno.ENOENT])
def test_what_waiting_does_not_mend_is_raised_at_once(tmp_path, number):
    disk = Disk(tmp_path / "cat.state", times=1, number=number)
    with pytest.raises(OSError):
        lasting(disk, tmp_path, pytest.fail)
    assert disk.tries == 1


def test_a_lost_folder_is_not_made_anew(tmp_path, monkeypatch):
    """An unmounted Drive: a folder of this machine under its name would keep it from being mounted again."""
    monkeypatch.setattr(patience, "LONGEST", 0.02)
    home = tmp_path / "drive" / "cat"

    def write():
        home.mkdir(parents=True)

    with pytest.raises(OSError, match="not there any more"):
        lasting(write, home, lambda event: None)
    assert not list(tmp_path.iterdir())
