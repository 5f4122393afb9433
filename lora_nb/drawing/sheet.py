"""Pictures laid out in rows and columns with labels."""

from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

SHORTEST_CELL = 160
LONGEST_SIDE = 12_000
MARGIN = 12
INK, PAPER = (20, 20, 20), (255, 255, 255)


def draw_sheet(
    columns: Sequence[Sequence[Image.Image]],
    x_labels: Sequence[str],
    y_labels: Sequence[str],
    title: Sequence[str],
) -> Image.Image:
    """All in one picture: `title` lines on top, `x_labels` over the columns, `y_labels` left of the rows.

    Small pictures are enlarged until a label fits over them; a sheet too large for viewers is reduced.
    """
    width, height = _cell_size(columns)
    font = ImageFont.load_default(max(14, min(40, width // 9)))
    left = MARGIN + max((_text_width(font, label) for label in y_labels), default=0) + MARGIN
    sheet_width = max(left + len(columns) * (width + MARGIN), left + SHORTEST_CELL * 3)
    lines = [part for line in title for part in wrap(line, font, sheet_width - 2 * MARGIN)]
    line_height = int(font.size * 1.35)
    top = MARGIN + line_height * len(lines) + MARGIN + line_height
    sheet = Image.new("RGB", (sheet_width, top + len(y_labels) * (height + MARGIN)), PAPER)
    draw = ImageDraw.Draw(sheet)
    for number, line in enumerate(lines):
        draw.text((MARGIN, MARGIN + number * line_height), line, fill=INK, font=font)
    for row, label in enumerate(y_labels):
        draw.text(
            (MARGIN, top + row * (height + MARGIN) + height // 2), label, fill=INK, font=font, anchor="lm"
        )
    for column, pictures in enumerate(columns):
        x = left + column * (width + MARGIN)
        label = fit(x_labels[column], font, width + MARGIN)
        draw.text((x + width // 2, top - line_height // 2), label, fill=INK, font=font, anchor="mm")
        for row, picture in enumerate(pictures):
            sheet.paste(
                picture.resize((width, height), Image.Resampling.LANCZOS), (x, top + row * (height + MARGIN))
            )
    sheet.thumbnail((LONGEST_SIDE, LONGEST_SIDE), Image.Resampling.LANCZOS)
    return sheet


def _cell_size(columns: Sequence[Sequence[Image.Image]]) -> tuple[int, int]:
    width = max(picture.width for pictures in columns for picture in pictures)
    height = max(picture.height for pictures in columns for picture in pictures)
    times = -(-SHORTEST_CELL // min(width, height)) if min(width, height) < SHORTEST_CELL else 1
    return width * times, height * times


def _text_width(font: ImageFont.ImageFont | ImageFont.FreeTypeFont, text: str) -> int:
    return int(font.getlength(text)) + 1


def wrap(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> list[str]:
    """`text` in lines no wider than `width` pixels, broken between words; a longer word stands alone, cut."""
    lines: list[str] = []
    for word in text.split():
        if lines and _text_width(font, f"{lines[-1]} {word}") <= width:
            lines[-1] += f" {word}"
        else:
            lines.append(fit(word, font, width))
    return lines


def fit(text: str, font: ImageFont.ImageFont | ImageFont.FreeTypeFont, width: int) -> str:
    """`text`, with … for its end where it is wider than `width` pixels."""
    if _text_width(font, text) <= width:
        return text
    while text and _text_width(font, f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
