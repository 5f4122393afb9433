import time
from pathlib import Path

import pytest

from lora_nb.shell import memory


def test_the_limit_of_a_container_is_its_memory(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    whole = memory.measure()
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.measure().total == whole.total
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.stat").write_text("anon 990000\nfile 9000000\n")
    found = memory.measure()
    assert (found.total, found.available, found.is_scarce) == (1_000_000, 10_000, True)


def test_the_older_kind_of_container(monkeypatch, tmp_path: Path):
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    (tmp_path / "memory").mkdir()
    (tmp_path / "memory" / "memory.limit_in_bytes").write_text("2000000\n")
    (tmp_path / "memory" / "memory.stat").write_text("cache 5\ntotal_rss 1000000\n")
    assert memory.measure().available == 1_000_000


def test_only_a_change_worth_noting_is_written_and_the_first_count_is_kept(monkeypatch, tmp_path: Path):
    told = iter([memory.Memory(100, 90, 3), memory.Memory(100, 89, 3), memory.Memory(100, 5, 4)])
    last = memory.Memory(100, 5, 4)
    written = []
    monkeypatch.setattr(memory, "measure", lambda: next(told, last))
    monkeypatch.setattr(memory, "write", lambda folder, noted: written.append(noted))
    monkeypatch.setattr(memory, "SECONDS", 0.001)
    with memory.watched(tmp_path):
        until = time.monotonic() + 30
        while len(written) < 2 and time.monotonic() < until:
            time.sleep(0.01)
    assert written == [memory.Memory(100, 90, 3), memory.Memory(100, 5, 3)]


def test_without_a_job_nothing_is_noted(tmp_path: Path):
    with memory.watched(None):
        pass
    assert memory.shortage(tmp_path) is None


@pytest.mark.parametrize(
    "content", ["", "7", "[]", "{}", '{"total": "x", "available": 1, "oom_kills": 0}', "[" * 99_999]
)
def test_a_damaged_note_tells_nothing(tmp_path: Path, content):
    (tmp_path / memory.RECORD).write_text(content)
    assert memory.shortage(tmp_path) is None
