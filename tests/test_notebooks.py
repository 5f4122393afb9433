"""The notebooks: thin, clean, linked, and run whole by the kernel that users have."""

import ast
import itertools
import os
import queue
import re
import subprocess
import sys
import time
import tomllib
import types
from pathlib import Path

import nbformat
import pytest
from jupyter_client.manager import KernelManager
from nbclient import NotebookClient
from test_tagger import build

from lora_nb import events, project, settings
from lora_nb.bases import lookup, stable_files
from lora_nb.config.project import Handover
from lora_nb.config.training import TrainConfig
from lora_nb.forms import DatasetMaker, LoraTrainer, review
from lora_nb.settings import make
from lora_nb.shell import jobs

HOME = Path(__file__).parents[1]
NOTEBOOKS = sorted((HOME / "notebooks").glob("*.ipynb"))
REPOSITORY = tomllib.loads((HOME / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"][
    "Repository"
]
MAKER, TRAINER = HOME / "notebooks" / "Dataset_Maker.ipynb", HOME / "notebooks" / "LoRA_Trainer.ipynb"
FORBIDDEN = (
    ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.If, ast.For, ast.While, ast.Try, ast.Lambda, ast.IfExp,
)  # fmt: skip

each = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(path: Path) -> list[nbformat.NotebookNode]:
    return [cell for cell in read(path).cells if cell.cell_type == "code"]


def python_of(cell: nbformat.NotebookNode) -> str:
    """The cell with `!` lines as calls, so that `ast` reads them and counts them."""
    return re.sub(r"^[!%].*$", "shell()", cell.source, flags=re.MULTILINE)


def test_there_are_two():
    assert NOTEBOOKS == [MAKER, TRAINER]


@each
def test_cells_are_thin(path):
    for cell in code_cells(path):
        tree = ast.parse(python_of(cell), mode="exec", type_comments=False)
        assert len(tree.body) <= 5, cell.source
        assert not [node for node in ast.walk(tree) if isinstance(node, FORBIDDEN)], cell.source
        assert "input(" not in cell.source


@each
def test_each_cell_is_announced_and_a_form(path):
    cells = read(path).cells
    for before, cell in itertools.pairwise(cells):
        if cell.cell_type == "code":
            assert before.cell_type == "markdown" and before.source.startswith("## ")
            assert cell.source.startswith("# @title ") and cell.metadata.cellView == "form"


@each
def test_stored_clean_and_for_a_gpu(path):
    notebook = read(path)
    nbformat.validate(notebook)
    assert notebook.metadata.accelerator == "GPU"
    assert notebook.metadata.kernelspec.name == "python3"
    assert all(cell.outputs == [] and cell.execution_count is None for cell in code_cells(path))


@each
def test_badges_and_links_lead_somewhere(path):
    text = path.read_text(encoding="utf-8")
    owner = REPOSITORY.removeprefix("https://github.com/")
    first = read(path).cells[0].source
    assert f"https://colab.research.google.com/github/{owner}/blob/main/notebooks/{path.name}" in first
    assert set(re.findall(r"github(?:\.com)?/([\w.-]+/[\w.-]+?)(?:\\?\"|/blob)", text)) == {owner}
    other = {MAKER: TRAINER, TRAINER: MAKER}[path]
    assert f"]({other.name})" in text
    for name in re.findall(r"\]\(([\w.]+)\)", text):
        assert (HOME / "notebooks" / name).is_file()


@each
def test_every_method_a_cell_calls_exists(path):
    cls, name = {MAKER: (DatasetMaker, "maker"), TRAINER: (LoraTrainer, "trainer")}[path]
    called = re.findall(rf"(await )?{name}\.(\w+)\(\)", "\n".join(cell.source for cell in code_cells(path)))
    assert len(called) >= 6
    for awaited, method in called:
        import inspect

        assert inspect.iscoroutinefunction(getattr(cls, method)) == bool(awaited), method


def set_up(path: Path) -> tuple[list[str], str]:
    """The first cell: its lines of Python, and the one for the shell."""
    lines = code_cells(path)[0].source.splitlines()
    return [line for line in lines if line[0] not in "!#"], next(line[1:] for line in lines if line[0] == "!")


@each
def test_the_first_cell_is_folded_and_offers_a_release_the_newest_and_a_copy_in_drive(path):
    cell = code_cells(path)[0]
    assert cell.metadata.jupyter.source_hidden
    offered = ast.literal_eval(re.search(r"# @param (\[.*?\])", cell.source)[1])
    assert offered == [
        f"{REPOSITORY}/archive/release.zip", f"{REPOSITORY}/archive/main.zip", "/content/drive/MyDrive/lora_nb",
    ]  # fmt: skip
    assert f'source = "{offered[0]}"' in cell.source


@each
@pytest.mark.parametrize("in_drive", [True, False])
def test_the_drive_is_asked_for_where_the_copy_there_is_chosen_and_nowhere_else(path, in_drive, monkeypatch):
    asked = []
    drive, colab, google = (
        types.ModuleType(name) for name in ("google.colab.drive", "google.colab", "google")
    )
    drive.mount, colab.drive, google.colab = asked.append, drive, colab
    for module in (drive, colab, google):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(sys, "path", [*sys.path])
    lines, _ = set_up(path)
    if in_drive:
        lines[0] = 'source = "/content/drive/MyDrive/lora_nb"'
    exec("\n".join(lines[:-1]), {})
    assert asked == ["/content/drive"] * in_drive and sys.path[-1] == ".."


@each
def test_where_lora_nb_cannot_be_had_one_sentence_says_what_to_do(path, tmp_path):
    line = (
        set_up(path)[1]
        .replace("{sys.executable}", f"{sys.executable} -S -E")
        .replace("{source}", "/nowhere/lora_nb")
    )
    said = subprocess.run(line, shell=True, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert said.stdout.startswith("lora_nb was not found at /nowhere/lora_nb. Put its folder into your Drive")
    beside = subprocess.run(
        line, shell=True, cwd=HOME / "notebooks", capture_output=True, text=True, timeout=60
    )
    assert (beside.returncode, beside.stdout, beside.stderr) == (0, "", ""), "found in the folder it lies in"


def execute(path: Path, folder: Path, after: dict[str, str]) -> list[str]:
    """Run the notebook whole in `folder`, with a line of code after the cells that `after` names; what was shown.

    What is shown is each cell's text, with the values of the widgets in it at the end.
    """
    notebook = read(path)
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        cells += [
            nbformat.v4.new_code_cell(line) for call, line in after.items() if f".{call}()" in cell.source
        ]
    notebook.cells = cells
    client = NotebookClient(
        notebook, timeout=600, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(HOME), os.environ.get("PYTHONPATH")]))
    client.execute()
    return [shown(cell, client.widget_state) for cell in notebook.cells if cell.cell_type == "code"]


