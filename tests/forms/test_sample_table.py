"""Samples as a table: the newest first, the base's own last."""

import re

from PIL import Image

from lora_nb.forms import sample_table


def draw(folder, step, epoch, count=2):
    folder.mkdir(exist_ok=True)
    for number in range(count):
        Image.new("RGB", (8, 8), (step % 256, 40 * number, 0)).save(
            folder / f"cat_e{epoch:02d}_s{step:06d}_{number:02d}.png"
        )


def test_the_newest_come_first_and_what_the_base_drew_last(tmp_path):
    folder = tmp_path / "samples"
    for step in (0, 10, 20, 30, 40, 1_000_050):
        draw(folder, step, step // 10)
    (folder / "other.png").write_bytes(b"not one of ours")
    shown = sample_table.draw(folder)
    said = re.findall(r"step (\d+), epoch|(before training)", shown)
    assert ["".join(found) for found in said] == ["1000050", "40", "30", "20", "before training"]
    assert shown.count("<img") == 10 and "and 1 more in" in shown


def test_without_samples_nothing_is_shown(tmp_path):
    assert sample_table.draw(tmp_path / "none") == ""


def test_a_few_rows_are_all_shown_and_a_broken_picture_does_no_harm(tmp_path):
    draw(tmp_path, 5, 1)
    (tmp_path / "cat_e01_s000005_00.png").write_bytes(b"cut short")
    shown = sample_table.draw(tmp_path)
    assert "step 5, epoch 1" in shown and "cannot be read" in shown and "more in" not in shown
