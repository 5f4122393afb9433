"""The command line: `python -m lora_nb <verb> [file.toml] [--setting value ...]`."""

if __name__ == "__main__":  # before the imports below, which take their time
    from lora_nb.shell import interrupts

    interrupts.leave_at_once()

import difflib
import errno
import os
import sys
import traceback
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path

from lora_nb import __version__, files, patience, signs
from lora_nb.events import Progress, silent
from lora_nb.redact import redact
from lora_nb.shell import interrupts, jobs, memory, noise
from lora_nb.shell.flags import build_parser, read_arguments
from lora_nb.shell.queue_words import in_flags
from lora_nb.shell.reporter import Reporter
from lora_nb.shell.run_verbs import silent_process
from lora_nb.shell.verb import Verb
from lora_nb.shell.verbs import VERBS
from lora_nb.wording import first_line

DONE, FAULT, UNUSABLE, INTERRUPTED = 0, 1, 2, 130
FULL = (errno.ENOSPC, errno.EDQUOT)


def main(arguments: Sequence[str] | None = None) -> int:
    """The exit code: 0 done, 1 a fault of the program, 2 something a person can mend, 130 interrupted."""
    with_signs = speak_utf8()
    wait_briefly()
    given = in_flags(sys.argv[1:] if arguments is None else arguments)
    if given[:1] == ["--version"]:
        print(f"lora_nb {__version__}")
        return DONE
    if not given or given[0] in ("-h", "--help", "help"):
        print(overview())
        return DONE
    job_dir = _job_dir(given)
    try:
        refuse_lost_folder()
        return run(choose(given[0]), given, with_signs)
    except KeyboardInterrupt:
        return _complain(interrupts.WORDS, job_dir, INTERRUPTED)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return DONE
    except Exception as error:
        sentence = explain(error)
        if sentence:
            return _complain(sentence, job_dir, UNUSABLE)
        details = getattr(error, "__notes__", [])
        if not details:
            with suppress(OSError):
                print(redact(traceback.format_exc()), file=sys.stderr)
            details = [f"the details are in {job_dir / jobs.OUTPUT}"] if job_dir else []
        unexpected = f"Unexpected {type(error).__name__}: {first_line(error)}"
        return _complain("; ".join([unexpected, *details]), job_dir, FAULT)


def speak_utf8() -> bool:
    """Let every letter pass on a console of another encoding (Windows); whether signs such as 📈 are shown there."""
    encoding, is_terminal = getattr(sys.stdout, "encoding", None) or "utf-8", sys.stdout.isatty()
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    return signs.can_be_shown(encoding, os.environ.get("TERM", ""), is_terminal)


def wait_briefly() -> None:
    """Let torch's CPU threads spin a moment and then sleep while they wait (benchmarks/bench_threads.py).

    Asleep at once, they make a small model two and a half times slower; spinning on as by default, a busy machine is.
    """
    if "OMP_WAIT_POLICY" not in os.environ:
        os.environ.setdefault("GOMP_SPINCOUNT", "10000")


def refuse_lost_folder() -> None:
    """Raises ValueError when the current folder is gone: libraries end the process over it without a word."""
    try:
        Path.cwd()
    except FileNotFoundError:
        raise ValueError(
            "The folder this was started in was removed or renamed: change to one that is there (cd), and run again"
        ) from None


def overview() -> str:
    """What `--help` says: one line a verb."""
    width = max(map(len, VERBS)) + 2
    lines = [f"  {name:{width}}{(verb.run.__doc__ or '').splitlines()[0]}" for name, verb in VERBS.items()]
    return "\n".join(
        [
            "python -m lora_nb <verb> [file.toml] [--setting value ...]",
            "",
            *lines,
            "",
            "python -m lora_nb <verb> --help lists the settings; file.toml holds the same, and flags win over it.",
        ]
    )


