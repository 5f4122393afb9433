"""The list before the start in the form: remade when the form rests, its buttons mend, and red holds the start."""

import asyncio

import pytest
from test_dataset_maker import buttons, words

from lora_nb.config.training import TrainConfig
from lora_nb.forms.before_start import Acts, BeforeStart
from lora_nb.forms.form import Form
from lora_nb.forms.presses import Presses
from lora_nb.settings import make


@pytest.fixture
def form(make_pictures, tmp_path):
    folder = tmp_path / "Loras" / "cat" / "dataset"
    make_pictures(folder, 6)
    return Form(
        make(
            TrainConfig, pretrained_model_name_or_path="demo", allow_demo_base=True, train_data_dir=str(folder),
            output_dir=str(folder.parent / "output"), output_name="cat", trigger_word="ohwx", resolution=64,
            num_repeats=1,
        )
    )  # fmt: skip


class Started:
    """Counts the starts."""

    def __init__(self):
        self.times = 0

    async def begin(self):
        self.times += 1
        return "It runs."


def made(form, started=None):
    return BeforeStart(form, Acts(form.read, (started or Started()).begin), Presses())


def test_the_list_is_made_and_a_press_mends(form):
    async def person():
        shown = made(form)
        shown.show()
        assert shown.button.disabled and "Looking" in words(shown.said)
        await shown.settle()
        assert not shown.button.disabled
        assert "6 pictures are seen 6 times" in words(shown.listed)
        next(each for each in buttons(shown.listed) if each.description == "34 repeats").click()
        assert form.fields["num_repeats"].control.value == 34 and shown.button.disabled
        await shown.settle()
        assert "pictures are seen" not in words(shown.listed) and not shown.button.disabled

    asyncio.run(person())


def test_red_holds_the_start_and_says_why(form):
    started = Started()

    async def person():
        shown = made(form, started)
        shown.show()
        form.fields["pretrained_model_name_or_path"].control.value = "/no/such.safetensors"
        await shown.settle()
        assert shown.button.disabled and "/no/such.safetensors" in shown.button.tooltip
        assert "cannot start yet" in words(shown.said)
        shown.press()
        await shown.settle()
        form.fields["rank"].control.value = 0
        await shown.settle()
        assert shown.button.disabled and "size of the LoRA" in words(shown.listed)
        form.write(pretrained_model_name_or_path="demo", rank=4)
        await shown.settle()
        assert not shown.button.disabled and started.times == 0
        shown.press()
        await shown.settle()
        assert started.times == 1 and "It runs." in words(shown.said)

    asyncio.run(person())


def test_many_changes_are_one_look(form, monkeypatch):
    looks = []
    real = BeforeStart._listed
    monkeypatch.setattr(BeforeStart, "_listed", lambda self, *given: looks.append(1) or real(self, *given))

    async def person():
        shown = made(form)
        shown.show()
        for rank in range(4, 12):
            form.fields["rank"].control.value = rank
            await asyncio.sleep(0.05)
        await shown.settle()
        return shown

    shown = asyncio.run(person())
    assert len(looks) == 1 and shown.rows
    shown.forget()
    assert shown.button.disabled and not shown.listed.children
    form.fields["rank"].control.value = 3  # nobody looks: nothing is shown, and no loop runs
    assert len(looks) == 1


def test_what_nobody_foresaw_leaves_the_buttons_to_the_person(form):
    """What the notebook hands in fails as no check expects, while it looks and while it starts; then it is well."""
    faults = [KeyError("a damaged header"), RuntimeError("out of handles")]

    def config():
        if faults:
            raise faults[0]
        return form.read()

    async def begin():
        raise RuntimeError("no process can be made")

    async def person():
        shown = BeforeStart(form, Acts(config, begin), Presses())
        shown.show()
        await shown.settle()
        assert "could not be looked at" in words(shown.listed) and "KeyError" in words(shown.listed)
        assert not shown.button.disabled and "Looking" not in words(shown.said) + shown.button.tooltip
        faults.clear()
        shown.again.click()
        await shown.settle()
        assert "could not be looked at" not in words(shown.listed) and "pictures are seen" in words(
            shown.listed
        )
        shown.button.click()
        await shown.settle()
        assert "no process can be made" in words(shown.said) and not shown.button.disabled

    asyncio.run(person())
