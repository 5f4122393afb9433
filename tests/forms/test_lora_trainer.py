"""LoRA Trainer's steps with real widgets, pressed, and real trainings of a tiny base."""

import asyncio
import os
import time
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image
from test_after import links
from test_dataset_maker import buttons, press, words

import lora_nb
from lora_nb import events, presets, settings
from lora_nb.bases import suggested
from lora_nb.config.project import Handover
from lora_nb.config.training import TrainConfig
from lora_nb.forms import LoraTrainer
from lora_nb.forms.follow import Stopped
from lora_nb.forms.train_panel import TrainPanel, in_numbers, in_words
from lora_nb.forms.train_steps import DEMO_RUN
from lora_nb.project import Folders
from lora_nb.runs import RunFolder
from lora_nb.settings import make
from lora_nb.shell import jobs
from lora_nb.training.claim import claimed

SHORT = {
    "num_repeats": 1, "train_batch_size": 2, "max_train_epochs": 2, "rank": 2, "alpha": 1.0,
    "sample_prompts": ("ohwx --s 2",),
}  # fmt: skip
LONG = {
    **SHORT,
    "max_train_epochs": 500,
    "sample_every_n_epochs": 0,
    "save_every_n_epochs": 500,
    "grid": False,
}


@pytest.fixture
def trainer(tmp_path: Path, monkeypatch, make_pictures) -> LoraTrainer:
    """The notebook opened on a project that Dataset Maker left."""
    monkeypatch.chdir(tmp_path)
    base = tmp_path / "Loras" / "cat"
    make_pictures(base / "dataset", 4)
    settings.save(Handover("cat", "ohwx, cat", "tags", 4, 4), base / "project.toml")
    made = LoraTrainer()
    made.choose_project()
    return made


def test_presets_fill_the_form_and_leave_the_rest(trainer):
    step = trainer.settings
    step.show()
    step.form.write(seed=7)
    step.presets.press(step.presets.fill)
    assert "Choose a preset or a file" in step.panel.state.value
    step.presets.preset.value = "style_sd15"
    step.presets.press(step.presets.fill)
    given = presets.put_together(["style_sd15"])
    made = settings.values_of(settings.from_dict(TrainConfig, given))
    shown = settings.values_of(step.form.read())
    assert {name: shown[name] for name in given} == {name: made[name] for name in given}
    assert shown["seed"] == 7 and f"{len(given)} settings filled in" in step.panel.state.value
    assert step.form.changed() == ["seed"], "what a preset fills in is no change of the person's"
    step.questions.machine.value = "8gb"
    assert step.form.read().pictures.num_repeats == given["num_repeats"], "and answers leave it"


def test_the_settings_of_a_kohya_file_fill_the_form_and_what_is_left_is_named(trainer, tmp_path):
    step, path = trainer.settings, tmp_path / "kohya.toml"
    path.write_text("network_dim = 12\nunet_lr = 3e-4\nlr_scheduler = 'linear'\nxformers = true\n")
    step.show()
    step.presets.file.value = str(path)
    step.presets.press(step.presets.fill)
    shown = settings.values_of(step.form.read())
    assert (shown["rank"], shown["learning_rate"], shown["lr_scheduler"]) == (12, 3e-4, "linear")
    assert "1 are not taken over: xformers" in step.panel.state.value
    step.presets.file.value = str(tmp_path / "none.toml")
    step.presets.press(step.presets.fill)
    assert "none.toml" in step.panel.state.value and step.form.read().network.rank == 12


def test_each_form_says_when_its_kernel_is_gone_and_the_first_which_version_runs(trainer):
    parts = (trainer.project, trainer.settings, trainer.grid, trainer.trying, trainer.panel)
    assert len({part.widget.children[-1] for part in parts}) == 1
    (one,) = {part.widget.children[-1] for part in parts}
    one.send = (sent := []).append
    one._handle_custom_msg({"ask": 3}, [])
    assert sent == [{"re": 3}]
    assert f"lora_nb {lora_nb.__version__}, from {Path(lora_nb.__file__).parent}" in words(
        trainer.project.widget
    )


