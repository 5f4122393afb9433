"""Dataset Maker's steps with real widgets, pressed, and real child processes."""

import asyncio
import hashlib
import re
import shutil
import threading
import zipfile
from html import unescape
from pathlib import Path
from types import SimpleNamespace

import ipywidgets as W
import pytest
from PIL import Image, ImageFilter
from test_importer import picture
from test_tagger import build

from lora_nb import settings
from lora_nb.config.intake import ImportConfig
from lora_nb.config.project import Handover
from lora_nb.dataset import example
from lora_nb.dataset.handover import read as handover
from lora_nb.dataset.handover import trigger_words
from lora_nb.forms import DatasetMaker
from lora_nb.forms.step import Step
from lora_nb.forms.upload_widget import Upload
from lora_nb.shell import jobs


@pytest.fixture
def maker(tmp_path: Path, monkeypatch) -> DatasetMaker:
    monkeypatch.chdir(tmp_path)
    made = DatasetMaker()
    made.choose_project()
    made.project.form.write(project="cat")
    return made


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A zip of three pictures, a smaller copy of one and a broken file, in a nested folder."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(3):
        noise = (
            Image.effect_noise((96, 80), 90 + number).resize((200, 160)).filter(ImageFilter.GaussianBlur(6))
        )
        Image.merge("RGB", [noise, noise.rotate(90), noise.rotate(180)]).save(folder / f"{number}.png")
    with Image.open(folder / "1.png") as image:
        image.resize((100, 80)).save(folder / "1 again.jpg")
    (folder / "broken.jpg").write_bytes((folder / "1 again.jpg").read_bytes()[:700])
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path in sorted(folder.iterdir()):
            archive.write(path, f"nested/{path.name}")
    return tmp_path / "photos.zip"


async def press(step: Step) -> str:
    """Click the step's button as a person does; what it says at the end."""
    step.button.click()
    await step.task
    return words(step.panel.state)


def words(widget: W.Widget) -> str:
    """The text a person reads in a widget and what it holds."""
    own = [getattr(widget, "value", ""), getattr(widget, "description", "")]
    texts = [text for text in own if isinstance(text, str)]
    inside = " ".join(
        [re.sub(r"<[^>]+>", " ", " ".join(texts)), *map(words, getattr(widget, "children", ()))]
    )
    return re.sub(r"\s+", " ", unescape(inside)).strip()


def buttons(widget: W.Widget) -> list[W.Button]:
    own = [widget] if isinstance(widget, W.Button) else []
    return own + [button for child in getattr(widget, "children", ()) for button in buttons(child)]


def names_of(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_file())


@pytest.mark.slow
def test_from_a_zip_to_the_hand_over_by_buttons(maker, photos, tmp_path):
    async def person():
        assert "everything lies in" in await press(maker.project)
        await maker.import_pictures()
        assert maker.importing.form.fields["source"].control.value == "", "the example is not for everyone"
        maker.importing.form.write(source=str(photos))
        assert "Imported 5 pictures" in await press(maker.importing)
        await maker.clean()
        assert "2 pictures set aside" in await press(maker.cleaning)
        await maker.caption()
        assert maker.captioning.kind.value == "sentences", "these are like photographs"
        assert "3 of 3 pictures looked at seem to be photographs" in words(maker.captioning.advice)
        maker.captioning.kind.value = "tags"
        maker.captioning.forms["tags"].write(tagger=str(build(tmp_path / "tagger")), general_threshold=0.3)
        assert "3 pictures tagged" in await press(maker.captioning)
        await maker.add_trigger()
        assert maker.trigger.form.fields["trigger_word"].control.value == "cat"
        maker.trigger.form.write(trigger_word="ohwx cat", remove_tags=("always there",))
        assert "3 of 3 captions changed" in await press(maker.trigger)
        maker.trigger.suggest.click()
        suggested = maker.trigger.form.read().remove_tags
        assert suggested and "ohwx cat" not in suggested
        await maker.report()
        assert "Next: " in words(maker.trigger.panel.ahead) and "Left to do" not in words(
            maker.trigger.panel.ahead
        )
        await maker.hand_over()

    asyncio.run(person())
    folders = maker.project.folders()
    assert names(folders.dataset) == ["0.png", "0.txt", "1.png", "1.txt", "2.png", "2.txt"]
    text = (folders.dataset / "0.txt").read_text()
    assert text.startswith("ohwx cat, ") and "always" not in text
    expected = Handover("cat", "ohwx cat", "tags", 3, 3, medium="photos")
    assert settings.load(Handover, folders.handover) == expected == handover(folders)


