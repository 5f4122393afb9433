#!/usr/bin/env python3
"""Set up and run: `python3 run.py demo`, `python3 run.py test`, `python3 run.py lab`.

Needs Python and an internet connection the first time, nothing else: everything is installed into .venv beside
this file, and what is already there is kept. Further arguments of test and lab go on to pytest and JupyterLab.
The versions are those last tested together (constraints.txt); with --newest each is the newest its range allows.
`python3 run.py test --colab` runs the notebooks on Colab's versions instead, in .venv-colab.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

HOME = Path(__file__).resolve().parent
VENV = HOME / ".venv"
NEWCOMER_VENV = HOME / ".venv-newcomer"
STAMP = "lora_nb.json"
CONSTRAINTS = HOME / "constraints.txt"
OLDEST = (3, 11)
INTERRUPTED = 130
EXTRAS = {"demo": [], "test": ["test"], "lab": ["lab"]}
MORE_THAN_RUNTIME = (
    "from importlib.util import find_spec; names = 'pytest jupyterlab'; "
    "raise SystemExit(not any(map(find_spec, names.split())))"
)
COMPLETE = (
    "from importlib.util import find_spec; names = 'lora_nb torch torchvision diffusers transformers peft accelerate'; "
    "raise SystemExit(not all(map(find_spec, names.split())))"
)
SIDE_BY_SIDE = ["-n", "2", "--dist", "loadfile"]  # the tests of a file share what they build
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

DEMO = HOME / "configs" / "demo"
PROJECT = Path("Loras") / "demo"
DEMO_STEPS = ("import", "curate", "tag", "trigger", "top_tags", "train")
# What each step does, and its seconds on two CPU cores.
DOING = {
    "import": ("copying the pictures in", 3),
    "curate": ("setting damaged pictures and duplicates aside", 12),
    "tag": ("tagging", 5),
    "trigger": ("putting the trigger word first", 2),
    "top_tags": ("counting the tags", 2),
    "train": ("training, then drawing the grid", 200),
}


class Trouble(Exception):
    """One sentence for the person who ran this."""


def main(arguments):
    """The exit code of `demo`, `test` or `lab`."""
    speak_utf8()
    verbs = {"demo": demo, "test": test, "lab": lab}
    if not arguments or arguments[0] not in verbs:
        print(__doc__)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    newest = "--newest" in arguments
    arguments = [argument for argument in arguments if argument != "--newest"]
    try:
        check_python(sys.version_info[:2])
        if arguments[:2] == ["test", "--colab"]:
            return subprocess.run(
                [sys.executable, "tests/colab_leg.py", *arguments[2:]], cwd=str(HOME)
            ).returncode
        if arguments[0] == "demo":
            refuse_arguments(arguments[1:])
            say(overview(installed_extras(newest) is not None))
        elif arguments[0] == "test" and not newcomer_passes(newest):
            return 1
        python = ensure_environment(EXTRAS[arguments[0]], newest)
        return verbs[arguments[0]](python, arguments[1:])
    except Trouble as trouble:
        print(trouble, file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("\nInterrupted; run the same line again to go on.", file=sys.stderr)
        return INTERRUPTED


def speak_utf8():
    """Let any character pass on a console of another encoding (Windows)."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")


def check_python(version):
    """Raise Trouble for a Python that is too old, naming a newer one if there is one on the path."""
    if version >= OLDEST:
        return
    newer = [name for name in ("python3.13", "python3.12", "python3.11", "python3.14") if shutil.which(name)]
    instead = (
        "run it with " + newer[0] if newer else "install a newer one from https://www.python.org/downloads"
    )
    raise Trouble(
        "This is Python {}.{}, and {}.{} or newer is needed: {}.".format(
            version[0], version[1], *OLDEST, instead
        )
    )


def python_of(venv):
    """The Python in a virtual environment, which may not be there yet."""
    return venv / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def ensure_environment(extras, newest=False, venv=VENV):
    """The Python of `venv`, with lora_nb and `extras` installed. Does nothing where that is already so."""
    python = python_of(venv)
    installed = installed_extras(newest, venv)
    if installed is not None and set(extras) <= set(installed) and works(python, COMPLETE):
        return python
    if not works(python, "import pip"):
        make_venv(venv)
    wanted = sorted({*extras, *(installed or ())})
    install(python, wanted, newest)
    stamp = {"fingerprint": fingerprint(newest), "extras": wanted, "newest": newest}
    (venv / STAMP).write_text(json.dumps(stamp), encoding="utf-8")
    return python


