"""Steps on a dataset that are killed, or meet a full disk, at any moment: each picture stands with its caption after."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import zipfile
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from test_tagger import build

from lora_nb.__main__ import main
from lora_nb.dataset.images import IMAGE_EXTENSIONS

# A verb in a process of its own, in which the n-th change on the disk does not come about: the process is killed with
# SIGKILL, or the disk is full from there on. It counts in the system's own calls and writes how many there were.
CHILD = r"""
import builtins, errno, io, json, os, signal, sys
how, at, counted, places, arguments = sys.argv[1], int(sys.argv[2]), sys.argv[3], json.loads(sys.argv[4]), sys.argv[5:]
from lora_nb.__main__ import main
count = [0]

def touch(*paths):
    if not any(str(path).startswith(place) for path in paths for place in places):
        return
    count[0] += 1
    if how == "kill" and count[0] == at:
        os.kill(os.getpid(), signal.SIGKILL)
    if how == "full" and count[0] >= at:
        raise OSError(errno.ENOSPC, "No space left on device", str(paths[-1]))

def before(module, name, full):
    real = getattr(module, name)
    def patched(*given, **more):
        given_paths = [os.readlink(f"/proc/self/fd/{given[0]}")] if name == "fsync" else given[:2]
        paths = [os.fspath(path) for path in given_paths if isinstance(path, (str, os.PathLike))]
        if how != "full" or full:
            touch(*paths)
        return real(*given, **more)
    setattr(module, name, patched)

def opened(real):
    def patched(file, mode="r", *more, **named):
        if isinstance(file, (str, os.PathLike)) and set(mode) & set("wax+"):
            touch(os.path.abspath(os.fspath(file)))
        return real(file, mode, *more, **named)
    return patched

builtins.open = opened(builtins.open)
io.open = opened(io.open)
for name, full in {"replace": False, "rename": False, "fsync": True, "link": True, "mkdir": True, "unlink": False, "rmdir": False}.items():
    before(os, name, full)
try:
    code = main(arguments)
finally:
    how = "count"
    with open(counted, "w") as file:
        file.write(str(count[0]))
sys.exit(code)
"""


def photo(seed: int, side: int = 64) -> Image.Image:
    rng = np.random.default_rng(seed)
    rough = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    return rough.resize((side, side), Image.Resampling.BICUBIC)


def png(image: Image.Image) -> bytes:
    content = BytesIO()
    image.save(content, "PNG")
    return content.getvalue()


@pytest.fixture(scope="module")
def tagger(tmp_path_factory) -> Path:
    return build(tmp_path_factory.mktemp("tagger") / "tagger")


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A project of captioned pictures with two copies, a broken one, and two that share a caption; and a zip to import."""
    home = tmp_path_factory.mktemp("world")
    dataset = home / "cat" / "dataset"
    (dataset / "5_x").mkdir(parents=True)
    for number in range(3):
        (dataset / f"{number}.png").write_bytes(png(photo(number)))
        (dataset / f"{number}.txt").write_text(f"own, number {number}")
    (dataset / "5_x" / "small.png").write_bytes(png(photo(1, 40)))
    (dataset / "5_x" / "small.txt").write_bytes(b"a copy, caf\xc3\xa9\r\n")
    (dataset / "2.jpg").write_bytes(png(photo(0, 48)))  # another picture with the caption of 2.png
    (dataset / "cut.png").write_bytes(png(photo(7))[:60])
    (dataset / "cut.txt").write_text("of the broken one")
    with zipfile.ZipFile(home / "new.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"new{number}.png", png(photo(20 + number)))
            archive.writestr(f"new{number}.txt", f"new, {number}")
        archive.writestr("10_y/known.png", png(photo(0)))
        archive.writestr("10_y/known.txt", "edited elsewhere")
    return home


def lines(home: Path, tagger: Path) -> dict[str, list[str]]:
    dataset = ["--train_data_dir", str(home / "cat" / "dataset")]
    return {
        "import": ["import", *dataset, "--source", str(home / "new.zip"), "--existing", "replace"],
        "curate": ["curate", *dataset],
        "restore": ["restore", *dataset],
        "trigger": ["trigger", *dataset, "--trigger_word", "ohwx"],
        "tag": ["tag", *dataset, "--tagger", str(tagger), "--existing", "append"],
        "undo": ["undo", *dataset],
        "prepare": [
            "prepare",
            *dataset,
            "--size",
            "32x24",
            "--format",
            "webp",
            "--names",
            "0.png;1.png;5_x/small.png",
        ],
    }


def run(how: str, at: int, home: Path, line: list[str]) -> subprocess.CompletedProcess:
    places = json.dumps([str(home / "cat")])
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2]), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", CHILD, how, str(at), str(home / "counted"), places, *line]
    return subprocess.run(command, capture_output=True, text=True, env=environment, check=False)


def contents(home: Path) -> dict[str, bytes]:
    """Every file of the dataset and of what was set aside."""
    return {
        path.relative_to(home / "cat").as_posix(): path.read_bytes()
        for name in ("dataset", "set_aside", "report")
        for path in (home / "cat" / name).rglob("*")
        if path.is_file()
    }


def pairs(found: dict[str, bytes]) -> dict[str, set[bytes | None]]:
    """{digest of a picture: captions it stands with}, wherever it stands."""
    held: dict[str, set[bytes | None]] = {}
    for name, content in found.items():
        if Path(name).suffix in IMAGE_EXTENSIONS:
            key = hashlib.sha256(content).hexdigest()
            held.setdefault(key, set()).add(found.get(str(Path(name).with_suffix(".txt"))))
    return held