async def clean(maker, photos):
    """What a person presses up to the search for copies."""
    await press(maker.project)
    await maker.import_pictures()
    maker.importing.form.write(source=str(photos))
    await press(maker.importing)
    await maker.clean()
    await press(maker.cleaning)


def test_duplicates_are_shown_with_score_and_reason_and_come_back(maker, photos):
    async def person():
        await clean(maker, photos)

    asyncio.run(person())
    folders = maker.project.folders()
    shown = words(maker.cleaning.result)
    assert "broken.jpg : damaged" in shown
    assert "1.png is kept: the largest, 200x160" in shown
    assert "1 again.jpg: the same picture" in shown and "Few pictures" in shown
    found = {each.description: each for each in buttons(maker.cleaning.result)}
    apart, everything = found["These are different: bring back"], found["Bring everything back"]
    before = handover(folders).images
    apart.click()
    assert handover(folders).images == before + 1
    assert "1 again.jpg" in names(folders.dataset) and "broken.jpg" not in names(folders.dataset)
    assert "1 picture is back" in words(maker.cleaning.panel.state)
    assert "is kept" not in words(maker.cleaning.result)
    everything.click()
    assert "broken.jpg" in names(folders.dataset)
    assert "Bring everything back" not in words(maker.cleaning.result)


def test_the_undo_button_takes_back_step_by_step(maker, photos):
    async def person():
        await press(maker.project)
        await maker.import_pictures()
        maker.importing.form.write(source=str(photos))
        await press(maker.importing)
        await maker.clean()
        before = names(maker.project.folders().dataset)
        await press(maker.cleaning)
        assert names(maker.project.folders().dataset) != before and buttons(maker.cleaning.result)
        undo = maker.cleaning.undo
        assert "2 pictures are as they were before `curate`" in await press(undo)
        assert names(maker.project.folders().dataset) == before
        assert "Nearly the same" not in words(maker.cleaning.result)
        assert "5 pictures are as they were before `import`" in await press(maker.importing.undo)
        assert names(maker.project.folders().dataset) == []
        assert "There is nothing to undo" in await press(undo)

    asyncio.run(person())
    maker.project.form.write(project="dog")
    assert words(maker.cleaning.undo.panel.state) == "", "the words were about another project"


@pytest.mark.slow
def test_steps_whose_buttons_nobody_presses_are_done_as_they_stand(maker, tmp_path):
    """Run all, on the example that ships: nothing is filled in but the tagger, which is the test's."""

    async def run_all():
        maker.project.example.click()
        await maker.import_pictures()
        await maker.look()
        await maker.clean()
        await maker.prepare()
        await maker.caption()
        maker.captioning.forms["tags"].write(tagger=str(build(tmp_path / "tagger")))
        await maker.edit_tags()
        await maker.add_trigger()
        await maker.report()
        await maker.hand_over()
        await maker.keep_versions()
        await maker.take_out()
        await maker.open_fiftyone()

    asyncio.run(run_all())
    known = handover(maker.project.folders())
    assert known.images == known.captioned > 15
    assert (known.project, known.trigger_word, known.caption_kind) == ("example", "ohwx", "tags")
    assert [step.done for step in maker.steps] == [not step.by_hand for step in maker.steps]
    assert not any(step.done for step in maker.extras)


@pytest.mark.slow
def test_what_is_missing_is_one_sentence_and_the_notebook_goes_on(maker, tmp_path):
    async def run_all():
        maker.project.form.write(project="my cat")
        await maker.import_pictures()
        maker.importing.form.write(source=str(tmp_path / "nothing.zip"))
        await maker.clean()
        maker.project.form.write(project="cat")
        assert "everything lies in" in await press(maker.project)
        assert "nothing.zip does not exist" in await press(maker.importing)
        await maker.report()
        await maker.hand_over()

    asyncio.run(run_all())
    assert not list(tmp_path.glob("Loras/my*")), "a mistyped name leaves no folder behind"
    assert not maker.project.folders().handover.exists()


