"""The groups of tags that a score is given for."""

import numpy as np

from palette import BACKGROUND, HAIR
from styles import STYLES

_HAIR_STYLES = {
    tag
    for style in STYLES.values()
    for table in (style.hair, style.rear_hair)
    for tags in table.values()
    for tag in tags
}
_FACES = {
    tag
    for style in STYLES.values()
    for table in (style.mouth, style.eyes)
    for tags in table.values()
    for tag in tags
}
GROUPS = {
    "hair colour": {f"{name} hair" for name in HAIR},
    "hair style": _HAIR_STYLES - {"hair flower", "hairband"},
    "glasses": {"glasses", "sunglasses"},
    "background": {f"{name} background" for name in BACKGROUND},
    "expression": _FACES - {"glasses", "sunglasses", "lips", "half-closed eyes"},
}


def group_scores(told: np.ndarray, wanted: np.ndarray, names: list[str]) -> dict[str, float]:
    """Return micro-F1 a group, and their mean, of boolean arrays (B, K). A group that nobody names has none."""
    scores = {}
    for group, members in GROUPS.items():
        columns = [index for index, name in enumerate(names) if name in members]
        hit = (told[:, columns] & wanted[:, columns]).sum()
        if named := told[:, columns].sum() + wanted[:, columns].sum():
            scores[group] = round(float(2 * hit / named), 3)
    return scores | {"mean": round(sum(scores.values()) / len(scores), 3)}
