import errno
import os
import stat
from pathlib import Path

import pytest

from lora_nb import files


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if path.name.endswith(".tmp")]


def test_write_makes_the_folder_and_the_file(tmp_path: Path):
    files.write_text(tmp_path / "a" / "b" / "caption.txt", "ü\r\n1girl\n")
    assert (tmp_path / "a" / "b" / "caption.txt").read_bytes() == "ü\r\n1girl\n".encode()


def test_write_takes_the_place_of_the_old_content_and_leaves_nothing_else(tmp_path: Path):
    path = tmp_path / "state.bin"
    files.write_bytes(path, b"old" * 1000)
    files.write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert [each.name for each in tmp_path.iterdir()] == ["state.bin"]


@pytest.mark.parametrize(
    "fault", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt(), ValueError()]
)
def test_a_write_that_fails_half_way_keeps_the_old_content(tmp_path: Path, fault):
    path = tmp_path / "lora.safetensors"
    files.write_bytes(path, b"old")
    with pytest.raises(type(fault)), files.replacing(path) as temporary:
        temporary.write_bytes(b"ne")
        raise fault
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs Linux's /dev/full")
def test_a_full_disk_is_told_with_the_name_of_the_file_that_was_to_be_written(tmp_path: Path):
    path = tmp_path / "lora.safetensors"
    with pytest.raises(OSError) as caught, files.replacing(path):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert caught.value.filename == str(path)
    with pytest.raises(OSError) as caught, files.replacing(path):
        raise OSError(errno.ECONNRESET, "of a download, which is no fault of the disk")
    assert caught.value.filename is None


def test_a_full_disk_keeps_the_old_content(tmp_path: Path):
    path = tmp_path / "lora.safetensors"
    files.write_bytes(path, b"old")
    with pytest.raises(OSError, match="No space left"), files.replacing(path) as temporary:
        os.symlink("/dev/full", temporary)
        temporary.write_bytes(b"new" * 100_000)
    assert path.read_bytes() == b"old"
    assert leftovers(tmp_path) == []


def test_a_body_that_wrote_nothing_keeps_the_old_content(tmp_path: Path):
    files.write_bytes(tmp_path / "x", b"old")
    with pytest.raises(FileNotFoundError), files.replacing(tmp_path / "x"):
        pass
    assert (tmp_path / "x").read_bytes() == b"old"


def test_two_writers_at_once_do_not_meet(tmp_path: Path):
    path = tmp_path / "x"
    with files.replacing(path) as first, files.replacing(path) as second:
        first.write_bytes(b"first")
        second.write_bytes(b"second")
    assert path.read_bytes() == b"first"
    assert leftovers(tmp_path) == []


def test_a_temporary_file_is_hidden_and_of_the_same_folder(tmp_path: Path):
    with files.replacing(tmp_path / "cat.png") as temporary:
        temporary.write_bytes(b"x")
        assert temporary.parent == tmp_path
        assert temporary.name.startswith(".cat.png.")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_others_can_read_what_was_written_as_the_umask_says(tmp_path: Path):
    files.write_text(tmp_path / "x", "x")
    (tmp_path / "y").write_text("y")
    assert stat.S_IMODE((tmp_path / "x").stat().st_mode) == stat.S_IMODE((tmp_path / "y").stat().st_mode)


def test_free_name(tmp_path: Path):
    grid = tmp_path / "grid.png"
    assert files.free_name(grid) == grid
    grid.touch()
    assert files.free_name(grid).name == "grid-2.png"
    (tmp_path / "grid-2.png").mkdir()
    assert files.free_name(grid).name == "grid-3.png"


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"a":' * 100_000, b"\xff", b"\x00", "9" * 9999])
def test_what_is_no_json_is_a_value_error_however_deep(text):
    with pytest.raises(ValueError) as error:
        files.from_json(text)
    assert "\n" not in str(error.value)


def test_json_of_text_or_bytes():
    assert (
        files.from_json('{"ü": [1, null]}')
        == files.from_json('{"ü": [1, null]}'.encode())
        == {"ü": [1, None]}
    )


def test_the_sweep_takes_what_it_was_asked_for_and_no_others(tmp_path: Path):
    """A run that begins must not take away what a run with a longer name is just writing."""
    for name in ("cat-01.safetensors", "cat-dark-01.safetensors", "cat.state", "cat-dark.state"):
        (tmp_path / f".{name}.0a1b2c3d.tmp").touch()
    (tmp_path / ".cat.notes.tmp").touch()
    files.sweep(tmp_path, {"cat-01.safetensors", "cat.state"}.__contains__)
    assert sorted(leftovers(tmp_path)) == [
        ".cat-dark-01.safetensors.0a1b2c3d.tmp",
        ".cat-dark.state.0a1b2c3d.tmp",
        ".cat.notes.tmp",
    ]
    files.sweep(tmp_path / "missing", lambda name: True)


def test_a_folder_is_tried_before_it_is_needed(tmp_path: Path):
    files.check_writable(tmp_path / "a" / "b", "cat.safetensors")
    assert list((tmp_path / "a" / "b").iterdir()) == []
    (tmp_path / "file").write_text("mine")
    for folder in (tmp_path / "file", tmp_path / "file" / "output"):
        with pytest.raises(ValueError, match=f"^{folder} cannot be written: {tmp_path}/file is a file where"):
            files.check_writable(folder, "cat.safetensors")
    with pytest.raises(ValueError, match="shorter output_name"):
        files.check_writable(tmp_path, "c" * 250)


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="needs Linux's /proc, which nobody may write")
def test_a_folder_that_does_not_take_files_says_why():
    with pytest.raises(ValueError, match="^/proc/self/task cannot be written: .*; allow writing there"):
        files.check_writable(Path("/proc/self/task"), "cat.safetensors")