def test_a_bad_project_name_is_said_where_it_was_typed(maker):
    maker.project.form.write(project="my cat")
    assert 'project name "my cat" is not usable' in asyncio.run(press(maker.project))
    assert not maker.project.done


def test_pictures_put_there_by_hand_are_taken_as_they_are(maker, make_pictures):
    folders = maker.project.folders()
    make_pictures(folders.dataset, 3)

    async def run_all():
        await maker.import_pictures()
        await maker.clean()

    asyncio.run(run_all())
    assert "3 pictures are in" in words(maker.importing.panel.state)
    assert len(names(folders.dataset)) == 6


def test_a_long_job_can_be_stopped(maker, make_pictures):
    make_pictures(maker.project.folders().dataset, 2)

    async def person():
        await maker.clean()
        maker.cleaning.button.click()
        while maker.cleaning.job is None:
            await asyncio.sleep(0.02)
        assert maker.cleaning.cancel.layout.display == ""
        maker.cleaning.cancel.click()
        await maker.cleaning.task

    asyncio.run(person())
    assert "Stopped" in words(maker.cleaning.panel.state)
    assert not jobs.is_running(maker.cleaning.job)
    assert maker.cleaning.cancel.layout.display == "none" and not maker.cleaning.button.disabled


def test_sentences_have_their_own_form(maker):
    kinds = maker.captioning.kind
    kinds.value = "sentences"
    assert maker.captioning.place.children == (maker.captioning.forms["sentences"].widget,)
    kinds.value = "tags"
    assert maker.captioning.place.children == (maker.captioning.forms["tags"].widget,)


def give(upload: Upload, files: dict[str, bytes]) -> None:
    """Send files as the page does, in one piece each."""
    for name, content in files.items():
        first = hashlib.sha256(content).hexdigest()
        begun = upload.core.answer(
            {"op": "begin", "name": name, "size": len(content), "modified": 1, "first": first}, []
        )
        piece = {"op": "piece", "id": begun["id"], "offset": 0, "algorithm": "sha256", "hash": first}
        assert upload.core.answer(piece, [content])["ok"]
        assert upload.core.answer({"op": "end", "id": begun["id"]}, [])["ok"]


def test_an_uploaded_zip_and_uploaded_pictures_are_imported_once(maker, photos, make_pictures, tmp_path):
    async def person():
        await press(maker.project)
        await maker.import_pictures()
        give(maker.importing.upload, {"photos.zip": photos.read_bytes()})
        maker.importing.form.write(source="somewhere.zip")
        said = await press(maker.importing)
        assert "Imported 5 pictures" in said and "The next press imports somewhere.zip." in said
        maker.importing.form.write(source="")
        assert maker.importing.upload.source() is None, "what was uploaded is imported once"
        loose = make_pictures(tmp_path / "loose", 2)
        files = [*loose, *(path.with_suffix(".txt") for path in loose)]
        give(maker.importing.upload, {path.name: path.read_bytes() for path in files})
        assert "Imported 2 pictures and 2 captions" in await press(maker.importing)
        assert "7 pictures are in" in await press(maker.importing)
        assert "No new pictures have arrived" in words(maker.importing.panel.notices)

    asyncio.run(person())
    shutil.rmtree(maker.project.folders().base)


def test_what_is_only_partly_here_is_said_and_stays(maker):
    async def person():
        await press(maker.project)
        await maker.import_pictures()
        begin = {"op": "begin", "name": "cats.zip", "size": 100, "modified": 1, "first": "0"}
        assert maker.importing.upload.core.answer(begin, [])["ok"]
        assert "Not whole yet: cats.zip (0%). Choose it again" in await press(maker.importing)
        assert maker.importing.upload.core.under_way()

    asyncio.run(person())


def test_before_a_project_is_there_the_page_is_told_so(maker, monkeypatch):
    upload = Upload()
    sent = []
    upload.page = SimpleNamespace(send=sent.append)
    upload._answer({"op": "hello", "seq": 1}, [])
    assert sent == [{"re": 1, "ok": False, "text": "Choose your project first, in the cell above."}]
    assert upload.late.value == "", "the page is there"


