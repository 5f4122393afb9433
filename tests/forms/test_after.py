"""What the last cell offers of a run: its files with their figures, and what is done with them, each really done."""

import asyncio
import zipfile
from pathlib import Path
from urllib.parse import unquote

import pytest
from finished_run import make_run
from test_dataset_maker import buttons, press, words

from lora_nb.forms import LoraTrainer


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch, make_pictures) -> LoraTrainer:
    """The notebook opened on a project with a finished run."""
    monkeypatch.chdir(tmp_path)
    base = tmp_path / "Loras" / "cat"
    make_pictures(base / "dataset", 2)
    make_run(base)
    made = LoraTrainer()
    made.project.form.write(project="cat")
    return made


def links(widget) -> list[str]:
    """The addresses of the links in the outputs of a widget."""
    found = [output["data"]["text/html"] for output in getattr(widget, "outputs", ())]
    found = [unquote(text.split('href="')[1].split('"')[0]) for text in found]
    return found + [link for child in getattr(widget, "children", ()) for link in links(child)]


def test_each_file_has_its_figures_and_a_link_that_leads_to_it(trainer, tmp_path):
    asyncio.run(trainer.download())
    shown = words(trainer.files.place)
    assert "0.0 MB, epoch 1, step 3, mean loss 0.2500, on the pictures it is checked with 0.1250" in shown
    assert "step 4" in shown and "dog-01" not in shown
    found = links(trainer.files.place)
    assert [Path(link).name for link in found] == [
        "cat-01.safetensors", "cat-02.safetensors", "cat-step000004.safetensors",
    ]  # fmt: skip
    assert all((tmp_path / link).is_file() for link in found)


def test_packing_copying_looking_and_describing_are_done(trainer, tmp_path):
    async def person():
        await trainer.choose_settings()
        await trainer.download()
        steps = trainer.after.steps
        assert "cat.zip" in await press(steps["pack"])
        assert links(steps["pack"].widget) == ["Loras/cat/runs/cat/cat.zip"]
        steps["copy"].form.write(to=str(tmp_path / "drive"), lora_files=("cat-02",))
        assert "3 files are in" in await press(steps["copy"])
        assert "already, byte for byte" in await press(steps["copy"])
        assert "is a readable LoRA" in await press(steps["inspect"])
        assert "Author: Anna" in words(steps["inspect"].panel.widget)
        assert "README.md" in await press(steps["card"])
        steps["push"].form.write(repo_id="nonsense")
        assert "not of the form name/model" in await press(steps["push"])

    asyncio.run(person())
    with zipfile.ZipFile(tmp_path / "Loras" / "cat" / "runs" / "cat" / "cat.zip") as archive:
        assert "cat-02.png" in archive.namelist()
    assert (tmp_path / "drive" / "cat-02.safetensors").is_file()


def test_the_steps_stand_folded_behind_their_names(trainer):
    asyncio.run(trainer.download())
    rows = trainer.files.place.children[0].children
    openers = [row for row in rows if hasattr(row, "value") and row.value is False]
    assert len(openers) == 5 and "Put all into one zip" in openers[0].description
    inside = rows[rows.index(openers[0]) + 1]
    assert inside.layout.display == "none"
    openers[0].value = True
    assert inside.layout.display == "" and buttons(inside)