def shown(cell: nbformat.NotebookNode, widgets: dict) -> str:
    texts = []
    for output in cell.outputs:
        assert output.output_type != "error", output
        assert output.get("name") != "stderr", output.text
        model = output.get("data", {}).get("application/vnd.jupyter.widget-view+json")
        texts.append(text_of(model["model_id"], widgets) if model else output.get("text", ""))
    return " ".join(texts)


def text_of(model_id: str, widgets: dict) -> str:
    state = widgets.get(model_id, {})  # nbclient hears nothing of what a finished cell still shows
    value = state.get("value", "")
    inside = [text_of(child.removeprefix("IPY_MODEL_"), widgets) for child in state.get("children", ())]
    own = re.sub(r"<[^>]+>", " ", value) if isinstance(value, str) else ""
    return re.sub(r"\s+", " ", " ".join([own, *inside]))


@pytest.mark.slow
def test_both_run_whole_from_the_example_to_the_grid(tmp_path, tiny_base, monkeypatch):
    """Run all, in order, in one folder: nothing is filled in but the example's name, and sizes for a test."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    tagger = "demo" if review.DEMO_TAGGER.is_dir() else str(build(tmp_path / "tagger"))
    base = lookup.DEMO if stable_files.DEMO_FOLDER.is_dir() else str(tiny_base)
    said = execute(MAKER, tmp_path, {
        "choose_project": "maker.project.form.write(project='example')",
        "caption": f"maker.captioning.forms['tags'].write(tagger={tagger!r})",
    })  # fmt: skip
    text = " ".join(said)
    assert "Problem" not in text, text
    assert "Imported 24 pictures" in text and "4 pictures set aside" in text
    assert "20 pictures tagged" in text and "20 of 20 captions changed" in text
    assert "20 pictures are ready" in said[12] and "No version yet" not in said[13]
    small = f"pretrained_model_name_or_path={base!r}, num_repeats=1, max_train_epochs=2, sample_prompts=('ohwx --s 2',)"
    said = execute(TRAINER, tmp_path, {
        "choose_settings": f"trainer.settings.form.write({small})",
        "draw_grid": "trainer.grid.form.write(steps=2)",
        "try_it": "trainer.trying.form.write(steps=2)",
    })  # fmt: skip
    text = " ".join(said)
    assert "Problem" not in text, text
    assert "📈 Found 20 images with 1 repeat, equaling 20 steps." in text
    assert "OK Done: " in text and "step 10 of 10" in text
    folders = tmp_path / "Loras" / "example"
    assert sorted(path.name for path in (folders / "output").glob("*.safetensors")) == [
        "example-01.safetensors", "example-02.safetensors",
    ]  # fmt: skip
    assert list((folders / "runs" / "example").glob("grid*.png"))
    assert settings.load(Handover, folders / "project.toml").captioned == 20


@pytest.mark.slow
def test_run_all_as_shipped_says_what_is_missing_and_claims_nothing(tmp_path):
    said = execute(MAKER, tmp_path, {})
    assert "No pictures have arrived" in " ".join(said) and said[2].count("OK ") == 0
    # The gallery, what is done only if a person likes, and the extras say nothing of it unasked.
    assert [text.count("holds no picture") for text in said[3:]] == [0, 1, 0, 1, 0, 1, 1, 1, 0, 0, 0]
    said = execute(TRAINER, tmp_path, {})
    assert "OK " not in " ".join(said[2:]), said
    folders = tmp_path / "Loras" / "my_character"
    assert [path for path in folders.rglob("*") if path.is_file()] == []


@pytest.fixture
def kernel(tmp_path):
    """A kernel of this Python, as a notebook starts one; `kernel[1]` sends and receives its messages."""
    manager = KernelManager(kernel_name="python3")
    path = os.pathsep.join(filter(None, [str(HOME), os.environ.get("PYTHONPATH")]))
    manager.start_kernel(cwd=str(tmp_path), env={**os.environ, "PYTHONPATH": path, "HF_HUB_OFFLINE": "1"})
    client = manager.blocking_client()
    client.start_channels()
    client.wait_for_ready(timeout=60)
    yield manager, client
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def click(client, model_id: str, shell: str = "") -> str:
    """Send what the browser sends when a button is pressed, to a subshell if it is named; the message's id."""
    data = {"method": "custom", "content": {"event": "click"}}
    message = client.session.msg("comm_msg", {"comm_id": model_id, "data": data})
    if shell:
        message["header"]["subshell_id"] = shell
    client.shell_channel.send(message)
    return message["header"]["msg_id"]


