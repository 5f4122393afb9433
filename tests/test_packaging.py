import ast
import json
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib import metadata
from pathlib import Path

import pytest
from packaging.markers import Marker
from packaging.specifiers import SpecifierSet

import colab_leg
import lora_nb

HOME = Path(__file__).parents[1]
PROJECT = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ADDRESS = PROJECT["urls"]["Repository"].removeprefix("https://github.com/")
BADGE = re.compile(r"https://colab\.research\.google\.com/github/([^)\"\s\\]+)")
PAGES = [HOME / "README.md", HOME / "colab_badges.md", *sorted(HOME.glob("notebooks/*.ipynb"))]
OF_COLAB = colab_leg.pinned(HOME / "tests" / "colab_pins.txt")


def names_and_ranges(lines: list[str]) -> dict[str, str]:
    """{name: range} without environment markers."""
    wanted = (line.partition(";")[0].strip() for line in lines if line.strip() and not line.startswith("#"))
    return {match[1]: match[2] for line in wanted if (match := re.fullmatch(r"([\w.-]+)(.*)", line))}


def numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version.partition("+")[0]))


RANGES = names_and_ranges(PROJECT["dependencies"])
# {module: distribution} where the names differ.
DISTRIBUTIONS = {"PIL": "pillow", "IPython": "ipython", "google": ""}  # google.colab is Colab's own
NOT_IMPORTED = {
    "pytorch-optimizer": "a row of config/optimizers.py names the module of each class of it",
    "tensorboard": "torch.utils.tensorboard imports it",
}


def modules_imported(folder: Path) -> set[str]:
    """Top names of everything outside the standard library that the modules in `folder` import, lazily too."""
    names = set()
    for path in folder.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                names |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add(node.module)
            elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "import_module":
                names |= {part.value for part in node.args if isinstance(part, ast.Constant)}
    tops = {name.partition(".")[0] for name in names}
    return tops - set(sys.stdlib_module_names) - {"lora_nb"}


def pins() -> list[tuple[str, str, Marker | None]]:
    """(name, version, marker) of each line of constraints.txt."""
    lines = (HOME / "constraints.txt").read_text(encoding="utf-8").splitlines()
    found = []
    for line in lines:
        if not line.startswith("#"):
            pin, _, marker = line.partition(" ; ")
            name, _, version = pin.partition("==")
            found.append((colab_leg.plain(name), version, Marker(marker) if marker else None))
    return found


def test_what_is_imported_is_declared_and_what_is_declared_is_imported():
    """httpx was imported, declared nowhere, and came with a test extra alone: the first command of README failed."""
    imported = {DISTRIBUTIONS.get(name, name) for name in modules_imported(HOME / "lora_nb")} - {""}
    imported = {colab_leg.plain(name) for name in imported}
    optional = PROJECT["optional-dependencies"]
    extras = names_and_ranges(
        [line for name in ("bitsandbytes", "fiftyone", "parquet", "text", "wandb") for line in optional[name]]
    )
    runtime, optional = {colab_leg.plain(name) for name in RANGES}, {colab_leg.plain(name) for name in extras}
    assert imported - runtime - optional == set(), "imported in lora_nb/ and not in pyproject.toml"
    assert runtime - imported == set(NOT_IMPORTED), "in pyproject.toml and not imported in lora_nb/"


def test_the_constraints_are_versions_alone_and_within_the_ranges():
    text = (HOME / "constraints.txt").read_text(encoding="utf-8")
    assert "://" not in text and "index" not in text and " @ " not in text and "/root" not in text
    everything = names_and_ranges(
        PROJECT["dependencies"]
        + PROJECT["optional-dependencies"]["test"]
        + PROJECT["optional-dependencies"]["lab"]
    )
    for name, wanted in everything.items():
        versions = [version for pinned, version, _ in pins() if pinned == colab_leg.plain(name)]
        assert versions and all(version in SpecifierSet(wanted) for version in versions), name


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13", "3.14"])
@pytest.mark.parametrize("system", ["Linux", "Darwin", "Windows"])
def test_each_python_and_system_has_one_version_of_everything(python: str, system: str):
    platform = {"Linux": "linux", "Darwin": "darwin", "Windows": "win32"}[system]
    here = {
        "python_version": python, "python_full_version": f"{python}.9", "platform_system": system,
        "sys_platform": platform, "os_name": "nt" if system == "Windows" else "posix",
    }  # fmt: skip
    held = [name for name, _, marker in pins() if marker is None or marker.evaluate(here)]
    assert len(held) == len(set(held))
    wanted = {colab_leg.plain(name) for name in RANGES}
    assert wanted <= set(held)


def test_run_py_installed_what_the_constraints_say():
    stamp = HOME / ".venv" / "lora_nb.json"
    ours = Path(sys.prefix) == HOME / ".venv" and stamp.is_file()
    if not ours or json.loads(stamp.read_text(encoding="utf-8")).get("newest"):
        pytest.skip("only for the .venv of run.py without --newest")
    wanted = {name: version for name, version, marker in pins() if marker is None or marker.evaluate()}
    found = {colab_leg.plain(each.metadata["Name"]): each.version for each in metadata.distributions()}
    other = {name: version for name, version in found.items() if wanted.get(name, version) != version}
    assert {name: version for name, version in other.items() if name != "lora-nb"} == {}


