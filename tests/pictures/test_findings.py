"""What a curation found: written, read back, and distrusted."""

import json

import pytest

from lora_nb.pictures import findings
from lora_nb.pictures.findings import Cluster, Copy, Findings, Unread
from lora_nb.project import Folders, project_folders


@pytest.fixture
def folders(tmp_path) -> Folders:
    folders = project_folders(tmp_path, "cat")
    folders.dataset.mkdir(parents=True)
    folders.report.mkdir()
    return folders


def written(folders, text):
    (folders.report / "curate.json").write_text(text, encoding="utf-8")
    return findings.read(folders)


@pytest.mark.parametrize("text", ["", "7", "[]", "{}", '{"broken": 1, "clusters": 2}', "[" * 100_000])
def test_a_damaged_report_counts_as_none(folders, text):
    assert written(folders, text) == Findings()


def test_a_report_is_read_back_holds_no_absolute_path_and_a_missing_one_is_empty(folders):
    assert findings.read(folders) == Findings()
    unread = Unread(folders.dataset / "猫.png", "cut", folders.set_aside / "猫.png")
    copy = Copy(folders.dataset / "5_x" / "b.png", "3 of 64 bits differ", folders.set_aside / "5_x" / "b.png")
    found = Findings((unread,), (Cluster(folders.dataset / "a.png", (copy, copy), "the largest"),))
    findings.write(folders, found)
    assert findings.read(folders) == found and found.moved == 3
    report = json.loads((folders.report / "curate.json").read_text(encoding="utf-8"))
    assert report["broken"] == [{"path": "dataset/猫.png", "reason": "cut", "set_aside": "set_aside/猫.png"}]
    assert report["clusters"][0]["copies"][0]["set_aside"] == "set_aside/5_x/b.png"
    folders.base.rename(folders.base.with_name("dog"))
    moved = findings.read(Folders(folders.base.with_name("dog")))
    assert moved.clusters[0].kept == folders.base.with_name("dog") / "dataset" / "a.png"


@pytest.mark.parametrize(
    "report",
    [
        [],
        5,
        {"broken": 1, "clusters": {}},
        {"broken": [{"path": "a.png", "reason": "x", "set_aside": "/etc/passwd"}], "clusters": [7]},
        {"clusters": [{"kept": "/etc/passwd", "reason": "x", "copies": []}]},
        {"broken": [{"path": "a.png", "reason": "x", "set_aside": 5}, {"set_aside": "x"}]},
        {"broken": [{"path": "a.png", "reason": 5, "set_aside": "set_aside/a.png"}]},
        {"broken": [{"path": "a.png", "reason": "x", "set_aside": "set_aside/../dataset/a.png"}]},
    ],
)
def test_a_report_that_is_not_ours_shows_nothing(folders, report):
    assert written(folders, json.dumps(report)) == Findings()


@pytest.mark.parametrize("before", ["here", "/content/dataset/Loras/cat/", "C:\\Users\\set_aside\\cat\\", ""])
def test_a_report_is_read_though_the_project_was_moved_and_paths_were_absolute_once(folders, before):
    before = f"{folders.base}/" if before == "here" else before

    def path(name):
        return before + (name.replace("/", "\\") if "\\" in before else name)

    broken = {"path": path("dataset/x.png"), "reason": "cut", "set_aside": path("set_aside/5_x/x.png")}
    copy = {"path": path("dataset/c.png"), "distance": 3, "set_aside": path("set_aside/c.png")}
    clusters = [{"kept": path("dataset/5_x/a.png"), "reason": "the largest", "copies": [copy]}]
    stranger = {"kept": "/elsewhere/a.png", "reason": "the largest", "copies": []}
    found = written(folders, json.dumps({"broken": [broken], "clusters": [*clusters, stranger]}))
    (unread,), (cluster,) = found.broken, found.clusters
    assert unread == Unread(folders.dataset / "x.png", "cut", folders.set_aside / "5_x" / "x.png")
    assert cluster.kept == folders.dataset / "5_x" / "a.png"
    assert cluster.copies == (
        Copy(folders.dataset / "c.png", "3 of 64 bits differ", folders.set_aside / "c.png"),
    )