def printed(client, message_id: str) -> str:
    text = ""
    while True:
        message = client.get_iopub_msg(timeout=60)
        if message["parent_header"].get("msg_id") != message_id:
            continue
        if message["msg_type"] == "stream":
            text += message["content"]["text"]
        assert message["msg_type"] != "error", message["content"]
        if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
            return text


def wait_for_words(client, words: str) -> None:
    """Wait until these words were printed; a line may arrive in pieces."""
    text = ""
    while words not in text:
        text += client.get_iopub_msg(timeout=60)["content"].get("text", "")


BUTTON = """
import time
import ipywidgets as W
from lora_nb.forms.follow import pause
pressed, order, button = [], [], W.Button()
button.on_click(lambda _: pressed.append(time.time()))
print(button.model_id)
"""
WAITING = """
begin = time.time()
while not pressed and time.time() - begin < 30: await pause(0.1)
order.append("waiting cell")
"""


def test_a_button_is_answered_while_a_cell_runs_and_later_cells_wait_their_turn(kernel):
    client = kernel[1]
    model_id = printed(client, client.execute(BUTTON)).strip()
    client.execute(WAITING)
    after = client.execute("order.append('next cell'); print(order, pressed)")
    time.sleep(1)
    sent = time.time()
    click(client, model_id)
    order, pressed = re.fullmatch(r"(\[.*\]) \[(.*)\]\s*", printed(client, after)).groups()
    assert order == "['waiting cell', 'next cell']"
    assert float(pressed) - sent < 1


