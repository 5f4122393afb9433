import json
from pathlib import Path

import pytest
from PIL import Image
from test_sample import make_lora, same

from conftest import build_tiny_base
from lora_nb.config.drawing import GridConfig
from lora_nb.drawing import grid, sheet
from lora_nb.drawing.grid import plan_grid
from lora_nb.events import Drawn, Notice, Progress
from lora_nb.settings import make


@pytest.fixture(scope="module")
def output(tiny_base, tmp_path_factory):
    folder = tmp_path_factory.mktemp("output")
    for number in (1, 2):
        make_lora(tiny_base, folder / f"cat-{number:02d}.safetensors", seed=number)
    return folder


@pytest.fixture
def config(tiny_base, output, tmp_path):
    def of(**more):
        return make(GridConfig, **{
            "pretrained_model_name_or_path": str(tiny_base), "lora_dir": str(output), "output_name": "cat", "steps": 2,
            "trigger_word": "ohwx", "output_dir": str(tmp_path / "out"), **more,
        })  # fmt: skip

    return of


def cells_of(finished) -> list[Path]:
    legend = Path(finished.files[1])
    return [legend.parent / picture["file"] for picture in json.loads(legend.read_text())["pictures"]]


def test_the_default_grid_is_every_checkpoint_by_strength(config):
    plan = plan_grid(config())
    assert plan.prompt == "ohwx <lora:cat-NUM:STRENGTH>"
    assert plan.x.values == ("01", "02") and plan.y.values == ("0", "0.5", "0.8", "1")
    last = plan.cells[-1]
    assert (last.call.name, last.call.strength, last.prompt.text) == ("cat-02", 1.0, "ohwx")
    assert [cell.call.name for cell in plan.cells] == ["cat-01"] * 4 + ["cat-02"] * 4


def test_every_checkpoint_is_of_the_run_that_the_prompt_names(config, tiny_base, tmp_path):
    for name in ("cat-01", "cat-03", "cat-dark-01", "cat-dark-02", "cat-2"):
        (tmp_path / f"{name}.safetensors").touch()
    here = {"lora_dir": str(tmp_path), "y_values": ()}
    assert plan_grid(config(**here)).x.values == ("01", "03")
    assert plan_grid(config(**here, prompt="<lora:cat-dark-NUM:1>")).x.values == ("01", "02")


def test_the_first_value_is_drawn_unless_it_is_a_placeholder(config):
    plan = plan_grid(
        config(prompt="a cat <lora:cat-01:0.5>", x_values=("a cat", "a dog"), y_values=("0.5", "1"))
    )
    assert plan.x.values == ("a cat", "a dog") and plan.y.values == ("0.5", "1")
    assert plan.cells[3].prompt.text == "a dog" and plan.cells[3].call.strength == 1.0


def test_values_are_replaced_in_the_negative_prompt_too(config):
    plan = plan_grid(config(negative_prompt="NEG", y_values=("NEG", "bad", "ugly")))
    assert [cell.prompt.negative for cell in plan.cells[:2]] == ["bad", "ugly"]
    assert plan.cells[0].call.strength == 1.0


def test_a_prompt_without_a_call_gets_one(config):
    told = []
    plan = plan_grid(config(prompt="a red house"), told.append)
    assert plan.prompt == "a red house <lora:cat-NUM:STRENGTH>" and len(plan.cells) == 8
    assert isinstance(told[0], Notice) and "<lora:cat-NUM:STRENGTH>" in told[0].text
    plan = plan_grid(config(prompt="a COLOUR house", x_values=("COLOUR", "red", "blue")))
    assert plan.cells[0].call.name == "cat-02" and plan.cells[0].prompt.text == "a red house"


def test_without_values_there_is_one_row_and_one_column(config):
    plan = plan_grid(config(prompt="a cat <lora:cat-01>", y_values=()))
    assert len(plan.cells) == 1 and plan.cells[0].call.name == "cat-01"


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"x_values": ("dog", "house")}, 'x_values begins with "dog", which is not in the prompt'),
        ({"prompt": "a cat <lora:cat-NUM:1>"}, 'y_values begins with "STRENGTH"'),
        ({"y_values": ("STRENGTH",)}, "placeholder alone"),
        ({"y_values": ("STRENGTH", "much")}, "no number"),
        ({"x_values": ("NUM", "1")}, 'no LoRA file cat-1.safetensors in .*did you mean "cat-01"'),
        ({"output_name": "dog"}, "no LoRA file dog-01.safetensors or the like in .*train first"),
        ({"prompt": "<lora:cat-01:1> <lora:cat-02:1>", "y_values": ()}, "calls 2 LoRAs"),
    ],
)
def test_what_does_not_go_together_is_said_before_anything_is_loaded(config, more, said):
    with pytest.raises(ValueError, match=said) as error:
        grid.grid(config(pretrained_model_name_or_path="nobody/never-seen", **more))
    assert "\n" not in str(error.value)