async def begin(trainer: LoraTrainer, base: Path, **changes) -> None:
    await trainer.choose_settings()
    trainer.settings.form.write(pretrained_model_name_or_path=str(base), **changes)


def last(folders: Folders) -> Path:
    """The settings of the project's only run."""
    return folders.runs / "cat" / "run.toml"


async def first_step(trainer: LoraTrainer) -> None:
    until = time.monotonic() + 120
    while trainer.panel.job is None or trainer.panel.step is None:
        assert time.monotonic() < until, words(trainer.panel.widget)
        await asyncio.sleep(0.05)


def test_the_forms_are_preset_by_dataset_maker(trainer):
    asyncio.run(trainer.choose_settings())
    assert trainer.project.name() == "cat"
    run = trainer.settings.config()
    assert (run.captions.trigger_word, run.captions.keep_tokens, run.captions.shuffle_caption) == (
        "ohwx, cat",
        2,
        True,
    )
    assert (run.place.output_name, Path(run.place.train_data_dir).name, Path(run.place.output_dir).name) == (
        "cat",
        "dataset",
        "output",
    )
    assert 'the trigger word "ohwx, cat"' in words(trainer.settings.result)


def test_grid_and_try_follow_what_the_run_was_told_of_the_base(trainer):
    async def person():
        await trainer.choose_settings()
        trainer.settings.form.write(prediction_type="v_prediction", zero_terminal_snr="yes")
        for step in (trainer.grid, trainer.trying):
            step.preset()
            wanted = step.form.read()
            assert (wanted.base.prediction_type, wanted.base.zero_terminal_snr) == ("v_prediction", "yes")

    asyncio.run(person())


def test_sentences_are_not_shuffled(trainer):
    folders = trainer.project.folders()
    settings.save(Handover("cat", "ohwx", "sentences", 4, 4), folders.handover)
    asyncio.run(trainer.choose_settings())
    run = trainer.settings.config()
    assert (run.captions.shuffle_caption, run.captions.keep_tokens) == (False, 0)


def test_the_last_run_is_preset_before_anything_else(trainer):
    folders = trainer.project.folders()
    settings.save(make(TrainConfig, rank=7, min_snr_gamma=None, trigger_word="kitty"), last(folders))
    asyncio.run(trainer.choose_settings())
    run = trainer.settings.config()
    assert (run.network.rank, run.loss.min_snr_gamma, run.captions.trigger_word) == (7, None, "kitty")


def test_what_dataset_maker_learnt_since_the_last_run_wins(trainer):
    folders = trainer.project.folders()
    settings.save(make(TrainConfig, rank=7, trigger_word="kitty"), last(folders))
    os.utime(last(folders), (1, 1))
    asyncio.run(trainer.choose_settings())
    run = trainer.settings.config()
    assert (run.network.rank, run.captions.trigger_word, run.captions.keep_tokens) == (7, "ohwx, cat", 2)


def test_a_run_of_a_newer_version_is_preset_as_far_as_it_is_known(trainer):
    path = last(trainer.project.folders())
    settings.save(make(TrainConfig, rank=7), path)
    path.write_text(path.read_text() + 'nor_this = "lokr"\n' + "not_yet = 3\n")
    asyncio.run(trainer.choose_settings())
    assert trainer.settings.config().network.rank == 7
    said = words(trainer.settings.panel.widget)
    assert 'unknown setting "not_yet"' in said and "nor_this" in said and "passed over" in said
    with pytest.raises(ValueError, match="unknown setting"):
        settings.load(TrainConfig, path)


