"""The list of runs with real widgets, pressed, on a real queue."""

import asyncio
from pathlib import Path

import pytest
from test_comparison import leave
from test_dataset_maker import words

from lora_nb import settings
from lora_nb.config.project import Handover
from lora_nb.forms import LoraTrainer
from lora_nb.forms.run_row import RunRow
from lora_nb.shell import queue, queue_file, queue_turns
from lora_nb.shell.queue_file import Worker

SHORT = {"num_repeats": 1, "max_train_epochs": 1, "rank": 2, "alpha": 1.0}


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch, make_pictures, tiny_base) -> LoraTrainer:
    """The notebook at its list of runs, with settings that can be trained."""
    monkeypatch.chdir(tmp_path)
    base = tmp_path / "Loras" / "cat"
    make_pictures(base / "dataset", 2)
    settings.save(Handover("cat", "ohwx, cat", "tags", 2, 2), base / "project.toml")
    made = LoraTrainer()
    made.choose_project()
    asyncio.run(made.choose_settings())
    made.settings.form.write(pretrained_model_name_or_path=str(tiny_base), **SHORT)
    return made


def rows(trainer: LoraTrainer) -> list[RunRow]:
    found = {each.widget: each for each in trainer.runs.shown.values()}
    return [found[widget] for widget in trainer.runs.rows.children]


def names(trainer: LoraTrainer) -> list[str]:
    return [each.row.name for each in rows(trainer)]


def there(row: RunRow) -> set[str]:
    return {name for name, button in row.buttons.items() if button.layout.display != "none"}


def test_runs_are_queued_moved_paused_cancelled_and_taken_off(trainer):
    panel, form = trainer.runs, trainer.settings.form
    assert "No run yet" in panel.state.value and panel.start.layout.display == "none"
    panel.add.click()
    assert "Added to the queue: 1 cat" in panel.said.value
    panel.add.click()
    assert "this very run is in the queue already" in panel.said.value and "lora-nb-bad" in panel.said.value
    form.write(rank=4)
    panel.add.click()
    assert names(trainer) == ["cat", "cat-2"] and "The queue rests; 2 wait." in panel.state.value
    assert panel.start.layout.display == ""
    rows(trainer)[1].buttons["up"].click()
    assert names(trainer) == ["cat-2", "cat"]
    first = rows(trainer)[0]
    first.buttons["pause"].click()
    assert "paused" in first.words.value and "go_on" in there(first) and "pause" not in there(first)
    rows(trainer)[1].buttons["cancel"].click()
    assert "cancelled" in rows(trainer)[1].words.value and "up" not in there(rows(trainer)[1])
    rows(trainer)[1].buttons["remove"].click()
    assert names(trainer) == ["cat-2"]


def test_a_bad_setting_is_said_and_nothing_is_queued(trainer):
    trainer.settings.form.fields["rank"].control.value = 0
    trainer.runs.add.click()
    assert "size of the LoRA&quot; = 0 is not usable" in trainer.runs.said.value and not rows(trainer)


def test_what_a_worker_does_is_seen_and_a_lost_run_says_so(trainer):
    panel, folders = trainer.runs, trainer.project.folders()
    panel.add.click()
    folder = queue.project.queue_of(folders)
    dead = Worker("elsewhere", 1, 1.0, 0.0)
    queue_turns.sign_on(folder, "cpu", Worker.this_process())
    entry = queue_turns.take(folder, "cpu", Worker.this_process())
    panel.refresh()
    row = rows(trainer)[0]
    assert "running" in row.words.value and there(row) == {"pause", "cancel"}
    assert "The queue is at work" in panel.state.value and panel.start.layout.display == "none"
    row.buttons["pause"].click()
    assert "saving its state" in row.said.value and row.buttons["pause"].disabled
    with queue_file.changing(folder) as change:
        change.queue.workers["cpu"] = dead
        change.put(entry, wanted="")
    panel.refresh()
    assert (
        "gone" in row.said.value and "lora-nb-warning" in row.said.value and panel.start.layout.display == ""
    )


