"""Pictures in rows and columns."""

from PIL import Image

from lora_nb.drawing import sheet


def test_labels_fit():
    pictures = [[Image.new("RGB", (64, 64), "red")] * 3] * 12
    drawn = sheet.draw_sheet(
        pictures, ["a very long label " * 5] * 12, ["strength 0", "0.5", "1"], ["word " * 400]
    )
    assert drawn.width > 12 * 160 and drawn.height > 3 * 160
    huge = [[Image.new("RGB", (2048, 64), "red")]] * 20
    assert max(sheet.draw_sheet(huge, [""] * 20, [""], ["x"]).size) <= sheet.LONGEST_SIDE
