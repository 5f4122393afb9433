"""How long versions of a large dataset take: `python benchmarks/bench_versions.py [pictures] [kilobytes each]`."""

import os
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from lora_nb.dataset import aside, comeback, gate, snapshots, versions
from lora_nb.project import Folders


def main(pictures: int, kilobytes: int) -> None:
    """Print one line for each thing that is done."""
    with tempfile.TemporaryDirectory() as place:
        folders = Folders(Path(place) / "Loras" / "cat")
        folders.dataset.mkdir(parents=True)
        for number in range(pictures):
            (folders.dataset / f"{number:05d}.jpg").write_bytes(os.urandom(1000 * kilobytes))
            (folders.dataset / f"{number:05d}.txt").write_text(f"ohwx, tag {number}, " + "another tag, " * 20)
        print(f"{pictures} pictures of {kilobytes} kB with captions")
        timed("light version, nothing known", lambda: snapshots.daily(folders.dataset))
        timed("whole version", lambda: versions.keep(folders.dataset, "one"))
        timed("whole version again, nothing new", lambda: versions.keep(folders.dataset, "two"))
        change(folders, pictures)
        timed(
            "difference to now",
            lambda: versions.difference(folders.dataset, versions.find(folders.dataset, "two")),
        )
        one = versions.find(folders.dataset, "one")
        timed("back to it", lambda: comeback.restore(folders.dataset, one))
        kept = sum(path.stat().st_size for path in (folders.versions / "objects").iterdir())
        rest = sum(path.stat().st_size for path in folders.versions.rglob("*.json*") if path.is_file())
        print(f"{kept / 1e6:.0f} MB of pictures kept, {rest / 1e6:.1f} MB of lists and captions")


def change(folders: Folders, pictures: int) -> None:
    """A twentieth set aside, a quarter of the captions written anew."""
    leaving = [(folders.dataset / f"{number:05d}.jpg", "why") for number in range(0, pictures, 20)]
    aside.set_aside(folders, leaving)
    with gate.step(folders.dataset, "trigger") as changes:
        for number in range(1, pictures, 4):
            changes.write(folders.dataset / f"{number:05d}.txt", b"changed")


def timed(what: str, work: Callable[[], object]) -> None:
    """Print how long it took."""
    begin = time.perf_counter()
    work()
    print(f"{time.perf_counter() - begin:8.2f} s  {what}", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:] or ("2000", "300")))
