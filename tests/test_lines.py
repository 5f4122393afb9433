"""A file of lines on a disk that does not take them for a while."""

from pathlib import Path

import pytest

from lora_nb.lines import Lines

FULL = Path("/dev/full")
needs_a_full_disk = pytest.mark.skipif(
    not FULL.exists(), reason="this system has no device that is always full"
)


def test_lines_are_there_as_soon_as_they_are_written(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(b"before\n")
    lines = Lines(path, pytest.fail)
    lines.write("one")
    assert path.read_bytes() == b"before\none\n"
    lines.write("zwei ä")
    lines.close()
    assert path.read_text(encoding="utf-8") == "before\none\nzwei ä\n"


@needs_a_full_disk
def test_what_a_full_disk_does_not_take_is_written_later(tmp_path):
    path, told = tmp_path / "a.jsonl", []
    path.symlink_to(FULL)
    lines = Lines(path, told.append)
    lines.write("one")
    lines.write("two")
    with pytest.raises(OSError, match="No space left"):
        lines.settle()
    assert len(told) == 1 and "a.jsonl cannot be written now (No space left on device)" in told[0].text
    path.unlink()
    lines.write("three")
    lines.settle()
    assert path.read_text() == "one\ntwo\nthree\n"


@needs_a_full_disk
def test_a_line_that_was_cut_off_is_neither_there_by_half_nor_twice(tmp_path):
    path = tmp_path / "a.jsonl"
    lines = Lines(path, lambda event: None)
    lines.write("one")
    with open(path, "ab") as other:  # what a write that failed in the middle leaves
        other.write(b"tw")
    lines._leave()
    lines.write("two")
    lines.close()
    assert path.read_text() == "one\ntwo\n"


@needs_a_full_disk
def test_closing_on_a_full_disk_is_no_error(tmp_path):
    path = tmp_path / "a.jsonl"
    path.symlink_to(FULL)
    lines = Lines(path, lambda event: None)
    lines.write("one")
    lines.close()