def test_a_project_of_27f487a_is_opened_with_its_last_run_and_the_grid_of_the_other(old_project, monkeypatch):
    trainer = LoraTrainer()
    trainer.choose_project()

    async def person():
        await press(trainer.project)
        await trainer.choose_settings()
        trainer.grid.show()

    asyncio.run(person())
    folders = trainer.project.folders()
    assert trainer.project.name() == "cat" and (folders.runs / "cat" / "cat.state").is_file()
    run = trainer.settings.config()
    assert (run.place.output_name, run.network.rank, run.pictures.resolution) == ("cat", 2, 32)
    job = jobs.latest(folders, "train")
    assert job.folder.parent == folders.jobs and not jobs.is_running(job)
    assert "what was saved before is whole" in jobs.last_error(job) or "without finishing" in jobs.last_error(
        job
    )
    trainer.settings.form.write(output_name="dark")
    trainer.grid.preset()
    assert trainer.grid.done and "runs/dark/grid.png" in words(trainer.grid.result)


def test_a_run_at_work_keeps_its_settings_when_it_is_started_again(trainer, tiny_base):
    """The form's own settings are kept at the press, but not over those of a training that is at work."""

    async def start():
        await begin(trainer, tiny_base, **{**LONG, "rank": 5})
        job = await trainer._job()
        jobs.stop(job)
        while jobs.is_running(job):
            await asyncio.sleep(0.05)

    run = RunFolder(last(trainer.project.folders()).parent)
    settings.save(make(TrainConfig, rank=7), run.settings)
    with claimed(run, print):
        asyncio.run(start())
    assert settings.load(TrainConfig, run.settings).network.rank == 7
    asyncio.run(start())
    assert settings.load(TrainConfig, run.settings).network.rank == 5


def test_another_project_makes_the_forms_forget(trainer, make_pictures):
    make_pictures(Path("Loras/dog/dataset"), 2)

    async def person():
        await press(trainer.project)
        await trainer.choose_settings()
        trainer.settings.form.write(rank=3)
        trainer.project.form.write(project="dog")
        await press(trainer.project)
        await trainer.choose_settings()

    asyncio.run(person())
    run = trainer.settings.config()
    assert (run.network.rank, run.captions.trigger_word, run.place.output_name) == (16, "", "dog")
    assert "ohwx, cat" not in words(trainer.settings.widget)


def test_another_project_leaves_nothing_of_the_training_before(trainer, make_pictures):
    make_pictures(Path("Loras/dog/dataset"), 2)
    panel, folders = trainer.panel, trainer.project.folders()
    panel.begin(jobs.Job(folders.jobs / "1-train", "train", 0, 0.0), folders.runs / "cat" / "metrics.jsonl")
    panel.take(events.Notice("of the cat"))
    panel.redraw()
    panel.stopping = True

    async def person():
        await press(trainer.project)
        trainer.project.form.write(project="dog")
        assert "of the cat" in words(panel.widget), "what runs is followed on"
        assert not trainer._was_stopped(), "another project's training was"
        panel.rest()
        trainer.project.form.write(project="cat")
        await trainer.download()
        trainer.project.form.write(project="dog")

    asyncio.run(person())
    assert words(panel.widget) == "Stop Save now Sample now" and panel.job is None
    assert words(trainer.files.place) == ""


def test_the_demo_base_is_offered_to_own_pictures_with_a_box_that_allows_it(trainer, tmp_path):
    async def person():
        await trainer.choose_settings()
        form = trainer.settings.form
        box = form.fields["allow_demo_base"].widget.layout
        assert box.display == "none" and form.read().base.pretrained_model_name_or_path == ""
        form.write(pretrained_model_name_or_path="demo")
        assert box.display == ""
        assert "not all of these are among them" in await press(trainer.settings)
        form.write(allow_demo_base=True)
        assert "can be trained" in await press(trainer.settings)

    asyncio.run(person())


