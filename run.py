#!/usr/bin/env python3
"""Set up and run: `python3 run.py demo`, `python3 run.py test`, `python3 run.py lab`.

Needs Python and an internet connection the first time, nothing else: everything is installed into .venv beside
this file, and what is already there is kept. Further arguments of test and lab go on to pytest and JupyterLab.
`python3 run.py test --colab` runs the notebooks on Colab's versions instead, in .venv-colab.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parent
VENV = HOME / ".venv"
STAMP = VENV / "lora_nb.json"
OLDEST = (3, 11)
INTERRUPTED = 130
EXTRAS = {"demo": [], "test": ["test"], "lab": ["lab"]}
COMPLETE = (
    "from importlib.util import find_spec; names = 'lora_nb torch torchvision diffusers transformers peft accelerate'; "
    "raise SystemExit(not all(map(find_spec, names.split())))"
)
BROWSERS = ("chromium", "chromium-browser", "google-chrome")

DEMO = HOME / "configs" / "demo"
PROJECT = Path("Loras") / "demo"
DEMO_STEPS = ("import", "curate", "tag", "trigger", "top_tags", "train")


class Trouble(Exception):
    """One sentence for the person who ran this."""


def main(arguments):
    """The exit code of `demo`, `test` or `lab`."""
    speak_utf8()
    verbs = {"demo": demo, "test": test, "lab": lab}
    if not arguments or arguments[0] not in verbs:
        print(__doc__)
        return 0 if arguments[:1] in (["-h"], ["--help"]) else 2
    try:
        check_python(sys.version_info[:2])
        if arguments[:2] == ["test", "--colab"]:
            return subprocess.run(
                [sys.executable, "tests/colab_leg.py", *arguments[2:]], cwd=str(HOME)
            ).returncode
        python = ensure_environment(EXTRAS[arguments[0]])
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


def ensure_environment(extras):
    """The Python of .venv, with lora_nb and `extras` installed. Does nothing where that is already so."""
    python = VENV / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    installed = installed_extras()
    if installed is not None and set(extras) <= set(installed) and works(python, COMPLETE):
        return python
    if not works(python, "import pip"):
        make_venv()
    wanted = sorted({*extras, *(installed or ())})
    install(python, wanted)
    STAMP.write_text(json.dumps({"fingerprint": fingerprint(), "extras": wanted}), encoding="utf-8")
    return python


def fingerprint():
    """What an installation depends on: the list of packages, this Python, this folder."""
    parts = [(HOME / "pyproject.toml").read_text(encoding="utf-8"), sys.version, str(HOME)]
    return hashlib.sha256("\n".join(parts).encode("utf-8")).hexdigest()


def installed_extras():
    """The extras of the last complete installation, or None where there was none or another's."""
    try:
        stamp = json.loads(STAMP.read_text(encoding="utf-8"))
        return list(stamp["extras"]) if stamp["fingerprint"] == fingerprint() else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def works(python, program):
    """Whether `python` runs `program`."""
    try:
        return subprocess.run([str(python), "-c", program], capture_output=True).returncode == 0
    except OSError:
        return False


def make_venv():
    """A fresh .venv in the place of a missing or broken one."""
    say("Making .venv")
    made = subprocess.run(
        [sys.executable, "-m", "venv", "--clear", str(VENV)], capture_output=True, text=True
    )
    if made.returncode:
        said = (made.stdout + made.stderr).strip()
        if "ensurepip" in said or "No module named venv" in said:
            raise Trouble(
                "This Python cannot make virtual environments: its venv or pip part is missing "
                "(on Debian and Ubuntu: sudo apt-get install python3-venv)."
            )
        raise Trouble("The folder {} could not be made: {}".format(VENV, said[-400:]))


def install(python, extras):
    """Install lora_nb from this folder, with `extras`, so that edits take effect at once."""
    say("Installing lora_nb and what it needs into .venv (the first time some gigabytes and several minutes)")
    target = ".[{}]".format(",".join(extras)) if extras else "."
    quiet = ["--quiet"] if os.environ.get("CI") else []
    command = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *quiet, "-e", target]
    if subprocess.run(command, cwd=str(HOME)).returncode:
        raise Trouble(
            "The installation failed; the lines above say why (no internet connection? a full disk?). "
            "Run the same line again: what is already there is kept."
        )


def demo(python, arguments):
    """Run the main job on the example pictures, one command after another, and say where the results are."""
    if arguments:
        raise Trouble("demo takes no arguments; its settings are in {}.".format(DEMO))
    for step in DEMO_STEPS:
        if step in ("import", "curate") and (HOME / PROJECT / "report" / "curate.json").exists():
            continue
        line = [step, (DEMO / (step + ".toml")).relative_to(HOME).as_posix()]
        say("python -m lora_nb " + " ".join(line))
        code = wait_for([str(python), "-m", "lora_nb", *line])
        if code:
            return code
    print("\n" + "\n".join(results(HOME / PROJECT)))
    return 0


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
    loras = sorted((project / "output").glob("*.safetensors"))
    grids = sorted((project / "samples").glob("grid*.png"), key=lambda path: path.stat().st_mtime)
    report = project / "report"
    if not loras or not grids:
        raise Trouble(
            "The demo ended without {} in {}.".format("LoRA files" if not loras else "a grid", project)
        )
    return [
        "LoRA files  {} (and {} more beside it)".format(loras[-1], len(loras) - 1),
        "Grid        {}".format(grids[-1]),
        "Report      {}".format(report),
        "Begin anew  delete or rename {}".format(project),
    ]


def test(python, arguments):
    """Run the tests; without a browser those that need one are skipped."""
    ensure_browser()
    return subprocess.run([str(python), "-m", "pytest", *arguments], cwd=str(HOME)).returncode


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
