"""The button that opens TensorBoard, pressed."""

import asyncio

import pytest
from test_dataset_maker import press

from lora_nb.forms.board_step import BoardStep
from lora_nb.forms.project_step import ProjectStep


@pytest.fixture
def board(dataset, tmp_path, monkeypatch):
    dataset.mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    chosen = ProjectStep("Use this project", create=False)
    chosen.preset()
    return BoardStep(chosen)


def test_without_a_run_it_says_so_and_stays_usable(board):
    said = asyncio.run(press(board))
    assert "holds no run that wrote figures yet: train first" in said and not board.works()
    assert board.cancel.layout.display == "none" and board.result.children == ()


def test_no_later_cell_presses_it(board):
    board.show()
    assert not board.due


def test_the_frame_has_a_link_for_where_it_is_blocked(board):
    html = board.frame("http://127.0.0.1:1234/")
    assert html.count('="http://127.0.0.1:1234/"') == 2 and "<iframe" in html and "Open it in a tab" in html