def test_a_failed_run_shows_its_error_and_goes_into_the_form_again(trainer):
    panel, folders = trainer.runs, trainer.project.folders()
    panel.add.click()
    folder = queue.project.queue_of(folders)
    queue_turns.update(folder, 1, state="failed", text="The disk is full: free some space.")
    trainer.settings.form.write(rank=9)
    panel.refresh()
    row = rows(trainer)[0]
    assert "The disk is full" in row.said.value and "lora-nb-bad" in row.said.value
    row.buttons["again"].click()
    assert trainer.settings.form.read().network.rank == 2
    assert "are in the form above" in panel.said.value


def test_a_sweep_queues_a_run_for_each_value(trainer):
    panel = trainer.runs
    assert panel.sweep.widget.layout.display == "none"
    panel.several.value = True
    assert panel.sweep.widget.layout.display == ""
    panel.sweep.button.click()
    assert "no values are given" in panel.said.value
    panel.sweep.pairs[0][1].value = "1e-4, 2e-4"
    panel.sweep.pairs[1][1].value = "2, 0"
    panel.sweep.button.click()
    assert (
        "size of the LoRA" in panel.said.value
        and "= 0 is not usable" in panel.said.value
        and not rows(trainer)
    )
    panel.sweep.pairs[1][1].value = ""
    panel.sweep.button.click()
    assert names(trainer) == ["cat_learning_rate_0.0001", "cat_learning_rate_0.0002"]


def test_runs_that_never_were_queued_are_listed_compared_and_hidden(trainer):
    panel, folders = trainer.runs, trainer.project.folders()
    for name, rate in (("old", 1e-4), ("older", 2e-4)):
        leave(folders.runs / name, rate, [0.3, 0.2])
    panel.refresh()
    assert sorted(names(trainer)) == ["old", "older"]
    assert {each.row.state for each in rows(trainer)} == {"done"}
    assert {(each.bar.value, each.bar.max) for each in rows(trainer)} == {(2, 2)}
    panel.compare.click()
    assert "tick the boxes" in panel.said.value
    for each in rows(trainer):
        each.tick.value = True
    panel.compare.click()
    assert "<th>learning rate</th>" in panel.compared.value and panel.compared.value.count("<polyline") == 2
    assert not any("download" in there(each) for each in rows(trainer))
    made = folders.output / "old-01.safetensors"
    made.parent.mkdir(exist_ok=True)
    made.write_bytes(b"")
    panel.refresh()
    (old,) = (each for each in rows(trainer) if each.row.name == "old")
    assert "download" in there(old)
    old.buttons["download"].click()
    (link,) = panel.given.children[0].outputs
    assert "download" in link["data"]["text/html"] and made.name in link["data"]["text/html"]
    rows(trainer)[0].buttons["remove"].click()
    assert len(rows(trainer)) == 1 and len(list(folders.runs.glob("*/run.toml"))) == 2


def test_the_list_is_kept_up_to_date_while_a_cell_runs(trainer):
    async def person():
        await trainer.choose_settings()
        queue.add(trainer.settings.config())
        for _ in range(200):
            await asyncio.sleep(0.05)
            if rows(trainer):
                break
        assert names(trainer) == ["cat"]

    asyncio.run(person())


def test_another_project_shows_its_own_runs_and_the_queue_of_both(trainer, make_pictures):
    folders = trainer.project.folders()
    leave(folders.runs / "old", 1e-4, [0.3])
    trainer.runs.add.click()
    assert names(trainer) == ["cat", "old"]
    make_pictures(folders.base.parent / "dog" / "dataset", 2)
    trainer.project.form.write(project="dog")
    assert names(trainer) == ["cat"]
    assert "cat ·" in words(trainer.runs.rows)
