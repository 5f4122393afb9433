"""The arguments of `queue ...` as people write them, said in flags."""

from collections.abc import Sequence

from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of

GROUP = "queue"
PLACES = {
    "cancel": ("number",), "pause": ("number",), "resume": ("number",), "remove": ("number",), "move": ("number", "to"),
    "again": ("number",), "sweep": ("run",),
}  # fmt: skip
FOLDED = {"again": "changes", "sweep": "over"}


def in_flags(given: Sequence[str]) -> list[str]:
    """`queue move 3 up` as `"queue move" --number 3 --to up`; arguments of other verbs as they are.

    `queue again 3 --rank 8` and `queue sweep run.toml --rank 8 16` say settings of a run; those become one flag.
    """
    if not given or given[0] != GROUP:
        return list(given)
    if len(given) == 1 or given[1].startswith("-"):
        return [f"{GROUP} list", *given[1:]]
    act, rest = given[1], list(given[2:])
    placed = []
    for name in PLACES.get(act, ()):
        if rest and not rest[0].startswith("-"):
            placed += [f"--{name}", rest.pop(0)]
    return [f"{GROUP} {act}", *placed, *(_folded(rest, FOLDED[act]) if act in FOLDED else rest)]


def _folded(rest: Sequence[str], into: str) -> list[str]:
    """The flags that are settings of a run as lines of one."""
    names, lines, kept, current = {each.name for each in settings_of(TrainConfig)}, [], [], None
    for word in rest:
        name, _, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and name.replace("-", "_") in names:
            current = [name.replace("-", "_"), *([value] if "=" in word else [])]
            lines.append(current)
        elif word.startswith("--") or current is None:
            current = None
            kept.append(word)
        else:
            current.append(word)
    said = "\n".join(f"{name} = {', '.join(values)}" for name, *values in lines)
    return [*kept, *([f"--{into}", said] if said else [])]