@pytest.mark.slow
def test_interrupting_the_kernel_stops_the_training_cleanly(kernel, tmp_path, tiny_base, make_pictures):
    manager, client = kernel
    folders = project.project_folders(tmp_path, "cat")
    make_pictures(folders.dataset, 4)
    run = make(TrainConfig,
        pretrained_model_name_or_path=str(tiny_base), max_train_epochs=500, sample_every_n_epochs=0,
        save_every_n_epochs=500, rank=2, grid=False,
    )  # fmt: skip
    settings.save(run, folders.runs / "cat" / "run.toml")
    start = "from lora_nb.forms import LoraTrainer; trainer = LoraTrainer(); trainer.choose_project()"
    printed(client, client.execute(start))
    training = client.execute("await trainer.train()")
    waiting = client.execute("print('the next cell ran')")
    until = time.monotonic() + 120
    while not (job := jobs.latest(folders, "train")) or not any(
        isinstance(event, events.StepLog) for event in jobs.events(job)[0]
    ):
        assert time.monotonic() < until
        time.sleep(0.1)
    manager.interrupt_kernel()
    reply = next(
        r
        for r in iter(lambda: client.get_shell_msg(timeout=60), None)
        if r["parent_header"]["msg_id"] == training
    )
    assert reply["content"]["status"] == "error"
    assert reply["content"]["traceback"] == [
        "Stopped, and what was learnt is kept: run this cell again to go on."
    ]
    assert jobs.finished(job).status == "stopped"
    reply = client.get_shell_msg(timeout=60)
    assert (reply["parent_header"]["msg_id"], reply["content"]["status"]) == (waiting, "aborted")


STEP = """
import asyncio, threading
from lora_nb.forms.presses import Presses
from lora_nb.forms.step import Step
worked = []
def here(): return threading.current_thread().name, id(asyncio.get_running_loop())
async def work():
    worked.append(here())
    await asyncio.sleep(0.01)
    return "done"
step = Step("Go", work, [], presses=Presses())
step.show()
print(step.button.model_id)
"""
CELL = """
print("begun")
begin = time.time()
while (len(worked) < {} or step.button.disabled) and time.time() - begin < 30: await pause(0.02)
print(len(worked), set(worked) == {{here()}}, here()[0])
"""


def subshell(manager: KernelManager) -> str:
    """A second shell of the kernel, as JupyterLab opens one for its widgets; "" where the kernel knows none."""
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.control_channel.send(client.session.msg("create_subshell_request", {}))
        return client.get_control_msg(timeout=10)["content"].get("subshell_id", "")
    except queue.Empty:  # ipykernel 6 does not answer
        return ""
    finally:
        client.stop_channels()


def test_a_press_is_carried_out_in_the_loop_of_the_cells_wherever_it_arrives(kernel):
    """JupyterLab sends presses to a second shell, which ipykernel 7 runs in a thread with a loop of its own."""
    manager, client = kernel
    printed(client, client.execute(BUTTON))
    model_id = printed(client, client.execute(STEP)).strip()
    other = subshell(manager)
    for number, shell in enumerate(("", other, other)):
        printed(client, click(client, model_id, shell))  # no cell runs
        done = printed(client, client.execute(CELL.format(2 * number + 1)))
        assert done == f"begun\n{2 * number + 1} True MainThread\n"
        running = client.execute(CELL.format(2 * number + 2))
        wait_for_words(client, "begun\n")
        click(client, model_id, shell)
        assert printed(client, running) == f"{2 * number + 2} True MainThread\n"
