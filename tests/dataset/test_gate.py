"""Steps that are undone: every byte as before, and nothing of the person's later work lost."""

import errno
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from lora_nb import files
from lora_nb.dataset import aside, gate, record, snapshots, turn
from lora_nb.dataset.gate import Changes, Move
from lora_nb.dataset.history import undo
from lora_nb.dataset.record import digest
from lora_nb.project import Folders

HOME = Path(__file__).parents[2]


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
    record = next((dataset.parent / "versions").glob("step-*"))
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
    record = next((dataset.parent / "versions").glob("step-*"))
    assert (record / "undone" / "dataset" / "other.txt").read_bytes() == b"4"
    assert (record / "before" / "dataset" / "5_x" / "b.txt").read_bytes() == b"two"


@pytest.mark.parametrize(("lines", "links"), [(1, False), (2, False), (3, False), (0, True), (1, True)])
def test_a_kill_between_note_and_change_is_undone_too(dataset, monkeypatch, lines, links):
    """Where a file can have two names, as on most disks but Drive, no write is needed to keep its bytes."""
    first = contents(dataset)
    snapshots.daily(dataset)
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
    record = next((dataset.parent / "versions").glob("step-*")) / "changes.jsonl"
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
    record = next((dataset.parent / "versions").glob("step-*"))
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


def pictures(dataset, **texts):
    """Pictures with captions; None for one without."""
    for name, text in texts.items():
        (dataset / f"{name}.png").write_bytes(b"picture " + name.encode())
        if text is not None:
            (dataset / f"{name}.txt").write_text(text)


def whole(folder):
    return {name: content for name, content in contents(folder).items() if not name.startswith("versions/")}


@pytest.fixture
def folders(tmp_path):
    folders = Folders(tmp_path / "cat")
    folders.create()
    pictures(folders.dataset, a="one", b=None)
    return folders


def brought_in(folders, name, text=None):
    """What an import does with one picture."""
    with gate.step(folders.dataset, "import") as changes:
        moves = []
        for ending, content in {".png": b"new", ".txt": text and text.encode()}.items():
            if content is not None:
                staged = changes.staging() / f"1{ending}"
                staged.write_bytes(content)
                target = folders.dataset / "10_y" / f"{name}{ending}"
                moves.append(Move(staged, target, after=digest(content)))
        changes.move([moves])
    return folders.dataset / "10_y" / f"{name}.png"


def test_whatever_the_last_step_was_it_is_taken_back_and_then_the_one_before(folders):
    states = [whole(folders.base)]
    for act in (
        lambda: aside.set_aside(folders, [(folders.dataset / "a.png", "why")]),
        lambda: brought_in(folders, "new", "text"),
        lambda: aside.set_aside(folders, [(folders.dataset / "10_y" / "new.png", "why")]),
        lambda: aside.bring_back(folders, ["a.png"]),
        lambda: change(folders.dataset, "trigger", a="ohwx, one"),
        lambda: aside.bring_back(folders),
    ):
        act()
        states.append(whole(folders.base))
    for verb in ("restore", "trigger", "restore", "curate", "import", "curate"):
        states.pop()
        undone = undo(folders.dataset)
        assert (undone.verb, undone.left) == (verb, ()) and whole(folders.base) == states[-1]
        assert undone.pictures == (verb != "trigger")
    assert undo(folders.dataset) is None


def test_what_an_import_brought_lies_in_the_folder_of_the_step_that_was_undone(folders):
    brought_in(folders, "new", "text")
    undo(folders.dataset)
    (step,) = folders.versions.glob("step-*")
    assert contents(step / "undone") == {"dataset/10_y/new.png": b"new", "dataset/10_y/new.txt": b"text"}
    assert step.name.endswith("-import-undone")


@pytest.mark.parametrize("name", ["new.png", "new.txt"])
def test_an_imported_picture_that_was_edited_since_stays_with_its_caption(folders, name):
    before = whole(folders.base)
    place = brought_in(folders, "new", "text").parent
    (place / name).write_bytes(b"by hand")
    undone = undo(folders.dataset)
    assert undone.left == (("10_y/new.png", "it was changed since"),) and undone.restored == 0
    kept = {
        "dataset/10_y/new.png": b"new",
        "dataset/10_y/new.txt": b"text",
        f"dataset/10_y/{name}": b"by hand",
    }
    assert whole(folders.base) == before | kept


