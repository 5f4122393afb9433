"""What 27f487a left is moved to the runs' folders: all of it, once, whatever comes between."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lora_nb import events, project, upgrade
from lora_nb.processes import creation_time
from lora_nb.project import Folders

HOME = Path(__file__).parents[1]

PLACES = {
    "cat": ["cat.state", "metrics.jsonl", "run.toml", "samples/cat_e01_s000006_00.png"],
    "dark": [
        "dark.state", "grid.json", "grid.png", "grid/01_0.5.png", "grid/01_0.8.png", "grid/01_0.png",
        "grid/01_1.png", "samples/dark_e01_s000006_00.png",
    ],
}  # fmt: skip


@pytest.fixture
def folders(old_project: Path) -> Folders:
    return Folders(old_project / "Loras" / "cat")


def tree(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_everything_is_moved_and_nothing_changed(folders):
    before, told = tree(folders.base), []
    upgrade.take_over(folders, told.append)
    for name, expected in PLACES.items():
        found = [path for path in tree(folders.runs / name) if not path.startswith("tensorboard/")]
        assert sorted(found) == sorted(expected)
        assert len(list((folders.runs / name / "tensorboard").iterdir())) == 1
    after = tree(folders.base)
    assert sorted(after.values()) == sorted(before.values())
    same = {path for path in before if path.split("/")[0] in ("dataset", "output", "set_aside", "report")}
    assert {path: before[path] for path in same} == {path: after[path] for path in same}
    assert sorted(path.name for path in folders.base.iterdir()) == [
        "dataset", "jobs", "output", "project.toml", "report", "runs", "set_aside",
    ]  # fmt: skip
    assert len(list(folders.jobs.iterdir())) == 4
    assert [event.level for event in told] == ["info"]
    upgrade.take_over(folders, told.append)
    assert tree(folders.base) == after and len(told) == 1


def test_the_file_names_that_a_person_knows_stay(folders):
    before = tree(folders.output)
    upgrade.take_over(folders)
    assert tree(folders.output) == before and "cat-01.safetensors" in before


CODE = """
import os, sys
from pathlib import Path
from lora_nb import upgrade
from lora_nb.project import Folders
left, rename = int(sys.argv[2]), os.rename
def killing(source, target):
    global left
    if not left:
        os._exit(9)
    left -= 1
    rename(source, target)
os.rename = killing
upgrade.take_over(Folders(Path(sys.argv[1])))
"""


def test_a_kill_at_any_move_is_made_good_by_the_next_start(folders):
    whole = shutil.copytree(folders.base, folders.base.parent / "whole")
    upgrade.take_over(Folders(whole))
    environment, moves = {**os.environ, "PYTHONPATH": str(HOME)}, 0
    while True:
        copy = shutil.copytree(folders.base, folders.base.parent / f"killed-{moves}")
        line = [sys.executable, "-c", CODE, str(copy), str(moves)]
        code = subprocess.run(line, env=environment).returncode
        assert code in (0, 9)
        upgrade.take_over(Folders(copy))
        assert tree(copy) == tree(whole), f"killed before move {moves + 1}"
        if code == 0:
            break
        moves += 1
    assert moves == 15


def test_a_taken_name_is_not_overwritten_and_told(folders):
    mine = folders.runs / "cat" / "cat.state"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    (folders.runs / "dark").mkdir()
    (folders.runs / "dark" / "grid.json").write_bytes(b"{}")
    before, told = tree(folders.base), []
    upgrade.take_over(folders, told.append)
    assert mine.read_bytes() == b"mine" and (folders.base / "state" / "cat.state").is_file()
    left = [path for path in tree(folders.base) if path.startswith("samples/")]
    assert left == [path for path in before if path.startswith("samples/grid")], "a grid stays together"
    (warning,) = [event.text for event in told if event.level == "warning"]
    assert "samples/grid.json, state/cat.state" in warning


def test_what_is_of_no_known_run_stays(folders):
    samples = folders.base / "samples"
    mine = ["mine.png", "owl_e01_s000006_00.png", "owl-01_42.png", "grid-2.png", "grid-3/01.png"]
    for name in mine:
        (samples / name).parent.mkdir(exist_ok=True)
        (samples / name).write_bytes(b"mine")
    legend = {"pictures": [{"prompt": "<lora:cat-01:1>"}, {"prompt": "<lora:dark-01:1>"}]}
    (samples / "grid-4.json").write_text(json.dumps(legend))
    for name in ("cat-01_42.png", "cat-step000004_7-2.png"):
        (samples / name).write_bytes(name.encode())
    upgrade.take_over(folders)
    assert sorted(tree(samples)) == sorted([*mine, "grid-4.json"])
    assert {"cat-01_42.png", "cat-step000004_7-2.png"} <= tree(folders.runs / "cat" / "samples").keys()


def test_metrics_of_nobody_stay(tmp_path):
    metrics = project.Before(tmp_path).metrics
    metrics.parent.mkdir()
    metrics.write_text("{}\n")
    upgrade.take_over(Folders(tmp_path))
    assert list(tree(tmp_path)) == ["logs/metrics.jsonl"]


def test_nothing_is_moved_while_the_older_version_works(folders):
    (job,) = [
        path
        for path in (folders.base / "logs" / "jobs").glob("*-train/job.json")
        if b"23141" in path.read_bytes()
    ]
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        record = {"verb": "train", "pid": process.pid, "started": creation_time(process.pid)}
        job.write_text(json.dumps(record))
        before = tree(folders.base)
        upgrade.take_over(folders)
        with pytest.raises(ValueError, match=rf"older version .* \(train, process {process.pid}\): wait"):
            upgrade.take_over_runs(folders)
        assert tree(folders.base) == before
    finally:
        process.kill()
        process.wait()
    upgrade.take_over(folders)
    assert (folders.runs / "cat" / "cat.state").is_file()


def test_a_project_without_anything_old_is_left_alone(tmp_path):
    told: list[events.Event] = []
    upgrade.take_over(Folders(tmp_path / "none"), told.append)
    assert told == [] and list(tmp_path.iterdir()) == []