def choose(name: str) -> Verb:
    """The verb called `name`. Raises ValueError with the nearest one."""
    if name not in VERBS:
        near = difflib.get_close_matches(name, VERBS, n=1)
        hint = f'did you mean "{near[0]}"?' if near else f"there are {', '.join(VERBS)}"
        raise ValueError(f'unknown verb "{name}"; {hint}')
    return VERBS[name]


def run(verb: Verb, given: Sequence[str], with_signs: bool = True) -> int:
    """Do the work of one line of arguments and tell what came of it."""
    parser = build_parser(f"python -m lora_nb {given[0]}", verb.config, verb.takes_presets)
    try:
        config, job_dir = read_arguments(parser, verb.config, list(given[1:]))
    except SystemExit as leaving:
        return int(leaving.code or 0)
    first = is_first_process()
    poll = partial(jobs.take_requests, job_dir) if job_dir else frozenset
    log = noise.log_file(job_dir, shown="--verbose" in given)
    with (
        interrupts.raised_on_ctrl_c(), noise.apart(log, explain) as screen, memory.watched(job_dir if first else None),
        Reporter(screen, job_dir, quiet=not first, with_signs=with_signs) as reporter,
    ):  # fmt: skip
        tell = reporter.tell if first else silent_process
        if verb.loads:
            tell(Progress("Loading the libraries", 0, 1))
        tell(verb.run(config, tell, poll))
    return DONE


def explain(error: Exception) -> str:
    """One sentence for what a person can mend, "" for a fault of the program."""
    if "No space left" in str(error) or getattr(error, "errno", None) in FULL:
        place = getattr(error, "filename", None)
        where = f" ({place} could not be written)" if place else ""
        return f"The disk is full{where}: free some space and run the same line again; what was saved before is whole."
    if type(error).__name__ == "OutOfMemoryError":
        return (
            "The GPU has too little memory for these settings: lower train_batch_size or resolution, or set "
            "gradient_checkpointing = true, and run again."
        )
    if isinstance(error, MemoryError) or "DefaultCPUAllocator" in str(error):
        return (
            "The machine has too little memory for these settings: lower train_batch_size or resolution, close other "
            "programs, or take a machine with more RAM, and run again."
        )
    if isinstance(error, ValueError):
        return str(error)
    if patience.is_away(error):
        return patience.in_words(error)
    if isinstance(error, OSError) and error.strerror:
        gone = isinstance(error, FileNotFoundError)
        more = " (was its folder renamed or removed meanwhile?)" if gone else ""
        return f"{error.filename or 'A file'}: {error.strerror}{more}"
    if isinstance(error, ImportError) and error.name and not error.name.startswith("lora_nb"):
        return f'The package "{error.name}" is missing or does not load ({error}): pip install -r requirements.txt'
    return ""


def _job_dir(given: Sequence[str]) -> Path | None:
    """The job's folder even where the other arguments make no sense."""
    for at, argument in enumerate(given):
        if argument.startswith("--job_dir="):
            return Path(argument.partition("=")[2])
        if argument == "--job_dir" and at + 1 < len(given):
            return Path(given[at + 1])
    return None


def is_first_process() -> bool:
    """Whether this is the one of several training processes that speaks."""
    return os.environ.get("RANK", "0") == "0"


def _complain(sentence: str, job_dir: Path | None, code: int) -> int:
    sentence = redact(sentence)
    if is_first_process():
        with suppress(OSError):  # of a job, a file on the disk that is full or away
            print(sentence, file=sys.stderr)
    if job_dir:
        with suppress(OSError):
            _leave(sentence, job_dir)
    return code


def _leave(sentence: str, job_dir: Path) -> None:
    """Write the sentence into the job's folder; where the disk is away, when it is back."""
    write = partial(files.write_text, job_dir / jobs.ERROR, sentence + "\n")
    try:
        write()
    except OSError as error:
        if not patience.is_away(error):
            raise
        patience.lasting(write, job_dir, silent)


if __name__ == "__main__":
    sys.exit(main())