def orphans(found: dict[str, bytes]) -> list[str]:
    stems = {str(Path(name).with_suffix("")) for name in found if Path(name).suffix in IMAGE_EXTENSIONS}
    return [name for name in found if name.endswith(".txt") and name.removesuffix(".txt") not in stems]


def hidden(home: Path) -> list[Path]:
    return [path for path in (home / "cat").rglob("*") if path.name.startswith(".") or path.suffix == ".tmp"]


def undo_all(home: Path, tagger: Path, capsys) -> None:
    for _ in range(9):
        assert main(lines(home, tagger)["undo"]) == 0
        said = capsys.readouterr().out
        assert "left as they are" not in said, said
        if said.startswith("There is nothing to undo"):
            return
    raise AssertionError("undo never comes to an end")


def start(world: Path, home: Path, tagger: Path, verb: str, capsys) -> dict[str, bytes]:
    """A copy of the world made ready for `verb`; what undoing everything must come back to."""
    shutil.copytree(world, home, dirs_exist_ok=True)
    first = contents(home)
    earlier = {"restore": ["curate"], "undo": ["import", "curate"]}.get(verb, [])
    for each in earlier:
        assert main(lines(home, tagger)[each]) == 0
    capsys.readouterr()
    return first


def check(home: Path, tagger: Path, first, before, after, capsys) -> None:
    """After any next command, each picture stands with its caption as it was before or after; undo gives all back."""
    assert main(["scan", *lines(home, tagger)["undo"][1:]]) == 0
    assert main(lines(home, tagger)["restore"] + ["--names", "no.png"]) == 2  # a step that changes nothing
    capsys.readouterr()
    found = contents(home)
    assert orphans(found) == [] and hidden(home) == []
    old, new = pairs(before), pairs(after)
    for picture, held in pairs(found).items():
        assert held <= old.get(picture, set()) | new.get(picture, set()), picture
    assert set(old) <= set(pairs(found)) or set(new) <= set(pairs(found))
    undo_all(home, tagger, capsys)
    assert contents(home) == first and hidden(home) == []


@pytest.fixture(scope="module")
def whole(world, tagger, tmp_path_factory):
    """{verb: (what it changes before and after, and how many moments it has)}, each run once to its end."""
    known = {}

    def of(verb: str, capsys):
        if verb not in known:
            home = tmp_path_factory.mktemp(verb)
            start(world, home, tagger, verb, capsys)
            before = contents(home)
            done = run("count", 0, home, lines(home, tagger)[verb])
            assert done.returncode == 0, done.stderr
            known[verb] = before, contents(home), int((home / "counted").read_text())
        return known[verb]

    return of


VERBS = ("import", "curate", "restore", "trigger", "undo")


def spread(moments: int, part: int, parts: int) -> int:
    return 1 + round((moments - 1) * (part + 0.5) / parts)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
@pytest.mark.parametrize("verb", [*VERBS, "tag"])
def test_a_kill_at_any_moment(world, tagger, whole, tmp_path, capsys, verb, part):
    before, after, moments = whole(verb, capsys)
    first = start(world, tmp_path, tagger, verb, capsys)
    killed = run("kill", spread(moments, part, 4), tmp_path, lines(tmp_path, tagger)[verb])
    assert killed.returncode == -9, killed.stderr
    check(tmp_path, tagger, first, before, after, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_a_kill_while_pictures_are_prepared(world, tagger, whole, tmp_path, capsys, part):
    """Each picture stands with its caption, as it was or as it will be; undo gives all back."""
    before, after, moments = whole("prepare", capsys)
    first = start(world, tmp_path, tagger, "prepare", capsys)
    killed = run("kill", spread(moments, part, 4), tmp_path, lines(tmp_path, tagger)["prepare"])
    assert killed.returncode == -9, killed.stderr
    assert main(["scan", *lines(tmp_path, tagger)["undo"][1:]]) == 0
    found = contents(tmp_path)
    assert hidden(tmp_path) == [] and orphans(found) == []
    stems = {name.rpartition(".")[0] for name in before if name.startswith("dataset/")}
    assert {name.rpartition(".")[0] for name in found if name.startswith("dataset/")} == stems
    assert all(content in (before.get(name), after.get(name)) for name, content in found.items())
    undo_all(tmp_path, tagger, capsys)
    assert contents(tmp_path) == first


@pytest.mark.slow
@pytest.mark.parametrize("part", range(2))
@pytest.mark.parametrize("verb", [*VERBS, "tag"])
def test_a_full_disk_at_any_moment(world, tagger, whole, tmp_path, capsys, verb, part):
    before, after, moments = whole(verb, capsys)
    first = start(world, tmp_path, tagger, verb, capsys)
    full = run("full", spread(moments // 2, part, 2), tmp_path, lines(tmp_path, tagger)[verb])
    assert full.returncode == 2 and full.stderr.startswith("The disk is full"), full.stderr
    assert full.stderr.count("\n") == 1
    check(tmp_path, tagger, first, before, after, capsys)


@pytest.mark.slow
@pytest.mark.parametrize("verb", VERBS)
def test_the_next_run_of_the_same_line_goes_on(world, tagger, whole, tmp_path, capsys, verb):
    _, after, moments = whole(verb, capsys)
    start(world, tmp_path, tagger, verb, capsys)
    assert run("kill", moments // 2, tmp_path, lines(tmp_path, tagger)[verb]).returncode == -9
    assert main(lines(tmp_path, tagger)[verb]) == 0
    assert pairs(contents(tmp_path)) == pairs(after) and orphans(contents(tmp_path)) == hidden(tmp_path) == []
