"""Real faults of the disk and of the memory at each save of a training: what is said, and whether it goes on exactly.

python checks/faults.py FOLDER [full broken away gone memory both queue]     (FOLDER is to be empty; see faulty_disk.py)
`full=grid` meets only places with that word.

A short run lies on a disk mounted by FUSE. At each save in turn the disk is filled, answers EIO for a moment or until
the run ends, or goes away for 30 seconds as Google Drive does. Then the kernel's OOM killer ends the training, and two
processes start one run at once. After each fault no file is cut off under its name, and in the end, after the same
line again where the run had ended, every file is byte for byte what an undisturbed run leaves. The exit code says so.
"""

import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

HOME = Path(__file__).parents[1]
sys.path[:0] = [str(HOME), str(HOME / "tests"), str(HOME / "checks")]
os.environ.update({"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"})

import forked  # noqa: E402
from faulty_disk import Plan  # noqa: E402
from faulty_run import SECONDS_AWAY, Check, Seen  # noqa: E402
from memory_faults import ended_by_kernel, full_gpu, limited_group, refused_by_system  # noqa: E402

from lora_nb.__main__ import main as command_line  # noqa: E402
from lora_nb.shell import jobs, queue, queue_file  # noqa: E402

MADE = ("create", "open_to_write")
# Each save of a run: the calls it is met at, and the path.
SAVES = {
    "the settings of the run": (("write",), r"/\.run\.toml\."),
    "the first state": (("write",), r"/\.cat\.state\."),
    "the state takes its name": (("rename",), r"/cat\.state$"),
    "the state before is kept": (("rename",), r"/cat\.state\.old$"),
    "a LoRA file": (("write",), r"/\.cat-01\.safetensors\."),
    "a LoRA file, flushed": (("fsync",), r"/\.cat-01\.safetensors\."),
    "the last LoRA file takes its name": (("rename",), r"/cat-02\.safetensors$"),
    "its sidecar": (("write",), r"/\.cat-01\.json\."),
    "its preview": (("write",), r"/\.cat-01\.png\."),
    "a sample": (("write",), r"/samples/\.cat_e01.*\.png\."),
    "metrics.jsonl": (("write",), r"/metrics\.jsonl$"),
    "TensorBoard": (("write",), r"/tensorboard/events"),
    "the job's events": (("write",), r"/events\.jsonl$"),
    "the job's output": (("write",), r"/output\.log$"),
    "the grid's pictures": (("write", *MADE), r"/grid/"),
    "the grid": (("write",), r"/\.grid\.png\."),
}
AWAY = {
    "while the pictures are read": (("read", "open"), r"/dataset/.*png$"),
    "as the run is claimed": (MADE, r"/run\.lock$"),
    "at a state": SAVES["the first state"],
    "at a LoRA file": SAVES["a LoRA file"],
    "at the last LoRA file": (("write",), r"/\.cat-02\.safetensors\."),
    "at a sample": SAVES["a sample"],
    "at metrics.jsonl": SAVES["metrics.jsonl"],
    "when the last file is proven": (("open",), r"/cat-02\.safetensors$"),
}


def full(check: Check) -> None:
    """ENOSPC from the kernel: the disk is filled at each save, until the run has ended."""
    for place, (calls, path) in SAVES.items():
        if calls[0] in ("write", "create"):
            check.meet("disk full", place, Plan("fill", path, calls))


def broken(check: Check) -> None:
    """EIO at each save, for two seconds, and until the run has ended."""
    for place, (calls, path) in SAVES.items():
        check.meet("EIO, 2 s", place, Plan("broken", path, calls, seconds=2.0))
        check.meet("EIO, stays", place, Plan("broken", path, calls), longest=3.0)


def away(check: Check) -> None:
    """The Drive answers nothing for 30 seconds (ENOTCONN to every call), and once for longer than is waited."""
    for place, (calls, path) in AWAY.items():
        check.meet("Drive away, 30 s", place, Plan("away", path, calls, "ENOTCONN", SECONDS_AWAY))
    calls, path = AWAY["at a LoRA file"]
    check.meet("Drive away for good", "at a LoRA file", Plan("away", path, calls, "ENOTCONN"), longest=10.0)


def gone(check: Check) -> None:
    """The process behind the mount dies, and the folder is mounted anew after 30 seconds."""
    for place in ("at a state", "at the last LoRA file", "at metrics.jsonl"):
        calls, path = AWAY[place]
        check.meet("Drive unmounted, 30 s", place, Plan("die", path, calls))

    second_while_the_first_waits(check)