def test_the_summary_names_pictures_and_folds_every_reason(maker, tmp_path):
    source = tmp_path / "a.zip"
    with zipfile.ZipFile(source, "w") as archive:
        for number in range(30):
            archive.writestr(f"{number}.pdf", b"x")
        archive.writestr("a?b.png", picture("red"))

    async def person():
        await press(maker.project)
        await maker.import_pictures()
        maker.importing.form.write(source=str(source))
        said = await press(maker.importing)
        assert "Imported 1 picture and 0 captions" in said
        assert "30 files were skipped (30 not a picture" in said and "1 got another name" in said

    asyncio.run(person())
    shown = words(maker.importing.result)
    assert "1 new picture" in shown and "a_b.png" in shown and "30 skipped, with the reason" in shown
    assert all(f"{number}.pdf" in shown for number in range(30)) and "1 got another name" in shown
    assert "<details" in maker.importing.result.children[0].value


def test_folders_with_odd_numbers_are_asked_about_in_the_form(maker, tmp_path):
    source = tmp_path / "a.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("2023_holiday/a.png", picture("red"))
        archive.writestr("5_cat/b.png", picture("blue"))
        archive.writestr("7_dog/c.png", picture("green"))

    async def person():
        await press(maker.project)
        await maker.import_pictures()
        maker.importing.form.write(source=str(source))
        said = await press(maker.importing)
        assert "2023 repeats of each picture. Say above how it is meant, then press again" in said
        rows = maker.importing.folders.rows
        assert [row.subset.name for row in rows] == ["2023_holiday", "5_cat", "7_dog"]
        assert "by its name: 2023 repeats" in words(maker.importing.folders.widget)
        assert rows[0].manner.value == "plain", "suggested"
        rows[1].repeats.value, rows[1].word.value, rows[2].wanted.value = 8, "ohwx cat", False
        assert "Imported 2 pictures" in await press(maker.importing)

    asyncio.run(person())
    folders = maker.project.folders()
    assert sorted(
        path.relative_to(folders.dataset).as_posix() for path in folders.dataset.rglob("*.png")
    ) == [
        "8_cat/b.png",
        "a.png",
    ]
    assert trigger_words(folders) == {"8_cat": "ohwx cat"}
    assert maker.importing.folders.rows == []


def test_the_folders_of_a_source_are_listed_before(maker, tmp_path):
    source = tmp_path / "a.zip"
    with zipfile.ZipFile(source, "w") as archive:
        archive.writestr("5_cat/b.png", picture("blue"))

    async def person():
        await press(maker.project)
        await maker.import_pictures()
        maker.importing.form.write(source=str(source))
        maker.importing.look.click()
        await maker.importing.looking.task
        assert "has 1 folders with repeats" in words(maker.importing.looking.panel.state)

    asyncio.run(person())
    assert [row.said() for row in maker.importing.folders.rows] == ["5_cat"]


def test_nothing_to_do_is_no_green_tick_and_a_key_of_ones_own_stays(maker):
    folders = maker.project.folders()
    folders.create()
    Image.new("RGB", (64, 64)).save(folders.dataset / "a.png")
    folders.handover.write_text('mine = "kept"\ntrigger_word = "rexdog"\n')

    async def person():
        await press(maker.project)
        await maker.add_trigger()
        assert maker.trigger.form.fields["trigger_word"].control.value == "rexdog"
        maker.trigger.form.write(trigger_word="rexxy")
        assert "1 of 1 caption changed" in await press(maker.trigger)
        assert "lora-nb-good" in maker.trigger.panel.state.value
        assert "0 of 1 caption changed" in await press(maker.trigger)
        assert "lora-nb-good" not in maker.trigger.panel.state.value

    asyncio.run(person())
    assert 'mine = "kept"' in folders.handover.read_text()
    assert handover(folders) == Handover("cat", "rexxy", "tags", 1, 1)


