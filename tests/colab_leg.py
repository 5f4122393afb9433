"""The notebooks on Colab's Python and package versions: `python3 run.py test --colab [pytest arguments]`.

Makes .venv-colab with Python 3.13 and tests/colab_pins.txt, installs requirements.txt and lora_nb over it, checks that
no pinned version changed, and runs the notebook tests there. Standard library only.
"""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

HOME = Path(__file__).resolve().parents[1]
VENV = HOME / ".venv-colab"
PINS = HOME / "tests" / "colab_pins.txt"
TESTS = ["tests/test_notebooks.py", "-m", "not browser"]


def main(arguments: list[str]) -> int:
    """pytest's exit code; 2 when a version changed or there is no Python 3.13."""
    python = VENV / "bin" / "python"
    if not python.exists():
        found = find_python()
        if not found:
            print(
                "No Python 3.13 found, which is what Colab has: install it, or put it on the path as python3.13."
            )
            return 2
        subprocess.run([found, "-m", "venv", "--clear", str(VENV)], check=True)
    pip(python, "-r", str(PINS))
    pip(python, "-r", "requirements.txt", "-e", ".")
    changed = changes(pinned(PINS), installed(python))
    if changed:
        print("\n".join(["Installing lora_nb changed what Colab ships:", *changed]))
        return 2
    pip(python, "-c", str(PINS), "onnx>=1.18,<2")  # the tests alone need it
    print(f"{len(pinned(PINS))} pinned packages of Colab are as they were.", flush=True)
    return subprocess.run([str(python), "-m", "pytest", *(arguments or TESTS)], cwd=HOME).returncode


def find_python() -> str | None:
    """A Python 3.13 that runs."""
    candidates = [
        shutil.which("python3.13"),
        *map(str, sorted(Path.home().glob(".pyenv/versions/3.13*/bin/python"))),
    ]
    for candidate in filter(None, candidates):
        said = subprocess.run(
            [candidate, "-c", "import sys; print(sys.version_info[:2])"], capture_output=True, text=True
        )
        if said.stdout.strip() == "(3, 13)":
            return candidate
    return None


def pip(python: Path, *arguments: str) -> None:
    quiet = ["--quiet"] if os.environ.get("CI") else []
    line = [str(python), "-m", "pip", "install", "--disable-pip-version-check", *quiet, *arguments]
    subprocess.run(line, cwd=HOME, check=True)


def pinned(path: Path) -> dict[str, str]:
    """{name: version} of a list of pins."""
    lines = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {plain(name): version for name, mark, version in (line.partition("==") for line in lines) if mark}


def installed(python: Path) -> dict[str, str]:
    """{name: version} of what an environment holds."""
    line = [str(python), "-m", "pip", "list", "--format=json", "--disable-pip-version-check"]
    listed = json.loads(subprocess.run(line, capture_output=True, text=True, check=True).stdout)
    return {plain(package["name"]): package["version"].partition("+")[0] for package in listed}


def changes(before: dict[str, str], after: dict[str, str]) -> list[str]:
    """One line for each package of `before` that is now another version or gone."""
    return [
        f"  {name} {version} -> {after.get(name, 'gone')}"
        for name, version in before.items()
        if after.get(name) != version
    ]


def plain(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