def test_a_grid_is_drawn_saved_and_explained(config, output):
    told = []
    finished = grid.grid(config(y_values=("STRENGTH", "0", "1")), told.append)
    grid_path, legend_path = map(Path, finished.files)
    cells = cells_of(finished)
    assert grid_path.name == "grid.png" and legend_path.name == "grid.json"
    assert [path.name for path in cells] == ["01_0.png", "01_1.png", "02_0.png", "02_1.png"]
    zero_1, one_1, zero_2, one_2 = (Image.open(path) for path in cells)
    assert same(zero_1, zero_2) and not same(zero_1, one_1) and not same(one_1, one_2)
    assert "<lora:cat-02:1>" in one_2.text["parameters"]
    legend = json.loads(grid_path.with_suffix(".json").read_text())
    assert (
        legend["x"] == {"search": "NUM", "values": ["01", "02"]}
        and legend["pictures"][3]["file"] == "grid/02_1.png"
    )
    drawn = [event for event in told if isinstance(event, Drawn)]
    assert [event.kind for event in drawn] == ["cell"] * 4 + ["grid"] and drawn[-1].paths == (str(grid_path),)
    assert told.count(Progress("Drawing the grid", 4, 4)) == 1
    width, height = Image.open(grid_path).size
    assert width > 2 * sheet.SHORTEST_CELL and height > 2 * sheet.SHORTEST_CELL


def test_strength_0_is_exactly_the_base_and_the_order_changes_nothing(config, tiny_base, tmp_path):
    from lora_nb.bases.models import load_base
    from lora_nb.drawing.sample import Prompt, sample_images

    forward = grid.grid(config(y_values=("STRENGTH", "0", "1")))
    back = grid.grid(config(x_values=("NUM", "02", "01"), y_values=("STRENGTH", "1", "0")))
    by_name = {path.name: Image.open(path) for path in cells_of(forward)}
    for path in cells_of(back):
        assert same(Image.open(path), by_name[path.name])
    assert same(by_name["01_0.png"], sample_images(load_base(str(tiny_base)), [Prompt("ohwx", steps=2)])[0])


def test_a_stopped_grid_keeps_its_pictures(config):
    asked = iter([frozenset(), frozenset(), frozenset({"stop"})])
    finished = grid.grid(config(), poll=lambda: next(asked))
    assert finished.status == "stopped" and "2 of its 8" in finished.text
    assert len(list(Path(finished.text.rpartition(" ")[2].removesuffix(".")).glob("*.png"))) == 2
    assert Path(grid.grid(config(y_values=("STRENGTH", "0"))).files[0]).name == "grid-2.png"


def test_an_older_grid_stays(config):
    small = config(x_values=("NUM", "01"), y_values=("STRENGTH", "0"))
    first, second = grid.grid(small), grid.grid(small)
    assert [Path(done.files[0]).name for done in (first, second)] == ["grid.png", "grid-2.png"]
    assert cells_of(second)[0].parent.name == "grid-2" and all(Path(path).exists() for path in first.files)


def test_checkpoints_of_different_shape_stand_in_one_grid(config, tiny_base, output, tmp_path):
    make_lora(tiny_base, tmp_path / "a-01.safetensors")
    make_lora(tiny_base, tmp_path / "a-02.safetensors", rank=4)
    finished = grid.grid(config(lora_dir=str(tmp_path), output_name="a", y_values=("STRENGTH", "1")))
    assert len(cells_of(finished)) == 2


def test_a_diverged_checkpoint_is_a_black_cell_with_a_warning(config, tiny_base, tmp_path):
    make_lora(tiny_base, tmp_path / "a-01.safetensors", scale=float("nan"))
    told = []
    options = {"lora_dir": str(tmp_path), "output_name": "a", "y_values": ("STRENGTH", "0", "1"), "width": 96}
    sound, black = cells_of(grid.grid(config(**options), told.append))
    assert not same(Image.open(sound), Image.open(black)) and same(
        Image.open(black), Image.new("RGB", (96, 64))
    )
    assert [event.level for event in told if isinstance(event, Notice)] == ["warning"]


def test_a_file_for_another_base_is_named(config, tmp_path):
    build_tiny_base(tmp_path / "wide", text_layers=4)
    make_lora(tmp_path / "wide", tmp_path / "a-01.safetensors")
    with pytest.raises(ValueError, match="a-01: the LoRA does not fit this base"):
        grid.grid(config(lora_dir=str(tmp_path), output_name="a"))


def test_an_open_seed_is_drawn_once_for_the_whole_grid_and_told(config):
    told = []
    finished = grid.grid(config(seed=-1, y_values=("STRENGTH", "1")), told.append)
    (seed,) = [
        int(e.text.split(" = ")[1].split()[0]) for e in told if isinstance(e, Notice) and "🎲" in e.text
    ]
    assert json.loads(Path(finished.files[1]).read_text())["seed"] == seed > 0
    for path in cells_of(finished):
        assert f"Seed: {seed}," in Image.open(path).info["parameters"]


def test_brackets_of_the_trigger_word_are_words(config):
    assert plan_grid(config(trigger_word="ohwx (cat)")).cells[0].prompt.text.strip() == r"ohwx \(cat\)"
    assert (
        plan_grid(config(prompt="a (cat:1.2)", trigger_word="x"))
        .cells[0]
        .prompt.text.startswith("a (cat:1.2)")
    )
