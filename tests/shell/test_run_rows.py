import pytest
from test_comparison import leave

from lora_nb.events import EpochLog, to_line
from lora_nb.project import Folders
from lora_nb.runs import RunFolder
from lora_nb.shell import run_rows
from lora_nb.training import holder


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3, "just now"), (61, "1 minute ago"), (7300, "2 hours ago"), (90_000, "1 day ago"), (-5, "just now")],
)
def test_times_are_said_as_people_do(seconds, words):
    assert run_rows.ago(1_000_000, 1_000_000 + seconds) == words


def test_runs_of_a_project_are_told_from_their_files(tmp_path):
    folders, queue = Folders(tmp_path / "Loras" / "cat"), tmp_path / "Loras" / ".queue"
    _, half = (leave(folders.runs / name, 1e-4, [0.3, 0.2]) for name in ("done", "half"))
    lines = (half / "metrics.jsonl").read_text().splitlines()
    (half / "metrics.jsonl").write_text("\n".join(line for line in lines if "EpochLog" not in line) + "\n")
    broken = leave(folders.runs / "broken", 1e-4, [0.3])
    (broken / "run.toml").write_text("= ?")
    found = {row.name: row for row in run_rows.rows(queue, folders)}
    assert {name: row.state for name, row in found.items()} == {
        "done": "done",
        "half": "stopped",
        "broken": "failed",
    }
    assert (found["half"].step, found["half"].total) == (2, 2) and "run.toml" in found["broken"].text
    assert "cat/done" in run_rows.line(found["done"]) and "done " in run_rows.line(found["done"])
    holder.note(RunFolder(half))
    assert {row.name: row.state for row in run_rows.rows(queue, folders)}["half"] == "running"
    assert not queue.exists()


def test_a_long_log_is_read_from_its_end(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text("".join(f"{to_line(EpochLog(n, n, 0.1))}\n" for n in range(3000)))
    told = run_rows.tail(path)
    assert told[-1] == EpochLog(2999, 2999, 0.1) and len(told) < 3000
    assert run_rows.tail(tmp_path / "none") == []
