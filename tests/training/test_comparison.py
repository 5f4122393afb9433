from pathlib import Path

import pytest
from PIL import Image

from lora_nb import settings
from lora_nb.__main__ import main
from lora_nb.config.training import TrainConfig
from lora_nb.events import EpochLog, StepLog, to_line
from lora_nb.training import comparison


def leave(folder: Path, rate: float, losses: list[float], picture: bool = True) -> Path:
    """What a run leaves in its folder."""
    settings.save(
        settings.make(TrainConfig, learning_rate=rate, output_name=folder.name), folder / "run.toml"
    )
    lines = [
        to_line(StepLog(step, len(losses), 1, loss, loss, rate, rate, 1.0, 0.0))
        for step, loss in enumerate(losses, 1)
    ]
    (folder / "metrics.jsonl").write_text(
        "\n".join([*lines, to_line(EpochLog(1, len(losses), losses[-1]))]) + "\n"
    )
    if picture:
        (folder / "samples").mkdir()
        Image.new("RGB", (32, 32), "red").save(folder / "samples" / f"{folder.name}-2.png")
        Image.new("RGB", (32, 32), "red").save(folder / "samples" / f"{folder.name}-10.png")
    return folder


@pytest.fixture
def two(tmp_path) -> list[Path]:
    return [
        leave(tmp_path / "runs" / "a", 1e-4, [0.3, 0.2]),
        leave(tmp_path / "runs" / "b<i>", 2e-4, [0.4, 0.1], False),
    ]


def test_only_what_differs_is_in_the_table(two):
    runs = comparison.read_all(two)
    assert comparison.differences(runs) == {"learning_rate": ["0.0001", "0.0002"]}
    assert [run.last for run in runs] == [0.2, 0.1]
    assert [path.name for path in runs[0].samples] == ["a-2.png", "a-10.png"]


def test_the_page_holds_curves_table_and_pictures_and_needs_no_other_file(two):
    page = comparison.page(comparison.read_all(two))
    assert page.count("<polyline") == 2 and page.count("data:image/jpeg") == 2
    assert "0.0002" in page and "b&lt;i&gt;" in page and "b<i>" not in page
    assert page.index("a-10") < page.index("a-2") and 'src="http' not in page


def test_the_verb_writes_the_page_beside_the_runs(two, capsys):
    assert main(["compare_runs", "--runs", ";".join(map(str, two))]) == 0
    assert "learning_rate: 0.0001 | 0.0002" in capsys.readouterr().out
    assert (two[0].parent / "compared.html").read_text(encoding="utf-8").startswith("<!doctype html>")


@pytest.mark.parametrize(
    ("which", "says"), [([], "0 runs are given"), ([0], "1 runs are given"), ([0, 0], "twice")]
)
def test_what_cannot_be_compared_is_a_sentence(which, says, two):
    with pytest.raises(ValueError, match=says):
        comparison.read_all([two[at] for at in which])
    with pytest.raises(ValueError, match="is no run"):
        comparison.read_all([two[0], two[0].parent])


def test_runs_without_a_step_or_a_picture_are_compared_by_their_settings(two):
    for each in two:
        (each / "metrics.jsonl").unlink()
    html = comparison.block(comparison.read_all(two))
    assert "None of these runs has logged a step yet" in html and "<th>learning rate</th>" in html
