import importlib.util
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HOME = Path(__file__).parents[1]
PYTHON = Path("Scripts/python.exe" if os.name == "nt" else "bin/python")


@pytest.fixture(scope="module")
def some_venv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("venv") / ".venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    return folder


@pytest.fixture
def run(tmp_path: Path):
    """run.py of a folder that holds nothing else but a list of packages."""
    (tmp_path / "run.py").write_bytes((HOME / "run.py").read_bytes())
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\n')
    (tmp_path / "constraints.txt").write_text("a==1\n")
    spec = importlib.util.spec_from_file_location("run", tmp_path / "run.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.COMPLETE = "pass"
    return module


@pytest.fixture
def installed(run, some_venv: Path, monkeypatch) -> list[list[str]]:
    """The extras of every installation; nothing is downloaded, and .venv holds pip alone."""
    shutil.copytree(some_venv, run.VENV, symlinks=True)
    asked: list[list[str]] = []
    monkeypatch.setattr(run, "install", lambda python, extras, newest: asked.append(extras))
    return asked


def test_the_environment_is_made_once(run, installed):
    shutil.rmtree(run.VENV)
    python = run.ensure_environment([])
    assert python == run.VENV / PYTHON and python.exists()
    assert run.ensure_environment([]) == python
    assert installed == [[]]


def test_another_verb_adds_what_it_needs_and_keeps_the_rest(run, installed):
    for extras in ([], ["test"], ["lab"], ["test"], []):
        run.ensure_environment(extras)
    assert installed == [[], ["test"], ["lab", "test"]]


def test_a_changed_list_of_packages_or_versions_installs_again(run, installed):
    run.ensure_environment([])
    (run.HOME / "pyproject.toml").write_text('[project]\nname = "y"\n')
    run.ensure_environment([])
    (run.HOME / "constraints.txt").write_text("a==2\n")
    run.ensure_environment([])
    run.ensure_environment([], newest=True)
    run.ensure_environment([], newest=True)
    assert installed == [[], [], [], []]


@pytest.mark.parametrize("newest", [False, True])
def test_the_versions_are_those_last_tested_or_the_newest(run, monkeypatch, newest):
    lines = []
    done = subprocess.CompletedProcess([], 0)
    monkeypatch.setattr(run.subprocess, "run", lambda line, **_: lines.append(line) or done)
    run.install(run.python_of(run.VENV), ["test"], newest)
    constrained = lines[0][lines[0].index("-c") + 1 :][:1] if "-c" in lines[0] else []
    assert constrained == ([] if newest else [str(run.CONSTRAINTS)])
    assert ("--upgrade" in lines[0]) is newest and lines[0][-2:] == ["-e", ".[test]"]


@pytest.mark.parametrize(
    "content", ["", "{}", "[]", '{"extras": 3}', "\x00", '{"fingerprint": "other", "extras": []}']
)
def test_a_damaged_stamp_installs_again(run, installed, content):
    run.ensure_environment([])
    (run.VENV / run.STAMP).write_text(content)
    run.ensure_environment([])
    assert installed == [[], []]


def test_an_environment_whose_python_is_gone_is_made_anew(run, installed):
    python = run.ensure_environment([])
    python.unlink()
    assert run.ensure_environment([]) == python
    assert run.works(python, "import pip")
    assert installed == [[], []]


def test_an_environment_that_lost_its_packages_installs_again(run, installed):
    run.ensure_environment([])
    run.COMPLETE = "import a_package_that_is_gone"
    run.ensure_environment([])
    assert installed == [[], []]


def test_an_installation_that_failed_is_not_taken_for_whole(run, some_venv: Path):
    shutil.copytree(some_venv, run.VENV, symlinks=True)
    (run.HOME / "pyproject.toml").write_text("not toml")
    for _ in range(2):
        with pytest.raises(run.Trouble, match="The installation failed"):
            run.ensure_environment([])
    assert not (run.VENV / run.STAMP).exists()


@pytest.mark.parametrize("version", [(3, 9), (3, 10), (2, 7)])
def test_an_old_python_is_told_what_to_do(run, version):
    with pytest.raises(
        run.Trouble, match=r"This is Python \d\.\d+, and 3\.11 or newer is needed: (run it|install)"
    ):
        run.check_python(version)


def test_a_python_without_pip_is_told_what_to_install(run, monkeypatch):
    """Debian's python3 without python3-venv says so and fails."""
    said = subprocess.CompletedProcess(
        [], 1, "", "The virtual environment was not created: ensurepip is not available"
    )
    monkeypatch.setattr(run.subprocess, "run", lambda *_, **__: said)
    with pytest.raises(run.Trouble, match="apt-get install python3-venv"):
        run.make_venv()


def test_an_unknown_verb_shows_the_three_there_are(run, capsys):
    assert run.main(["bake"]) == 2
    assert run.main([]) == 2
    assert run.main(["--help"]) == 0
    assert "run.py demo" in capsys.readouterr().out


def test_a_trouble_is_one_sentence(run, capsys, monkeypatch):
    monkeypatch.setattr(run, "OLDEST", (99, 0))
    assert run.main(["demo"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1 and "99.0 or newer is needed" in said


def test_arguments_go_on_to_pytest_and_its_exit_code_comes_back(run, installed, monkeypatch):
    monkeypatch.setattr(run, "ensure_environment", lambda extras, newest: sys.executable)
    monkeypatch.setattr(run, "newcomer_passes", lambda newest: True)
    (run.HOME / "test_it.py").write_text("def test_good(): pass\ndef test_bad(): assert 0\n")
    assert run.main(["test", "-q", "-k", "good", "-p", "no:cacheprovider"]) == 0
    assert run.main(["test", "--newest", "-q", "-k", "bad", "-p", "no:cacheprovider"]) == 1


def test_the_newcomers_check_comes_before_the_test_packages(run, installed, capsys, monkeypatch):
    (run.HOME / "tests").mkdir()
    (run.HOME / "tests" / "newcomer.py").write_text("raise SystemExit(3)")
    monkeypatch.delenv("CI", raising=False)
    assert run.main(["test"]) == 1 and installed == [[]]
    (run.HOME / "tests" / "newcomer.py").write_text("import sys; print(sys.prefix)")
    assert run.newcomer_passes(newest=False) and installed == [[]]
    capsys.readouterr()
    monkeypatch.setattr(run, "MORE_THAN_RUNTIME", "pass")
    assert run.newcomer_passes(newest=False) and installed == [[]]
    assert "newcomer's check is left out: .venv holds the test packages already" in capsys.readouterr().out
    monkeypatch.setenv("CI", "true")
    shutil.copytree(run.VENV, run.NEWCOMER_VENV, symlinks=True, ignore=shutil.ignore_patterns(run.STAMP))
    assert run.newcomer_passes(newest=False) and installed == [[], []]
    assert (run.NEWCOMER_VENV / run.STAMP).is_file()


def test_a_missing_browser_is_said_and_not_installed_at_home(run, capsys, monkeypatch):
    monkeypatch.setattr(run.shutil, "which", lambda name: None)
    monkeypatch.delenv("CI", raising=False)
    run.ensure_browser()
    assert "the tests that drive a browser are skipped" in capsys.readouterr().out


def test_the_demo_says_where_everything_is(run):
    project = run.HOME / run.PROJECT
    with pytest.raises(run.Trouble, match="without LoRA files"):
        run.results(project)
    for path in (
        "output/demo-01.safetensors",
        "output/demo-02.safetensors",
        "output/demo-dark-01.safetensors",
        "runs/demo/grid.png",
        "report/curate.json",
    ):
        (project / path).parent.mkdir(parents=True, exist_ok=True)
        (project / path).touch()
    legend = {"pictures": [{"prompt": "ohwx <lora:demo-01:1>"}]}
    (project / "runs" / "demo" / "grid.json").write_text(json.dumps(legend))
    said = "\n".join(run.results(project))
    assert (
        "demo-02.safetensors (and 1 more" in said and "grid.png" in said and str(project / "report") in said
    )


def test_the_demo_says_which_step_is_at_work_and_what_to_do_when_it_fails(run, capfd, monkeypatch, tmp_path):
    """A package of our name stands for the library: what is tried is what run.py says around it."""
    (tmp_path / "lora_nb").mkdir()
    (tmp_path / "lora_nb" / "__init__.py").touch()
    (tmp_path / "lora_nb" / "__main__.py").write_text("import sys; sys.exit(3 * (sys.argv[1] == 'tag'))")
    assert run.demo(Path(sys.executable), []) == 3
    said = capfd.readouterr()
    steps = [line for line in said.out.splitlines() if line.startswith("==> ")]
    assert [line.partition(" (about")[0] for line in steps] == [
        "==> step 1 of 6: copying the pictures in",
        "==> step 2 of 6: setting damaged pictures and duplicates aside",
        "==> step 3 of 6: tagging",
    ]
    assert all("left in all)" in line for line in steps)
    assert "The demo stopped at step 3 of 6: tagging: the lines above say why" in said.err
    assert "Run `python3 run.py demo` again to go on from there" in said.err


def test_the_first_line_of_the_demo_says_how_long_all_of_it_takes(run, monkeypatch, capsys):
    def ended(*_):
        raise run.Trouble("enough")

    monkeypatch.setattr(run, "ensure_environment", ended)
    assert run.main(["demo"]) == 2
    assert capsys.readouterr().out.strip() == (
        "==> The demo: first the set-up (3 to 15 minutes, mostly downloads), then 6 steps in about "
        + run.in_words(run.seconds_left(run.DEMO_STEPS, 0, 0))
    )
    assert run.main(["demo", "fast"]) == 2
    assert "demo takes no arguments but --newest" in capsys.readouterr().err


def test_what_is_left_follows_what_the_steps_took(run):
    steps = run.DEMO_STEPS
    ordinary = sum(seconds for _, seconds in run.DOING.values())
    assert run.seconds_left(steps, 0, 0) == ordinary
    early = run.DOING["import"][1] + run.DOING["curate"][1]
    slow, fast = (run.seconds_left(steps[2:], early * pace, early) for pace in (3, 0.3))
    assert fast < ordinary - early < slow
    words = {5.2: "5 s", 30: "30 s", 61: "1 min", 98: "1 min 40 s", 240.4: "4 min", 0: "1 s"}
    assert {seconds: run.in_words(seconds) for seconds in words} == words


def test_every_demo_step_has_its_settings(run):
    assert {path.stem for path in (HOME / "configs" / "demo").glob("*.toml")} == set(run.DEMO_STEPS)


def test_run_py_needs_the_standard_library_alone():
    code = "import json, sys; before = set(sys.modules); import run; print(json.dumps(sorted(set(sys.modules) - before)))"
    said = subprocess.run([sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(HOME)!r}); {code}"],
                          capture_output=True, text=True, check=True)  # fmt: skip
    loaded = {name.partition(".")[0] for name in json.loads(said.stdout)}
    assert loaded - {"run"} <= set(sys.stdlib_module_names)


@pytest.mark.skipif(os.name == "nt", reason="Windows hands Ctrl-C to a whole console")
@pytest.mark.parametrize(("ends", "code", "says"), [("sys.exit(130)", 130, ""), ("sys.exit(0)", 130, "Interrupted; run the same line again to go on.")])  # fmt: skip
def test_ctrl_c_lets_the_running_step_save_first(run, tmp_path, ends, code, says):
    """The same Ctrl-C reaches run.py and its child, which takes longer than the quarter of a second Python grants."""
    child = f"""
import pathlib, signal, sys, time
def save(*_):
    time.sleep(1); pathlib.Path("saved").touch(); {ends}
signal.signal(signal.SIGINT, save); pathlib.Path("ready").touch(); time.sleep(60)
"""
    program = "import sys, run; run.check_python = lambda version: None; run.ensure_environment = lambda *_: sys.executable; "
    program += "run.demo = lambda python, *_: run.wait_for([python, '-c', sys.argv[1]]); sys.exit(run.main(['demo']))"
    program = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); " + program
    line = [sys.executable, "-c", program, child]
    process = subprocess.Popen(line, cwd=tmp_path, stderr=subprocess.PIPE, text=True, start_new_session=True)
    while not (tmp_path / "ready").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGINT)
    assert process.stderr.read().strip() == says
    assert (process.wait(), (tmp_path / "saved").exists()) == (code, True)