@pytest.mark.parametrize(
    ("medium", "base", "words_of_it"),
    [("photos", suggested.USUAL, "he base is Stable Diffusion 1.5"), ("", suggested.FOR_DRAWINGS, "look like drawings")],
)  # fmt: skip
def test_where_there_is_a_gpu_the_base_that_suits_the_pictures_is_filled_in(
    trainer, tmp_path, monkeypatch, medium, base, words_of_it
):
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho 'GPU 0: Tesla T4'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tool.parent), prepend=os.pathsep)
    settings.save(Handover("cat", "ohwx", "tags", 4, 4, medium), trainer.project.folders().handover)
    asyncio.run(trainer.choose_settings())
    run = trainer.settings.form.read()
    assert run.base.pretrained_model_name_or_path == base
    assert (run.pictures.num_repeats, run.precision.mixed_precision, run.pictures.resolution) == (
        50,
        "fp16",
        512,
    )
    assert words_of_it in words(trainer.settings.result)


def test_the_demos_run_is_the_one_of_the_command_line():
    shipped = tomllib.loads(DEMO_RUN.read_text(encoding="utf-8"))
    configs = Path(__file__).parents[2] / "configs" / "demo" / "train.toml"
    assert shipped.items() <= tomllib.loads(configs.read_text(encoding="utf-8")).items()


def test_the_steps_are_counted_in_the_words_people_know(trainer, tiny_base):
    async def person():
        await begin(trainer, tiny_base, num_repeats=10, train_batch_size=2, max_train_epochs=3)
        return await press(trainer.settings)

    assert "can be trained" in asyncio.run(person())
    shown = words(trainer.settings.result)
    assert "📈 Found 4 images with 10 repeats, equaling 40 steps." in shown
    assert "20 steps per epoch, 60 in all" in shown


def test_settings_can_be_trained_when_the_base_was_found(trainer, tmp_path):
    (tmp_path / "page.safetensors").write_bytes(b"<html>")

    async def count(name: str):
        await begin(trainer, Path(name))
        await press(trainer.settings)
        return words(trainer.settings.panel.state)

    for name, says in {
        "nobody_has_this": 'base model "nobody_has_this" was not found',
        "nobody/never-seen": "is not on this machine and Hugging Face cannot be reached",
        "page.safetensors": "page.safetensors is a web page, not a model",
    }.items():
        said = asyncio.run(count(name))
        assert says in said and "can be trained" not in said
        assert "steps per epoch" in words(trainer.settings.result)


def test_a_wrong_setting_is_said_before_anything_starts(trainer, tiny_base):
    async def person():
        await begin(trainer, tiny_base)
        trainer.settings.form.fields["rank"].control.value = 0
        await trainer.train()

    asyncio.run(person())
    assert '"size of the LoRA" = 0 is not usable' in words(trainer.panel.widget)
    assert jobs.latest(trainer.project.folders(), "train") is None


def test_a_failure_of_the_training_is_one_sentence(trainer):
    async def person():
        await begin(trainer, Path("nobody_has_this"))
        await trainer.train()

    asyncio.run(person())
    shown = words(trainer.panel.panel.state)
    assert 'base model "nobody_has_this" was not found' in shown and "Traceback" not in shown