def second_while_the_first_waits(check: Check) -> None:
    """The folder is mounted anew, whose locks are new too, while a training waits for it: no second one may begin."""
    check.fresh()
    calls, path = AWAY["at a state"]
    check.disk.break_down(Plan("die", path, calls))
    refused: list[jobs.Job] = []

    def another(job: jobs.Job) -> None:
        if check.disk.hit and not refused:
            check.disk.attach()
            refused.append(check.job(check.config()))

    first = check.job(check.config(), another)
    end = jobs.finished(refused[0]) if refused else None  # it may find the run already finished
    wrong = ["the run was started twice"] if end and "already finished" not in end.text else []
    wrong += [] if refused else ["nothing was started a second time"]
    wrong += [] if jobs.finished(first) else [f"the first was lost: {jobs.last_error(first)}"]
    whole, left = check.whole(False), check.left()
    wrong += [f"{name} differs" for name in left.keys() | whole.keys() if left.get(name) != whole.get(name)]
    check.row("Drive mounted anew", "a second start", check.seen(refused[0]), False, wrong)


def memory(check: Check) -> None:
    """The kernel's OOM kill, a refusal of the system, a full GPU: at step 5, with a state of step 4."""
    with limited_group() as group:
        if group is None:
            print("-   OOM kill | not tried: this system lets nobody make a control group")
        else:
            check.meet("OOM kill by the kernel", "at step 5", Plan(), before=ended_by_kernel(group, 5))
    check.meet("memory refused", "at step 5", Plan(), before=refused_by_system(5))
    check.meet("GPU full", "at step 5", Plan(), before=full_gpu(5))
    whole = check.whole(False)
    check.fresh()
    job = check.job(check.config(on_out_of_memory="cheaper"), before=full_gpu(5))
    wrong = [] if check.left()["losses"] == whole["losses"] else ["the losses differ"]
    wrong += [] if jobs.finished(job) else ["did not go on by itself"]
    check.row("GPU full, with leave", "at step 5", check.seen(job), False, wrong)


def both(check: Check) -> None:
    """Two processes start one run at the same moment."""
    whole = check.whole(False)
    for apart in (0.0, 0.0, 0.02, 0.3):
        check.fresh()
        start = time.monotonic() + 0.5

        def wait(more: float, start: float = start) -> Callable[[], None]:
            return lambda: time.sleep(max(0.0, start + more - time.monotonic()))

        two = [forked.begin(check.config(), check.project / "jobs", wait(more)) for more in (0.0, apart)]
        for each in two:
            os.waitpid(each.pid, 0)
        lost = [each for each in two if jobs.finished(each) is None]
        left = check.left()
        wrong = [
            f"{name} differs" for name in left.keys() | whole.keys() if left.get(name) != whole.get(name)
        ]
        wrong += [] if len(lost) == 1 else [f"{2 - len(lost)} of two trained"]
        check.row("two at once", f"{apart} s apart", check.seen((lost or two)[0]), False, wrong)


def queued(check: Check) -> None:
    """The Drive is away for 30 seconds while a worker of the queue follows a training."""
    calls, path = AWAY["at a LoRA file"]
    for fault in ("away", "die"):
        whole = check.whole(False)
        check.fresh()
        where, entry = queue.add(check.config())
        queue.add(check.config(output_name="dog", max_train_epochs=1))
        check.disk.break_down(Plan(fault, path, calls, "ENOTCONN", SECONDS_AWAY))
        line = ["queue work", "--root", str(where.parent)]
        pid = forked.fork(where / "worker-cpu.log", lambda line=line: command_line(line))
        met = 0.0
        while not forked.reaped(pid):
            met = met or (time.monotonic() if check.disk.hit else 0.0)
            if fault == "die" and met > 0 and time.monotonic() - met > SECONDS_AWAY:
                check.disk.attach()
                met = float("-inf")
            time.sleep(0.05)
        hit = check.disk.hit
        if fault == "die" and met > 0:
            check.disk.attach()
        check.disk.heal()
        found = queue_file.read(where)
        left = {name: each for name, each in check.left().items() if "dog" not in name}
        wrong = [
            f"{name} differs" for name in left.keys() | whole.keys() if left.get(name) != whole.get(name)
        ]
        wrong += [
            f"{each.name} is {each.state}: {each.text}" for each in found.listed if each.state != "done"
        ]
        jobs_of = len(list(check.disk.backing.glob("Loras/cat/jobs/*-train")))
        wrong += [] if jobs_of == 2 else [f"{jobs_of} trainings were begun for two runs"]
        said = (check.disk.backing / "Loras" / ".queue" / "worker-cpu.log").read_text(errors="replace")
        warned = tuple(line for line in said.splitlines() if "Warning" in line or "answers again" in line)
        seen = Seen(hit, True, found.entry(entry.number).text, warned, tuple(check.unsound()))
        check.row(f"Drive {fault}, 30 s", "queue", seen, False, [*wrong, *seen.wrong])


KINDS = {
    "full": full,
    "broken": broken,
    "away": away,
    "gone": gone,
    "memory": memory,
    "both": both,
    "queue": queued,
}


def main(folder: Path, kinds: Sequence[str]) -> int:
    """Carry out the kinds of faults; 0 where all went well."""
    forked.load()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    check = Check(folder)
    try:
        for kind in kinds or KINDS:
            kind, _, check.only = kind.partition("=")
            KINDS[kind](check)
    finally:
        check.disk.close()
    print(
        f"{check.bad} of the rows are not as they should be"
        if check.bad
        else "all rows are as they should be"
    )
    return 1 if check.bad else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
