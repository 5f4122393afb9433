"""The names in a LoRA file, however other programs spell them, as this one does."""

import re
from collections.abc import Mapping, Sequence

from lora_nb.bases.base import Part

PARTS = {
    "lora_A.weight": "lora_down.weight",
    "lora_A.default.weight": "lora_down.weight",
    "lora.down.weight": "lora_down.weight",
    "lora_linear_layer.down.weight": "lora_down.weight",
    "lora_B.weight": "lora_up.weight",
    "lora_B.default.weight": "lora_up.weight",
    "lora.up.weight": "lora_up.weight",
    "lora_linear_layer.up.weight": "lora_up.weight",
}
OLD_PROCESSOR = re.compile(r"(.+?)_lora\.(down|up)\.weight")
Place = tuple[Part, str]


def layer_and_part(key: str, known: frozenset[str]) -> tuple[str, str]:
    """A key of a file as the name of its layer and what is added to it; ("", key) for one of neither spelling."""
    old = OLD_PROCESSOR.fullmatch(key)
    if old:
        return _plain(old[1]), f"lora_{old[2]}.weight"
    for spelt, part in PARTS.items():
        if key.endswith(f".{spelt}"):
            return _plain(key.removesuffix(f".{spelt}")), part
    for part in (*known, "alpha"):
        if key.endswith(f".{part}"):
            return _plain(key.removesuffix(f".{part}")), part
    return "", key


def _plain(layer: str) -> str:
    """A path as a name; a name as it is. The processors of old diffusers were no layers."""
    name = layer.removeprefix("base_model.model.").replace(".processor.", ".").replace(".", "_")
    return re.sub(r"_to_out$", "_to_out_0", name)


def places(parts: Sequence[Part], paths: Mapping[str, Sequence[str]]) -> dict[str, Place]:
    """Where each layer of `parts` (`paths` by their names) is, by every name it goes by in files.

    kohya's first; then diffusers' (the part's name and the path), and kohya's with that path; each without text_model,
    which newer text models lack.
    """
    found: dict[str, Place] = {}
    for part in parts:
        for path in paths[part.name]:
            path_name, own = path.replace(".", "_"), part.layer_name(path)
            for name in (own, f"{part.name}_{path_name}", f"lora_{part.name}_{path_name}"):
                found.setdefault(without_text_model(name), (part, path))
    return found


def without_text_model(name: str) -> str:
    """A name as it is looked for."""
    return name.replace("_text_model_", "_")


def find(name: str, known: Mapping[str, Place]) -> Place | None:
    """The layer that a file calls `name`; the only text model of a base may be called the first."""
    name = without_text_model(name)
    return known.get(name) or known.get(re.sub("^lora_te1_", "lora_te_", name))