@pytest.mark.slow
def test_run_all_trains_draws_and_offers_the_files(trainer, tiny_base):
    async def run_all():
        await begin(trainer, tiny_base, **SHORT, guidance=3.0)
        await trainer.train()
        await trainer.draw_grid()
        assert trainer.grid.done, "the grid was drawn by the training"
        trainer.grid.form.write(y_values=("STRENGTH", "1"), steps=2)
        assert "Problem" not in await press(trainer.grid)
        await trainer.try_it()
        trainer.trying.form.write(steps=2)
        await trainer.download()
        assert not trainer.trying.done, "nobody asked for a picture"
        await press(trainer.trying)

    asyncio.run(run_all())
    folders, shown = trainer.project.folders(), words(trainer.panel.widget)
    files = sorted(path.name for path in folders.output.glob("*.safetensors"))
    assert files == ["cat-01.safetensors", "cat-02.safetensors"]
    assert "OK Done: 4 steps, 2 LoRA files." in shown and "cat-02.safetensors" in shown
    assert "📈 Found 4 images" in shown and "step 4 of 4" in shown
    assert "<svg" in trainer.panel.curve.value and trainer.panel.samples.value.count("<img") >= 2
    assert "<img" not in trainer.panel.files.value and "The next cell shows the grid" in shown
    assert all(button.disabled for button in trainer.panel.buttons.children)
    assert len(list((folders.runs / "cat").glob("grid*.png"))) == 2
    assert trainer.trying.form.fields["lora"].control.value.endswith("cat-02.safetensors")
    assert "OK " in words(trainer.trying.panel.state)
    said = [Image.open(path).text.get("parameters", "") for path in (folders.runs / "cat").rglob("*.png")]
    drawn = [text for text in said if text]
    assert len(drawn) == 2 * 4 + 2 + 1 and all("CFG scale: 3," in text for text in drawn)
    assert settings.load(TrainConfig, last(folders)).network.rank == 2


@pytest.mark.slow
def test_more_epochs_go_on_and_fewer_are_answered_from_the_files(trainer, tiny_base):
    async def person():
        await begin(trainer, tiny_base, **SHORT | {"sample_every_n_epochs": 0, "grid": False})
        await trainer.train()
        said = []
        for epochs in (3, 1):
            trainer.settings.form.write(max_train_epochs=epochs)
            await trainer.train()
            said.append(words(trainer.panel.panel.widget))
        return said

    longer, shorter = asyncio.run(person())
    assert (
        "planned for 4 steps; it goes on after step 4 to 6" in longer
        and "Done: 6 steps, 3 LoRA files" in longer
    )
    assert "6 steps of this run are done already; cat-01.safetensors is what it was after 2" in shorter
    assert "Problem" not in longer + shorter


def test_only_the_files_of_the_run_are_offered(trainer):
    """Another run's name may begin with this one's, and a name may hold what a pattern would read otherwise."""
    output, offered = trainer.project.folders().output, []
    output.mkdir()
    for name in ("cat-01", "cat-step000005", "cat-dark-01", "cat-2", "cat[1]-01", "cat1-01"):
        (output / f"{name}.safetensors").touch()
    for name in ("cat", "cat[1]"):
        trainer.settings.form.write(output_name=name)
        asyncio.run(trainer.download())
        offered.append([Path(link).name for link in links(trainer.files.place)])
    assert offered == [["cat-01.safetensors", "cat-step000005.safetensors"], ["cat[1]-01.safetensors"]]


@pytest.mark.slow
def test_stop_is_answered_within_two_seconds_and_the_next_run_goes_on(trainer, tiny_base):
    async def person():
        await begin(trainer, tiny_base, **LONG)
        training = asyncio.ensure_future(trainer.train())
        await first_step(trainer)
        trainer.panel.save.click()
        trainer.panel.stop.click()
        pressed = time.monotonic()
        assert "Stopping after this step" in words(trainer.panel.widget)
        await training
        took = time.monotonic() - pressed
        assert "Stopped after step" in words(trainer.panel.widget)
        reached = trainer.panel.step.step
        again = asyncio.ensure_future(trainer.train())
        await asyncio.sleep(0)
        while trainer.panel.step is None or trainer.panel.step.step <= reached:
            await asyncio.sleep(0.05)
        assert "Going on with the run" in words(trainer.panel.widget)
        assert min(trainer.panel.losses.steps) == 1, "the curve begins where the training did"
        trainer.panel.stop.click()
        await again
        await trainer.draw_grid()
        assert trainer.grid.done and "was stopped" in words(trainer.grid.panel.state)
        return took

    assert asyncio.run(person()) < 2