def test_run_all_on_a_fresh_project_says_what_is_missing_and_brings_nothing_of_ours(maker, capsys):
    maker.project.form.write(project="my_character")

    async def run_all():
        await maker.import_pictures()
        await maker.look()
        await maker.clean()
        await maker.prepare()
        await maker.caption()
        await maker.edit_tags()
        await maker.add_trigger()
        await maker.report()
        await maker.hand_over()

    asyncio.run(run_all())
    folders = maker.project.folders()
    assert names(folders.dataset) == [] and not folders.handover.exists() and not folders.jobs.exists()
    assert "No pictures have arrived. Drop them above" in words(maker.importing.panel.state)
    for shown in (
        maker.cleaning.panel,
        maker.captioning.panel,
        maker.trigger.panel,
        maker.reporting.panel,
        maker.end,
    ):
        said = words(getattr(shown, "place", getattr(shown, "state", None)))
        assert said.endswith("holds no picture: import some first") and "OK " not in said


def test_the_example_comes_with_its_own_project_only(maker):
    asyncio.run(press(maker.project))
    assert maker.project.name() == "cat"

    async def person():
        await maker.import_pictures()
        maker.project.example.click()
        await maker.project.task

    asyncio.run(person())
    assert maker.project.name() == "example"
    assert maker.importing.form.fields["source"].control.value == str(example.CHARACTER)


def test_another_project_empties_the_forms_and_results_of_the_one_before(maker, make_pictures, tmp_path):
    make_pictures(tmp_path / "Loras" / "cat" / "dataset", 2)
    make_pictures(tmp_path / "Loras" / "dog" / "dataset", 1, captions=False)
    settings.save(Handover("dog", "kitty", "tags", 1, 0), tmp_path / "Loras" / "dog" / "project.toml")

    async def person():
        await maker.import_pictures()
        await maker.caption()
        maker.captioning.kind.value = "sentences"
        await maker.add_trigger()
        await press(maker.trigger)
        await maker.edit_tags()
        assert words(maker.editing.result)
        maker.importing.upload.use(maker.project.folders())
        give(maker.importing.upload, {"a.png": picture("red")})
        maker.importing.form.write(source="somewhere.zip", subset="3_cat")
        maker.project.form.write(project="dog")

    asyncio.run(person())
    assert maker.importing.form.read() == ImportConfig() and maker.importing.upload.source() is None
    assert maker.captioning.kind.value == "tags"
    assert maker.trigger.form.read().trigger_word == "kitty"
    assert 'The captions begin with "kitty" now' in words(maker.trigger.present)
    assert words(maker.trigger.panel.state) == words(maker.editing.panel.state) == ""
    assert not any(step.done or step.due for step in maker.steps[1:]), (
        "nothing is done to the new one unasked"
    )

    asyncio.run(maker.hand_over())
    assert "dog: everything lies in" in words(maker.project.panel.state)
    assert names(maker.project.folders().dataset) == ["00.png"]


def test_work_for_the_project_before_goes_on_and_is_told(maker, make_pictures, tmp_path):
    make_pictures(tmp_path / "Loras" / "cat" / "dataset", 2)
    make_pictures(tmp_path / "Loras" / "dog" / "dataset", 1)

    async def person():
        await maker.clean()
        maker.cleaning.button.click()
        while maker.cleaning.job is None:
            await asyncio.sleep(0.02)
        maker.project.form.write(project="dog")
        assert maker.cleaning.works()
        working = maker.cleaning.task
        await maker.clean()
        await working
        assert "In the project before: " in words(maker.cleaning.panel.state)
        assert maker.cleaning.due and not maker.cleaning.done
        await maker.cleaning.settle()

    asyncio.run(person())
    assert maker.cleaning.done
    jobs_of = {name: names_of(tmp_path / "Loras" / name / "jobs") for name in ("cat", "dog")}
    assert [sum("curate" in job for job in jobs_of[name]) for name in ("cat", "dog")] == [1, 1], jobs_of


def test_a_press_in_another_thread_is_carried_out_in_the_loop_of_the_cells(maker):
    worked = []

    async def work() -> str:
        worked.append((threading.current_thread(), asyncio.get_running_loop()))
        return "done"

    async def elsewhere() -> None:
        maker.project.button.click()

    async def cell():
        maker.project.work = work
        maker.choose_project()
        for expected in (1, 2, 3):
            await asyncio.to_thread(asyncio.run, elsewhere())
            while len(worked) < expected or maker.project.works():
                await asyncio.sleep(0.01)
        assert set(worked) == {(threading.main_thread(), asyncio.get_running_loop())}

    asyncio.run(asyncio.wait_for(cell(), 30))
