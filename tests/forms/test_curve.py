"""The drawings of a training."""

import re
import xml.dom.minidom

import pytest
from test_verdict import FALLING, LOST, checks

from lora_nb import events
from lora_nb.forms.chart import MOST, smoothed
from lora_nb.forms.curve import Losses


def steps(count, plain=None, d=None, epochs=1):
    for step in range(1, count + 1):
        other = None if plain is None else plain + step % 5 / 100
        yield events.StepLog(
            step, count, 1 + epochs * (step - 1) // count, 0.1 + step % 7 / 100, 0.12, 1e-4, 1e-5, 9.0, 10.0, other, other,
            {"draws": 1e-4, "reads_text": 1e-5, "more": 1e-4}, d,
        )  # fmt: skip


def drawn(*told, purpose=""):
    losses = Losses(purpose)
    for event in told:
        losses.add(event)
    html = losses.draw()
    if html:
        xml.dom.minidom.parseString(html)  # every bracket is closed
    return html


def test_losses_are_drawn_small_however_many_there_are():
    assert drawn() == ""
    html = drawn(*steps(5000), events.EpochLog(1, 5000, 0.13))
    assert html.count("<circle") == 1 and "step 5000" in html and "mean of the epoch" in html
    longest = max(len(points.split()) for points in re.findall(r'points="([^"]*)"', html))
    assert longest <= MOST + 1 and len(html) < 30_000


def test_raw_and_smoothed_are_two_lines():
    html = drawn(*steps(200))
    assert "each step" in html and "smoothed" in html
    points = [(step, float(step % 2)) for step in range(400)]
    assert max(abs(value - 0.5) for _, value in smoothed(points)[50:]) < 0.1
    assert smoothed(points)[0] == (0, 0.0) and smoothed([(1, 7.0)]) == [(1, 7.0)] and smoothed([]) == []


def test_the_plain_loss_has_its_own_drawing_with_a_band_that_is_called_rough():
    assert "Plain loss" not in drawn(*steps(9)) and "Plain loss" not in drawn(
        *(event for event in steps(9)),
        events.EpochLog(1, 9, 0.1, 0.1),
    )
    html = drawn(*steps(9, plain=0.3))
    assert (
        "Plain loss" in html
        and "character 0.06-0.09, object 0.07-0.09, style 0.08-0.13" in html
        and "rough" in html
    )
    style = drawn(*steps(9, plain=0.3), purpose="style")
    assert "style 0.08-0.13" in style and "character" not in style


def test_the_checks_have_a_line_a_band_and_their_verdict():
    html = drawn(*steps(70), *checks(LOST), *checks(FALLING[:8], name="base", key="b"))
    assert "Over-trained" in html and "pictures held out" in html and html.count("<polygon") == 2
    assert html.count("<circle") == 16
    assert "Checked loss" not in drawn(*steps(70))


def test_rates_and_what_an_optimizer_found():
    assert (
        "reads text" in drawn(*steps(9))
        and "more" not in drawn(*steps(9))
        and "d, the rate" not in drawn(*steps(9))
    )
    assert "d, the rate that was found" in drawn(*steps(9, d=3e-4))


def test_pace_memory_and_where_the_time_went():
    html = drawn(
        *steps(9),
        events.Spent(1, 5, {"step": 6.0, "data": 1.0}, 2e9),
        events.Spent(2, 9, {"sampling": 3.0}, 4e9),
    )
    assert "9.00 steps a second · 4.0 GB of memory · time: step 60 %, sampling 30 %, data 10 %" in html


def test_one_wild_step_does_not_flatten_the_rest():
    calm, wild = drawn(*steps(300)), drawn(*steps(300), jump(150))
    heights = [
        re.search(r'text-anchor="start" fill="currentColor">([0-9.]+)<', each)[1] for each in (calm, wild)
    ]
    assert float(heights[0]) < 0.2 and float(heights[1]) < 10  # its edge is that of the smoothed line


def jump(step):
    return events.StepLog(step, 300, 1, 50.0, 0.1, 1e-4, 1e-5, 9.0, 10.0)


def test_numbers_that_are_none_do_not_spoil_the_drawing():
    html = drawn(*steps(5), events.StepLog(6, 6, 1, float("nan"), 0.1, 0, 0, 1, 1))
    assert "nan" not in html.replace("lora-nb", "")


def test_a_finished_run_is_read_from_its_file_and_damaged_lines_are_passed_over(tmp_path):
    lines = [
        events.to_line(event) for event in (*steps(3), *checks(FALLING), events.Spent(1, 3, {"step": 1.0}))
    ]
    damaged = [lines[1][:30], "7", '{"event": "StepLog"}', "\0" * 20, "[" * 100_000]
    (tmp_path / "metrics.jsonl").write_text("\n".join([lines[0], *damaged, *lines[1:]]), encoding="utf-8")
    losses = Losses()
    losses.read(tmp_path / "metrics.jsonl")
    losses.read(tmp_path / "none.jsonl")
    assert (
        list(losses.steps) == [1, 2, 3] and len(losses.checks) == len(FALLING) and list(losses.spent) == [3]
    )
    assert "Still learning" in losses.draw()


@pytest.mark.parametrize("name", ["probe", "held_out"])
def test_a_check_that_is_made_again_replaces_the_first(name):
    losses = Losses()
    for event in [*steps(70), *checks(LOST, name=name), *checks(LOST, name=name)]:
        losses.add(event)
    assert len(losses.checks) == len(LOST)
