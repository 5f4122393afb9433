"""Steps that are undone: every byte as before, and nothing of the person's later work lost."""

import errno
import json
import os

import pytest

from lora_nb import files
from lora_nb.dataset.gate import Changes
from lora_nb.dataset.history import undo
from lora_nb.dataset.record import digest


@pytest.fixture
def dataset(tmp_path):
    dataset = tmp_path / "cat" / "dataset"
    (dataset / "5_x").mkdir(parents=True)
    (dataset / "a.txt").write_bytes(b"caf\xe9 \r\n")
    (dataset / "5_x" / "b.txt").write_bytes(b"two")
    return dataset


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


def no_links(source, target, **more):
    raise OSError(errno.EPERM, "Operation not permitted")


def change(dataset, verb, **texts):
    changes = Changes(dataset, verb, {"trigger_word": verb})
    for name, text in texts.items():
        changes.write(dataset / f"{name.replace('__', '/')}.txt", text.encode())
    return changes


def test_a_step_is_undone_byte_for_byte_and_then_the_one_before(dataset):
    first = contents(dataset)
    change(dataset, "tag", a="one", new="n")
    second = contents(dataset)
    change(dataset, "trigger", **{"a": "ohwx, one", "5_x__b": "x"})
    undone = undo(dataset)
    assert (undone.verb, undone.restored, undone.left, undone.note) == (
        "trigger",
        2,
        (),
        {"trigger_word": "trigger"},
    )
    assert contents(dataset) == second
    assert undo(dataset).verb == "tag"
    assert contents(dataset) == first
    assert undo(dataset) is None


def test_the_old_bytes_are_on_disk_before_the_first_change_and_once(dataset):
    change(dataset, "tag", **{"a": "1", "5_x__b": "2"})
    record = next((dataset.parent / "versions").iterdir())
    assert contents(record / "before" / "dataset") == {"a.txt": b"caf\xe9 \r\n", "5_x/b.txt": b"two"}
    changes = change(dataset, "again", a="3")
    changes.write(dataset / "a.txt", b"4")
    undo(dataset)
    assert (dataset / "a.txt").read_bytes() == b"1"


def test_a_step_that_changes_nothing_leaves_no_record(dataset):
    Changes(dataset, "tag")
    assert not (dataset.parent / "versions").exists() and undo(dataset) is None


def test_what_was_edited_or_taken_away_since_is_left_and_named(dataset):
    change(dataset, "tag", **{"a": "1", "5_x__b": "2", "new": "3", "other": "4"})
    (dataset / "a.txt").write_bytes(b"by hand")
    (dataset / "new.txt").write_bytes(b"by hand too")
    (dataset / "5_x" / "b.txt").unlink()
    undone = undo(dataset)
    assert sorted(undone.left) == [
        ("5_x/b.txt", "it is not there any more"),
        ("a.txt", "it was changed since"),
        ("new.txt", "it was changed since"),
    ]
    assert contents(dataset) == {"a.txt": b"by hand", "new.txt": b"by hand too"}
    record = next((dataset.parent / "versions").iterdir())
    assert (record / "undone" / "dataset" / "other.txt").read_bytes() == b"4"
    assert (record / "before" / "dataset" / "5_x" / "b.txt").read_bytes() == b"two"


@pytest.mark.parametrize(("lines", "links"), [(1, False), (2, False), (3, False), (0, True), (1, True)])
def test_a_kill_between_note_and_change_is_undone_too(dataset, monkeypatch, lines, links):
    """Where a file can have two names, as on most disks but Drive, no write is needed to keep its bytes."""
    first = contents(dataset)
    real, count = files.write_bytes, []
    if not links:
        monkeypatch.setattr(os, "link", no_links)

    def kill(path, content):
        count.append(path)
        if len(count) > lines:
            raise KeyboardInterrupt
        real(path, content)

    monkeypatch.setattr(files, "write_bytes", kill)
    with pytest.raises(KeyboardInterrupt):
        change(dataset, "tag", **{"a": "1", "5_x__b": "2"})
    monkeypatch.undo()
    record = next((dataset.parent / "versions").iterdir()) / "changes.jsonl"
    with open(record, "ab") as file:
        file.write(b'{"write": "dataset/a.t')
    assert undo(dataset).left == ()
    assert contents(dataset) == first


@pytest.mark.parametrize("name", ["../project.toml", "/etc/x", "C:/x", "link/x.txt", "a/../../x"])
def test_a_name_in_the_record_that_leads_out_changes_nothing(dataset, tmp_path, name):
    (tmp_path / "away").mkdir()
    (tmp_path / "away" / "x.txt").write_bytes(b"mine")
    (dataset / "link").symlink_to(tmp_path / "away")
    (dataset.parent / "project.toml").write_bytes(b"mine")
    change(dataset, "tag", a="1")
    record = next((dataset.parent / "versions").iterdir())
    after = digest(b"mine")
    with open(record / "changes.jsonl", "a") as file:
        file.write(json.dumps({"write": f"dataset/{name}", "existed": False, "after": after}) + "\n")
    undone = undo(dataset)
    assert undone.left == ((name, "its name leads out of the dataset"),) and undone.restored == 1
    assert (dataset.parent / "project.toml").exists() and (tmp_path / "away" / "x.txt").exists()


def test_another_dataset_of_the_folder_keeps_its_steps(dataset):
    other = dataset.with_name("other")
    other.mkdir()
    change(other, "tag", a="1")
    assert undo(dataset) is None
    assert undo(other).restored == 1 and os.listdir(other) == []


def test_records_that_make_no_sense_are_passed_over(dataset):
    change(dataset, "tag", a="1")
    for name, content in {"captions-9": b"\xff", "captions-8": b"[]\n5\n", "captions-7": b""}.items():
        (dataset.parent / "versions" / name).mkdir()
        (dataset.parent / "versions" / name / "changes.jsonl").write_bytes(content)
    (dataset.parent / "versions" / "captions-6").write_bytes(b"a file")
    assert undo(dataset).restored == 1
