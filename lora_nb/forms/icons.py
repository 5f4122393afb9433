"""A status as a small drawing that needs no font, each with its word."""

COLOURS = {"good": "#2e7d32", "bad": "#d32f2f", "warning": "#ed6c02", "": "currentColor"}
DISC = '<circle cx="8" cy="8" r="7.2" fill="{}"/>'
LINE = (
    '<path d="{}" fill="none" stroke="{}" stroke-width="2" stroke-linecap="round" stroke-linejoin="round"/>'
)
RING = '<circle cx="8" cy="8" r="6.6" fill="none" stroke="{}" stroke-width="1.6"/>'


def _on_disc(colour: str, path: str) -> str:
    return DISC.format(colour) + LINE.format(path, "#fff")


def _in_ring(path: str) -> str:
    return RING.format("currentColor") + LINE.format(path, "currentColor")


TICK = _on_disc(COLOURS["good"], "M4.6 8.3l2.3 2.4 4.5-5")
CROSS = _on_disc(COLOURS["bad"], "M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2")
TRIANGLE = f'<path d="M8 1L15.5 14.6H.5z" fill="{COLOURS["warning"]}"/>' + LINE.format(
    "M8 6v4M8 12.4v.1", "#fff"
)
# What is said of it, and the drawing in a square of 16. The states are those of a run.
LEVELS = {"good": ("OK", TICK), "bad": ("Problem", CROSS), "warning": ("Warning", TRIANGLE)}
STATES = {
    "waiting": _in_ring("M8 4.6V8l2.4 1.6"), "running": '<path d="M4 2.2L13.4 8 4 13.8z" fill="#1976d2"/>',
    "paused": LINE.format("M5.5 3.5v9M10.5 3.5v9", "currentColor"), "done": TICK, "failed": CROSS,
    "cancelled": _in_ring("M3.6 12.4l8.8-8.8"), "stopped": '<path d="M3.4 3.4h9.2v9.2H3.4z" fill="currentColor"/>',
}  # fmt: skip
STYLE = "width:1em;height:1em;vertical-align:-.13em;margin-right:.35em;flex:none"


def of_level(level: str) -> str:
    """The drawing of a sentence's level as HTML, with its word for who cannot see it; "" for "info"."""
    if level not in LEVELS:
        return ""
    word, drawing = LEVELS[level]
    head = f'<svg viewBox="0 0 16 16" role="img" aria-label="{word}" style="{STYLE}">'
    return f"{head}<title>{word}</title>{drawing}</svg>"


def of_state(state: str) -> str:
    """The drawing of a run's state as HTML; its word stands beside it."""
    return f'<svg viewBox="0 0 16 16" aria-hidden="true" style="{STYLE}">{STATES[state]}</svg>'