@pytest.mark.slow
def test_interrupting_the_cell_stops_cleanly_and_another_kernel_finds_the_job(trainer, tiny_base):
    async def person():
        await begin(trainer, tiny_base, **LONG)
        training = asyncio.ensure_future(trainer.train())
        await first_step(trainer)
        other = LoraTrainer()
        other.choose_project()
        watching = asyncio.ensure_future(other.train())
        await first_step(other)
        assert other.panel.job == trainer.panel.job
        training.cancel()
        with pytest.raises(Stopped, match="run this cell again"):
            await training
        await watching
        assert "Stopped after step" in words(other.panel.widget)

    asyncio.run(person())
    assert jobs.finished(trainer.panel.job).status == "stopped"
    assert Stopped("Stopped.")._render_traceback_() == ["Stopped."]


def test_a_restart_is_asked_for_once(trainer, tiny_base):
    async def person():
        await begin(trainer, tiny_base, **LONG, on_existing="restart")
        job = await trainer._job()
        jobs.stop(job)
        while jobs.is_running(job):
            await asyncio.sleep(0.05)
        return settings.load(TrainConfig, job.folder / "job.toml")

    assert asyncio.run(person()).resuming.on_existing == "restart"
    assert trainer.settings.config().resuming.on_existing == "resume"
    assert settings.load(TrainConfig, last(trainer.project.folders())).resuming.on_existing == "resume"


@pytest.mark.slow
def test_without_files_the_last_cells_say_what_is_missing(trainer):
    async def run_all():
        await trainer.choose_settings()
        await trainer.train()
        await trainer.draw_grid()
        await trainer.try_it()
        await trainer.download()
        assert words(trainer.grid.panel.state) == words(trainer.trying.panel.state) == "", "nobody pressed"
        await press(trainer.grid)

    asyncio.run(run_all())
    assert "No base is filled in: this machine has no NVIDIA GPU" in words(trainer.settings.result)
    assert '"base model" is empty' in words(trainer.settings.panel.state)
    assert '"base model" is empty' in words(trainer.panel.panel.state)
    assert "OK " not in words(trainer.panel.widget) + words(trainer.trying.widget)
    assert "train first" in words(trainer.grid.panel.state)
    assert "There are no LoRA files yet" in words(trainer.files.place)


def test_a_project_without_a_dataset_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trainer = LoraTrainer()
    trainer.choose_project()
    assert "make the dataset in Dataset Maker first" in asyncio.run(press(trainer.project))


def test_the_plain_error_is_in_the_numbers_where_it_is_another():
    step = events.StepLog(2, 9, 1, 0.1, 0.12, 1e-4, 1e-5, 9.0, 10.0, 0.2, 0.21)
    assert "loss 0.1000, average 0.1200 · plain error 0.2000, average 0.2100<" in in_numbers(step)
    assert "plain" not in in_numbers(replace(step, plain=None, plain_average=None))


def test_notices_samples_and_progress_reach_the_panel(tmp_path, make_pictures):
    panel = TrainPanel()
    panel.begin(jobs.Job(tmp_path, "train", 0, 0.0), tmp_path / "metrics.jsonl")
    picture = make_pictures(tmp_path / "samples", 1)[0]
    for event in (
        events.Notice("Something <b>odd</b>", "warning"), events.Progress("Encoding", 2, 4),
        events.Drawn((str(picture),), 1, 3), events.Saved(str(tmp_path / "cat-01.safetensors"), 1, 3),
    ):  # fmt: skip
        panel.take(event)
    panel.redraw()
    shown = words(panel.widget)
    assert "Warning Something <b>odd</b>" in shown and "Encoding: 2 of 4" in shown
    assert "epoch 1, step 3" in shown and "cat-01.safetensors is saved" in shown
    assert (panel.panel.bar.value, panel.panel.bar.max) == (2, 4)
    assert len(buttons(panel.widget)) == 3


def test_times_are_said_in_words():
    assert [in_words(seconds) for seconds in (5, 200, 4000, float("inf"))] == [
        "about 5 s", "about 3 min 20 s", "about 1 h 6 min", "?",
    ]  # fmt: skip