def test_colab_is_never_constrained():
    said = [path.read_text(encoding="utf-8") for path in HOME.glob("notebooks/*.ipynb")]
    assert not any(
        "constraints.txt" in text for text in [*said, (HOME / "tests" / "colab_leg.py").read_text()]
    )


def test_the_colab_leg_sees_a_version_that_changed():
    before = colab_leg.pinned(HOME / "tests" / "colab_pins.txt")
    assert before["torch"] == "2.11.0" and before["huggingface-hub"] == "1.27.0"
    after = {**before, "pillow": "13.0.0", "more": "1.0"}
    del after["tornado"]
    assert colab_leg.changes(before, before) == []
    assert colab_leg.changes(before, after) == ["  pillow 11.3.0 -> 13.0.0", "  tornado 6.5.7 -> gone"]


def test_requirements_and_pyproject_agree():
    requirements = names_and_ranges((HOME / "requirements.txt").read_text(encoding="utf-8").splitlines())
    extras = PROJECT["optional-dependencies"]
    assert requirements == names_and_ranges(
        PROJECT["dependencies"] + extras["bitsandbytes"] + extras["fiftyone"]
    )


@pytest.mark.parametrize("name", [name for name in RANGES if colab_leg.plain(name) in OF_COLAB])
def test_what_colab_has_is_within_the_ranges(name):
    lowest, highest = re.fullmatch(r">=([\d.]+),<([\d.]+)", RANGES[name]).groups()
    assert numbers(lowest) <= numbers(OF_COLAB[colab_leg.plain(name)]) < numbers(highest)


def test_fiftyone_is_left_out_where_colab_would_have_to_change_for_it():
    line = next(
        line for line in (HOME / "requirements.txt").read_text().splitlines() if line.startswith("fiftyone")
    )
    assert 'python_version < "3.13"' in line


def test_the_package_says_its_version_and_the_changelog_knows_it():
    assert re.fullmatch(r"\d+\.\d+\.\d+", lora_nb.__version__)
    assert f"## {lora_nb.__version__}" in (HOME / "CHANGELOG.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_badge_leads_to_a_notebook_that_exists(page: Path):
    links = BADGE.findall(page.read_text(encoding="utf-8"))
    assert links
    for link in links:
        repository, _, path = link.partition("/blob/main/")
        assert repository == ADDRESS
        assert (HOME / path).is_file(), link
    if page.suffix == ".ipynb":
        assert links[0].endswith(page.name)


def test_both_notebooks_have_a_badge_on_both_pages():
    for page in PAGES[:2]:
        text = page.read_text(encoding="utf-8")
        assert all(f"/notebooks/{notebook.name})" in text for notebook in HOME.glob("notebooks/*.ipynb"))


@pytest.mark.parametrize("page", sorted(HOME.glob("*.md")), ids=lambda page: page.name)
def test_every_local_link_and_picture_is_there(page: Path):
    for target in re.findall(r"\]\(([^)#\s]+)\)", page.read_text(encoding="utf-8")):
        assert target.startswith("http") or (HOME / target).exists(), target


def test_the_readme_lists_every_module():
    text = (HOME / "README.md").read_text(encoding="utf-8")
    modules = [path.name for path in HOME.glob("lora_nb/*.py") if not path.name.startswith("__")]
    assert [name for name in modules if f"{name} " not in text] == []


def test_contributing_is_one_page():
    assert (HOME / "CONTRIBUTING.md").read_text(encoding="utf-8").count("\n") <= 60


@pytest.mark.skipif(os.name == "nt", reason="a shell script")
def test_ci_runs_the_tests():
    script = HOME / ".ci" / "run"
    assert os.access(script, os.X_OK)
    subprocess.run(["bash", "-n", str(script)], check=True)
    assert "python3 run.py test" in script.read_text()


def test_clips_vocabulary_ships_once_with_its_licence():
    (vocabulary,) = (HOME / "lora_nb").rglob("vocab.json")
    assert vocabulary.parent == HOME / "lora_nb" / "sd15" / "tokenizer"
    assert all((HOME / path).is_file() for path in PROJECT["license-files"])
    notice = (HOME / "lora_nb" / "sd15" / "NOTICE.md").read_text(encoding="utf-8")
    assert "OpenAI" in notice and "lora_nb/sd15/NOTICE.md" in PROJECT["license-files"]


def test_the_examples_are_whole():
    for path in HOME.glob("lora_nb/demo/examples/*.zip"):
        with zipfile.ZipFile(path) as archive:
            assert archive.testzip() is None


def test_notebooks_are_stored_without_outputs():
    for path in HOME.glob("notebooks/*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        code = [cell for cell in cells if cell["cell_type"] == "code"]
        assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in code)
