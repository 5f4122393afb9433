"""TensorBoard's figures on a disk that is full or not there."""

from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lora_nb.training.board import Figures
from lora_nb.training.tensor_board import TensorBoard


def test_figures_are_written(tmp_path):
    board = TensorBoard(tmp_path / "board", 1, pytest.fail)
    board.add(Figures({"loss": 0.5}, 1, 1))
    board.flush()
    board.close()
    board.close()
    events = EventAccumulator(str(tmp_path / "board")).Reload()
    assert [event.value for event in events.Scalars("loss")] == [0.5]


def test_a_folder_that_cannot_be_made_is_told_and_no_reason_to_end(tmp_path):
    (tmp_path / "board").write_text("a file")
    told = []
    board = TensorBoard(tmp_path / "board", 1, told.append)
    board.add(Figures({"loss": 0.5}, 1, 1))
    board.flush()
    board.close()
    assert len(told) == 1 and "TensorBoard's figures cannot be written" in told[0].text


@pytest.mark.filterwarnings(
    "ignore::pytest.PytestUnhandledThreadExceptionWarning"
)  # TensorBoard's own thread
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no device that is always full")
def test_a_disk_that_fills_up_is_told_once_and_figures_come_back_with_it(tmp_path):
    told = []
    board = TensorBoard(tmp_path / "board", 1, told.append)
    board.flush()
    (path,) = (tmp_path / "board").iterdir()
    path.unlink()
    path.symlink_to("/dev/full")
    board.add(Figures({"loss": 0.5}, 1, 1))
    board.flush()
    board.add(Figures({"loss": 0.5}, 2, 1))
    assert len(told) == 1 and "No space left" in told[0].text and "goes on" in told[0].text
    path.unlink()
    board.flush()
    board.add(Figures({"loss": 0.25}, 9, 1))
    board.close()
    assert len(told) == 1
    events = EventAccumulator(str(tmp_path / "board")).Reload()
    assert [event.value for event in events.Scalars("loss")] == [0.25]
