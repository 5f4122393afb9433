"""Counts along a line with a threshold on it, as a drawing that needs no plotting library."""

from html import escape

from lora_nb.pictures.pairing import Distances

WIDTH, HEIGHT, FOOT = 420, 90, 16
COPY, OTHER = "#c62828", "#4c8bf5"


def histogram(found: Distances) -> str:
    """HTML of the counts, those on the threshold's good side in another colour; "" where nothing was counted.

    Bars grow with the square root of their counts: copies are few among all pairs.
    """
    most, number = max(found.counts, default=0), len(found.counts)
    if not most:
        return ""
    step = WIDTH / number
    bars = "".join(_bar(found, place, step, most) for place in range(number) if found.counts[place])
    at = WIDTH * (found.threshold - found.low) / (found.high - found.low)
    copies = sum(count for place, count in enumerate(found.counts) if _is_copy(found, place))
    words = f"{found.label}: {copies} of {sum(found.counts)} pairs are copies; threshold {found.threshold:g}"
    return (
        f'<figure style="margin:8px 0"><svg role="img" aria-label="{escape(words)}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT + FOOT}" style="width:100%;max-width:{WIDTH}px;display:block">{bars}'
        f'<line x1="0" x2="{WIDTH}" y1="{HEIGHT}" y2="{HEIGHT}" stroke="currentColor" opacity=".4"/>'
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{HEIGHT}" stroke="currentColor" stroke-dasharray="4 3"/>'
        f"{_word(0, 'start', found.low)}{_word(WIDTH, 'end', found.high)}</svg>"
        f'<figcaption style="font-size:12px;opacity:.8">{escape(words)}</figcaption></figure>'
    )


def _is_copy(found: Distances, place: int) -> bool:
    middle = found.low + (place + 0.5) * (found.high - found.low) / len(found.counts)
    return middle < found.threshold if found.near_is_low else middle > found.threshold


def _bar(found: Distances, place: int, step: float, most: int) -> str:
    high = max(2.0, HEIGHT * (found.counts[place] / most) ** 0.5)
    colour = COPY if _is_copy(found, place) else OTHER
    return (
        f'<rect x="{place * step + 0.5:.1f}" y="{HEIGHT - high:.1f}" width="{max(1.0, step - 1):.1f}" '
        f'height="{high:.1f}" fill="{colour}"><title>{found.counts[place]} pairs</title></rect>'
    )


def _word(x: float, anchor: str, value: float) -> str:
    return f'<text x="{x}" y="{HEIGHT + 12}" text-anchor="{anchor}" font-size="11" fill="currentColor">{value:g}</text>'