def fingerprint(newest=False):
    """What an installation depends on: the list of packages, their versions, this Python, this folder."""
    lists = [path.read_text(encoding="utf-8") for path in (HOME / "pyproject.toml", CONSTRAINTS)]
    parts = [*lists, str(newest), sys.version, str(HOME)]
    return hashlib.sha256("\n".join(parts).encode("utf-8")).hexdigest()


def installed_extras(newest=False, venv=VENV):
    """The extras of the last complete installation, or None where there was none or another's."""
    try:
        stamp = json.loads((venv / STAMP).read_text(encoding="utf-8"))
        return list(stamp["extras"]) if stamp["fingerprint"] == fingerprint(newest) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def works(python, program):
    """Whether `python` runs `program`."""
    try:
        return subprocess.run([str(python), "-c", program], capture_output=True).returncode == 0
    except OSError:
        return False


def make_venv(venv=VENV):
    """A fresh virtual environment in the place of a missing or broken one."""
    say("Making " + venv.name)
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(venv)], capture_output=True, text=True
    )
    if made.returncode:
        said = (made.stdout + made.stderr).strip()
        if "ensurepip" in said or "No module named venv" in said:
            raise Trouble(
                "This Python cannot make virtual environments: its venv or pip part is missing "
                "(on Debian and Ubuntu: sudo apt-get install python3-venv)."
            )
        raise Trouble("The folder {} could not be made: {}".format(venv, said[-400:]))


def install(python, extras, newest=False):
    """Install lora_nb from this folder, with `extras`, so that edits take effect at once."""
    say(
        "Installing lora_nb and what it needs. The first time these are about {}; later it takes seconds.".format(
            "3 GB to download, 6 GB on the disk, and 3 to 15 minutes"
            if sys.platform == "linux"
            else "0.5 GB to download, 2 GB on the disk, and 2 to 10 minutes"
        )
    )
    target = ".[{}]".format(",".join(extras)) if extras else "."
    quiet = ["--quiet"] if os.environ.get("CI") else []
    versions = ["--upgrade", "--upgrade-strategy", "eager"] if newest else ["-c", str(CONSTRAINTS)]
    pip = [str(python), "-m", "pip", "install", "--disable-pip-version-check"]
    command = [*pip, *quiet, *versions, "-e", target]
    if subprocess.run(command, cwd=str(HOME)).returncode:
        raise Trouble(
            "The installation failed; the lines above say why (no internet connection? a full disk?). "
            "Run the same line again: what is already there is kept."
        )


def overview(is_set_up):
    """What the demo is about to do, and how long that takes."""
    steps = "{} steps in about {}".format(len(DEMO_STEPS), in_words(seconds_left(DEMO_STEPS, 0, 0)))
    if is_set_up:
        return "The demo: {}".format(steps)
    return "The demo: first the set-up (3 to 15 minutes, mostly downloads), then {}".format(steps)


def refuse_arguments(arguments):
    """Raise Trouble for arguments of demo."""
    if arguments:
        raise Trouble("demo takes no arguments but --newest; its settings are in {}.".format(DEMO))


def demo(python, arguments):
    """Run the main job on the example pictures, one command after another, and say where the results are."""
    begin, expected = time.monotonic(), 0.0
    todo = list(DEMO_STEPS)
    if (HOME / PROJECT / "report" / "curate.json").exists():
        todo = [step for step in DEMO_STEPS if step not in ("import", "curate")]
    for step in todo:
        spent = time.monotonic() - begin
        left = seconds_left(todo[todo.index(step) :], spent, expected)
        number = DEMO_STEPS.index(step) + 1
        doing = "step {} of {}: {}".format(number, len(DEMO_STEPS), DOING[step][0])
        line = [step, (DEMO / (step + ".toml")).relative_to(HOME).as_posix()]
        say(
            "{} (about {} left in all)\n    python -m lora_nb {}".format(
                doing, in_words(left), " ".join(line)
            )
        )
        code = wait_for([str(python), "-m", "lora_nb", *line])
        if code:
            return stopped(doing, code)
        expected += DOING[step][1]
    print("\n" + "\n".join(results(HOME / PROJECT)))
    return 0


def seconds_left(steps, spent, expected):
    """The seconds `steps` will take on this machine, known better from what the earlier ones took."""
    # The first steps are short and vary: they count as much as twenty seconds of an ordinary machine.
    pace = (spent + 20) / (expected + 20)
    return pace * sum(DOING[step][1] for step in steps)