def test_an_imported_picture_that_was_captioned_by_hand_since_stays(folders):
    brought_in(folders, "new").with_suffix(".txt").write_text("mine")
    assert undo(folders.dataset).left == (("10_y/new.png", "it has a caption since"),)


def test_a_caption_written_for_a_picture_that_is_aside_comes_back_with_it(folders):
    aside.set_aside(folders, [(folders.dataset / name, "why") for name in ("a.png", "b.png")])
    (folders.set_aside / "a.txt").write_text("edited")
    (folders.set_aside / "b.txt").write_text("new")
    assert undo(folders.dataset).left == ()
    assert [(folders.dataset / name).read_text() for name in ("a.txt", "b.txt")] == ["edited", "new"]
    assert contents(folders.set_aside) == {}


def test_a_picture_whose_old_place_is_taken_stays_aside(folders):
    aside.set_aside(folders, [(folders.dataset / "a.png", "why")])
    pictures(folders.dataset, a="mine")
    undone = undo(folders.dataset)
    assert undone.left == (("set_aside/a.png", "another file stands in its old place"),)
    assert (folders.set_aside / "a.txt").read_text() == "one" and (
        folders.dataset / "a.txt"
    ).read_text() == "mine"


@pytest.mark.parametrize("links", [True, False])
def test_a_caption_two_pictures_share_and_its_copy(folders, monkeypatch, links):
    (folders.dataset / "a.jpg").write_bytes(b"other")
    before = whole(folders.base)
    if not links:
        monkeypatch.setattr(os, "link", no_links)
    aside.set_aside(folders, [(folders.dataset / name, "why") for name in ("a.png", "a.jpg")])
    texts = {name: content for name, content in contents(folders.set_aside).items() if name.endswith("txt")}
    assert texts == {"a.txt": b"one"} and set(contents(folders.dataset)) == {"b.png"}
    away = whole(folders.base)
    aside.bring_back(folders)
    assert contents(folders.dataset) == {name[8:]: content for name, content in before.items()}
    assert undo(folders.dataset).left == () and whole(folders.base) == away
    assert undo(folders.dataset).left == () and whole(folders.base) == before


def test_a_step_of_the_first_version_is_undone_after_the_later_ones(folders):
    old = folders.versions / "captions-20250101-120000-000001-trigger"
    (old / "before").mkdir(parents=True)
    (old / "before" / "a.txt").write_bytes(b"at first")
    head = {"verb": "trigger", "dataset": "dataset", "note": {"trigger_word": "x"}}
    line = {"name": "a.txt", "existed": True, "after": digest(b"one")}
    (old / "changes.jsonl").write_text(f"{json.dumps(head)}\n{json.dumps(line)}\n")
    change(folders.dataset, "tag", a="two")
    assert undo(folders.dataset).verb == "tag"
    assert undo(folders.dataset).note == {"trigger_word": "x"}
    assert (folders.dataset / "a.txt").read_bytes() == b"at first" and undo(folders.dataset) is None


def test_a_project_that_was_moved_keeps_its_steps(folders, tmp_path):
    before = whole(folders.base)
    brought_in(folders, "new", "text")
    aside.set_aside(folders, [(folders.dataset / "a.png", "why")])
    folders.base.rename(tmp_path / "elsewhere")
    moved = tmp_path / "elsewhere"
    assert undo(moved / "dataset").left == undo(moved / "dataset").left == ()
    assert whole(moved) == before


