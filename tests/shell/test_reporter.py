"""Events as a terminal and a job see them."""

import errno
import io
import os
from pathlib import Path

import pytest

from lora_nb.events import Drawn, EpochLog, Finished, Notice, Progress, Saved, StepLog
from lora_nb.shell import jobs
from lora_nb.shell.reporter import Reporter, in_minutes
from test_main import TOKEN


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Away(io.StringIO):
    """An output on a Drive that does not answer, or another fault of a write."""

    def __init__(self, number: int):
        super().__init__()
        self.number = number

    def write(self, text: str) -> int:
        raise OSError(self.number, os.strerror(self.number))


class TestReporter:
    def test_a_drive_that_is_away_ends_no_work_and_the_events_are_kept(self, tmp_path: Path):
        with Reporter(Away(errno.EIO), tmp_path) as reporter:
            reporter.tell(Notice("one"))
            reporter.tell(Finished("done", "two"))
        assert (tmp_path / jobs.EVENTS).read_text().count("\n") == 2
        with Reporter(Away(errno.ENOSPC)) as reporter, pytest.raises(OSError):
            reporter.tell(Notice("one"))

    def test_events_wait_for_a_place_and_are_written_at_the_end(self, tmp_path: Path):
        job = tmp_path / "job"
        with Reporter(io.StringIO(), job) as reporter:
            reporter.log._leave()
            reporter.log.path = (
                tmp_path / "lost" / jobs.EVENTS
            )  # its folder is not there: nothing can be written
            with pytest.raises(OSError):
                reporter.tell(Notice("one"))
            (tmp_path / "lost").mkdir()
        assert "one" in (tmp_path / "lost" / jobs.EVENTS).read_text()

    def test_a_file_sees_a_line_now_and_then_and_the_last(self):
        stream = io.StringIO()
        with Reporter(stream) as reporter:
            for done in range(1, 101):
                reporter.tell(Progress("Tagging", done, 100))
        assert stream.getvalue() == "Tagging: 1 of 100\nTagging: 100 of 100\n"

    def test_a_terminal_sees_one_line_that_moves(self):
        stream = Terminal()
        with Reporter(stream) as reporter:
            reporter.tell(Progress("Tagging", 1, 10))
            reporter.tell(Progress("Tagging", 10, 10))
            reporter.tell(Finished("done", "Done.", ("a.png",)))
        assert stream.getvalue() == "\rTagging: 1 of 10\rTagging: 10 of 10\nDone.\n  a.png\n"

    def test_another_stage_is_said_at_once(self):
        stream = io.StringIO()
        with Reporter(stream) as reporter:
            for stage in ("Loading the libraries", "Loading the base"):
                reporter.tell(Progress(stage, 0, 1))
            for done in (1, 2, 7):
                reporter.tell(Progress("Downloading a/b", done * 500_000_000, 3_500_000_000, "B"))
        assert stream.getvalue().splitlines() == [
            "Loading the libraries ...",
            "Loading the base ...",
            "Downloading a/b: 0.5 of 3.5 GB",
            "Downloading a/b: 3.5 of 3.5 GB",
        ]

    def test_every_event_reaches_the_job(self, tmp_path: Path):
        told = [Notice("x", "warning"), StepLog(1, 9, 1, 0.1, 0.1, 0, 0, 1, 8), StepLog(9, 9, 1, 0.1, 0.1, 0, 0, 1, 0, 0.3, 0.25), EpochLog(1, 9, 0.1), EpochLog(1, 9, 0.1, 0.2), Saved("a", 1, 9), Drawn(("b",), 1, 9)]  # fmt: skip
        stream = io.StringIO()
        with Reporter(stream, tmp_path / "job") as reporter:
            for event in told:
                reporter.tell(event)
        assert jobs.events(jobs.Job(tmp_path / "job", "train", 1, 0.0))[0] == told
        assert stream.getvalue().splitlines() == [
            "Warning: x",
            "Step 1/9, epoch 1: loss 0.1000, 1.00 steps/s, 0:08 to go",
            "Step 9/9, epoch 1: loss 0.1000 (plain error 0.2500), 1.00 steps/s, 0:00 to go",
            "Epoch 1 ends at step 9: mean loss 0.1000",
            "Epoch 1 ends at step 9: mean loss 0.1000 (plain error 0.2000)",
            "Saved a",
            "Drew b",
        ]

    def test_a_token_reaches_neither_the_screen_nor_the_job(self, tmp_path: Path):
        stream = io.StringIO()
        with Reporter(stream, tmp_path) as reporter:
            reporter.tell(Notice(f'cannot get "https://x/y?token={TOKEN}&a=1"'))
            reporter.tell(Finished("done", f"from https://me:{TOKEN}@x/y"))
        assert TOKEN not in stream.getvalue() + (tmp_path / jobs.EVENTS).read_text()
        told = jobs.events(jobs.Job(tmp_path, "train", 1, 0.0))[0]
        assert told[0].text == 'cannot get "https://x/y?token=***&a=1"'

    def test_a_file_whose_name_is_no_utf8_is_told(self, tmp_path: Path):
        stream = io.TextIOWrapper(io.BytesIO(), "utf-8", errors="replace")
        name = os.fsdecode(b"caf\xe9.png")
        with Reporter(stream, tmp_path) as reporter:
            reporter.tell(Notice(f"Skipped: {name}"))
        assert jobs.events(jobs.Job(tmp_path, "import", 1, 0.0))[0] == [Notice("Skipped: caf?.png")]

    def test_the_pictures_of_a_grid_are_not_named_one_by_one(self):
        stream = io.StringIO()
        with Reporter(stream) as reporter:
            reporter.tell(Drawn(("grid/01_1.png",), 0, 0, "cell"))
            reporter.tell(Drawn(("grid.png",), 0, 0, "grid"))
        assert stream.getvalue() == "Drew grid.png\n"

    def test_of_several_processes_one_speaks(self, tmp_path: Path):
        stream = io.StringIO()
        with Reporter(stream, tmp_path / "job", quiet=True) as reporter:
            reporter.tell(Notice("x"))
        assert stream.getvalue() == "" and not (tmp_path / "job").exists()

    @pytest.mark.parametrize(("seconds", "words"), [(0, "0:00"), (65.4, "1:05"), (3723, "1:02:03"), (float("inf"), "?"), (float("nan"), "?")])  # fmt: skip
    def test_minutes(self, seconds, words):
        assert in_minutes(seconds) == words