def in_words(seconds):
    """`1 min 40 s`, to ten seconds; `8 s` below a quarter of a minute."""
    if seconds < 15:
        return "{:.0f} s".format(max(seconds, 1))
    minutes, rest = divmod(round(seconds / 10) * 10, 60)
    return " ".join(([str(minutes) + " min"] if minutes else []) + ([str(rest) + " s"] if rest else []))


def stopped(doing, code):
    """Say what to do after a step that failed, and return its exit code."""
    if code == -9:
        doing += " (killed from outside, perhaps for lack of memory)"
    if code not in (130, -2):
        print(
            "\nThe demo stopped at {}: the lines above say why. Run `python3 run.py demo` again to go on from there; "
            "if it stops at the same place, delete or rename {} and .venv and begin anew.".format(
                doing, HOME / PROJECT
            ),
            file=sys.stderr,
        )
    return code


def wait_for(line):
    """The exit code of a command that ended by itself: Ctrl-C reaches it too, and it may have to save first."""
    interrupted = False
    with subprocess.Popen(line, cwd=str(HOME)) as process:
        while process.poll() is None:
            try:
                process.wait()
            except KeyboardInterrupt:
                interrupted = True
    if interrupted and process.returncode != INTERRUPTED:
        raise KeyboardInterrupt
    return process.returncode


def results(project):
    """Where a person finds what the demo made. Raises Trouble if it is not there."""
    from lora_nb import project as names  # of the standard library alone too
    from lora_nb import runs

    loras = names.lora_files(project / "output", project.name)
    grid = runs.newest_grid(runs.run_folder(project / "output", project.name).base, loras)
    report = project / "report"
    if not loras or grid is None:
        raise Trouble(
            "The demo ended without {} in {}.".format("LoRA files" if not loras else "a grid", project)
        )
    return [
        "LoRA files  {} (and {} more beside it)".format(loras[-1], len(loras) - 1),
        "Grid        {}".format(grid),
        "Report      {}".format(report),
        "Begin anew  delete or rename {}".format(project),
    ]


def test(python, arguments):
    """Run the tests, all of them on two cores at once; without a browser those that need one are skipped."""
    ensure_browser()
    line, environment = [str(python), "-m", "pytest", *arguments], dict(os.environ)
    if not arguments:
        line += SIDE_BY_SIDE
        environment.setdefault("OMP_NUM_THREADS", "1")  # each a core, and none waits for the other's
    return subprocess.run(line, cwd=str(HOME), env=environment).returncode


def newcomer_passes(newest):
    """Whether the demo's steps work where only the runtime packages are: what who installs lora_nb has.

    Checked before the test packages join them in .venv; where they are there already, CI takes another folder.
    """
    venv = VENV
    if works(python_of(VENV), MORE_THAN_RUNTIME):
        if not os.environ.get("CI"):
            print(
                "The newcomer's check is left out: .venv holds the test packages already (CI=true runs it)."
            )
            return True
        venv = NEWCOMER_VENV
    python = ensure_environment([], newest, venv)
    say("The newcomer's check: the demo's steps with the runtime packages alone (about a minute)")
    return subprocess.run([str(python), "tests/newcomer.py"], cwd=str(HOME)).returncode == 0


def ensure_browser():
    """Have Debian's Chromium where CI may install it; elsewhere say what is left out."""
    if any(shutil.which(name) for name in BROWSERS):
        return
    if os.environ.get("CI") and is_root() and shutil.which("apt-get"):
        say("Installing Chromium for the browser tests")
        subprocess.run(["apt-get", "update", "-qq"])
        quiet = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
        subprocess.run(["apt-get", "install", "-y", "-qq", "--no-install-recommends", "chromium"], env=quiet)
    if not any(shutil.which(name) for name in BROWSERS):
        print("No Chromium found: the tests that drive a browser are skipped.")


def is_root():
    """Whether this runs as the administrator, as in a container."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def lab(python, arguments):
    """Open JupyterLab on the notebooks."""
    notebook = Path("notebooks") / "Dataset_Maker.ipynb"
    root = ["--allow-root"] if is_root() else []
    line = [str(python), "-m", "jupyterlab", str(notebook), *root, *arguments]
    return subprocess.run(line, cwd=str(HOME)).returncode


def say(text):
    """A line that stands out among what pip and the commands print."""
    print("\n==> " + text, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