HOLDER = """
import sys; from pathlib import Path; from lora_nb.dataset import gate
with gate.step(Path(sys.argv[1]), "tag") as changes:
    changes.write(Path(sys.argv[1]) / "a.txt", b"tagged")
    (Path(sys.argv[1]) / ".b.txt.0123abcd.tmp").write_bytes(b"")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_is_told_who_changes_the_dataset_and_takes_nothing_from_it(folders, monkeypatch):
    monkeypatch.setattr(turn, "PATIENCE", 0.1)
    line = [sys.executable, "-c", HOLDER, str(folders.dataset)]
    with subprocess.Popen(line, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=HOME) as process:
        process.stdout.readline()
        with pytest.raises(
            ValueError, match=rf"is being changed by `tag` \(process {process.pid}, since \d\d:\d\d\): wait"
        ):
            aside.bring_back(folders)
        gate.mend(folders.dataset)
        assert (folders.dataset / ".b.txt.0123abcd.tmp").exists() and len(
            record.unfinished(folders.versions)
        ) == 1
        process.kill()
    gate.mend(folders.dataset)
    assert record.unfinished(folders.versions) == []
    assert undo(folders.dataset).restored == 1 and not (folders.dataset / ".b.txt.0123abcd.tmp").exists()


def test_leftovers_of_dead_processes_go_and_what_only_looks_like_them_stays(folders):
    ours = [folders.base / ".import-ab12_xyz", folders.dataset / ".a.txt.0123abcd.tmp", folders.base / ".project.toml.0123abcd.tmp"]  # fmt: skip
    theirs = [folders.base / ".import-mine", folders.dataset / ".notes.tmp", folders.dataset / ".hidden", folders.base / "a.0123abcd.tmp"]  # fmt: skip
    ours[0].mkdir()
    for path in (ours[0] / "1.image", *ours[1:], *theirs):
        path.write_bytes(b"x")
    with gate.step(folders.dataset, "tag"):
        pass
    assert not any(path.exists() for path in ours) and all(path.exists() for path in theirs)
    assert not folders.versions.exists()


def test_only_the_gate_and_what_it_stands_on_moves_or_removes_files_of_a_dataset():
    """Others hand their changes to it: no call in them makes, moves or removes a file by itself."""
    # handover: project.toml; those in versions/
    own = {"gate", "record", "turn", "history", "handover", "snapshots"}
    calls = re.compile(
        r"os\.(rename|replace|link|remove|unlink)\(|\.(unlink|rename|write_text|write_bytes|rmdir)\(|append_line\(|shutil\.(move|rmtree|copy)"
    )
    found = {
        f"{path.stem}: {line.strip()}"
        for wing in ("dataset", "intake", "pictures", "captioning", "overview")
        for path in (HOME / "lora_nb" / wing).glob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if path.stem not in own and calls.search(line)
    }
    # In local scratch, in the step's own folder, or notes beside the dataset.
    staged = {
        "boards: files.write_text(picture.with_suffix(CAPTION_EXTENSION), tags)",
        "comeback: caption.write_bytes(text)",
        "comeback: shutil.copyfile(sources.of(held), picture)",
        "drive: came.unlink()",
        "edit_kinds: return lambda text, subset: edits.rename(text, names)",
        'export: path.write_text(json.dumps(entries, indent=2, ensure_ascii=False), encoding="utf-8")',
        "fiftyone_database: (folder / ABOUT).unlink(missing_ok=True)",
        "fiftyone_database: files.write_text(folder / ABOUT, json.dumps(asdict(found)))",
        'hub_dataset: (target / f"{stem}{CAPTION_EXTENSION}").write_text(caption.strip(), encoding="utf-8")',
        'hub_dataset: (target / f"{stem}{ending}").write_bytes(bytes_)',
        "hub_dataset: table.unlink()",
        "importer: files.write_bytes(picture.caption, content)",
        "prepare: files.write_text(folders_of_dataset(dataset).report / before_after.REPORT, page)",
        "report: files.write_text(folders.report / PAGE, report_page.whole(found))",
        'report_record: files.write_text(folders.report / RECORD, json.dumps({"version": 1, **asdict(found)}, indent=1))',
        'scores: files.append_line(self.path, "\\n".join(_line(picture, row) for picture, row in fresh.items()))',
        "scratch: shutil.rmtree(mark.parent, ignore_errors=True)",
        "subsets: files.write_text(folders.report / LISTED, json.dumps(table))",
        "thumbnails: os.replace(temporary, place)",
        "thumbnails: path.unlink(missing_ok=True)",
        "thumbnails: temporary.write_bytes(content)",
        "unpack: target.unlink()",
        "uploads: files.write_text(part.with_suffix(ABOUT), json.dumps(asdict(file)))",
        "uploads: one.path.unlink()",
        "uploads: os.rename(part, target)",
        "uploads: part.unlink()",
        "uploads: part.unlink(missing_ok=True)",
        "uploads: part.with_suffix(ABOUT).unlink(missing_ok=True)",
    }
    assert found == staged
