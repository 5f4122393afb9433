"""What a LoRA file is and says of itself, in plain words, read from its header alone."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.redact import redact

LONGEST_HEADER = 100_000_000
KINDS = (  # the first whose tensors are there names the file
    ("DoRA", ".dora_scale"),
    ("LoKr", ".lokr_w"),
    ("LoHa", ".hada_w"),
    ("LoRA", ".lora_down."),
    ("LoRA", ".lora_A."),
)
MOST_TAGS = 20
OF_TEXT = re.compile(r"lora_te|text_|te\d?_")
SAID = (  # what is told: its words, and the keys of which the first that is there has it
    ("Title", ("modelspec.title", "ss_output_name")),
    ("Author", ("modelspec.author",)),
    ("Licence", ("modelspec.license",)),
    ("Description", ("modelspec.description",)),
    ("Trigger", ("modelspec.trigger_phrase",)),
    ("Tags", ("modelspec.tags",)),
    ("Remark", ("ss_training_comment",)),
    ("Base", ("ss_sd_model_name", "modelspec.architecture", "ss_base_model_version")),
    ("Kind of base", ("modelspec.architecture", "ss_base_model_version")),
    ("Resolution", ("modelspec.resolution", "ss_resolution")),
    ("Predicts", ("modelspec.prediction_type",)),
    ("Pictures (with repeats)", ("ss_num_train_images",)),
    ("Epoch", ("ss_epoch",)),
    ("Steps", ("ss_steps",)),
    ("Learning rate", ("ss_unet_lr", "ss_learning_rate")),
    ("Rate of what reads text", ("ss_text_encoder_lr",)),
    ("Schedule", ("ss_lr_scheduler",)),
    ("Optimizer", ("ss_optimizer",)),
    ("Seed", ("ss_seed",)),
    ("Text layers from the end", ("ss_clip_skip",)),
    ("Made with", ("modelspec.implementation_version", "ss_sd_scripts_commit_hash")),
    ("Length changed", ("lora_nb_lengths",)),
    ("Date", ("modelspec.date",)),
)


@dataclass(frozen=True)
class Inspection:
    """A LoRA file: what its tensors tell, and its metadata. `ranks` are those of its layers, each once."""

    path: Path
    size: int
    kind: str
    ranks: tuple[int, ...]
    layers: Mapping[str, int]
    precision: str
    metadata: Mapping[str, str]

    @property
    def lines(self) -> list[str]:
        """What there is to know, a line each."""
        rank = ", ".join(map(str, self.ranks[:4])) + (", ..." if len(self.ranks) > 4 else "")
        of_rank = f" of rank {rank}" if rank else ""
        where = ", ".join(f"{count} in {part}" for part, count in self.layers.items())
        first = f"{self.path.name}: {self.kind}{of_rank}, {self.size / 1e6:.1f} MB, {self.precision}"
        told = [f"{words}: {value}" for words, value in self.said.items()]
        return [first, f"Layers: {where}", *told, *([] if told else ["It says nothing of itself."])]

    @property
    def said(self) -> dict[str, str]:
        """What the metadata says, by words for people; empty values are left out."""
        found = {}
        for words, keys in SAID:
            value = next((self.metadata[key] for key in keys if self.metadata.get(key, "None") != "None"), "")
            if value and value not in found.values():
                found[words] = redact(" ".join(value.split()))
        if alpha := self.metadata.get("ss_network_alpha", ""):
            found["Alpha"] = alpha
        if tags := self.tags:
            found["Tags in its captions"] = ", ".join(f"{tag} ({count})" for tag, count in tags)
        return found

    @property
    def tags(self) -> list[tuple[str, int]]:
        """The most frequent tags of the captions with how often they stand there."""
        total: Counter[str] = Counter()
        try:
            for folder in json.loads(self.metadata.get("ss_tag_frequency", "{}")).values():
                total.update({str(tag).strip(): int(count) for tag, count in folder.items()})
        except (ValueError, AttributeError, TypeError):
            return []
        return total.most_common(MOST_TAGS)


def inspect(path: Path) -> Inspection:
    """What a .safetensors file holds. Raises ValueError for one that is none, or no LoRA."""
    path = Path(path).expanduser()
    header = _header(path)
    metadata = header.pop("__metadata__", None) or {}
    kind = next((word for word, mark in KINDS if any(mark in name for name in header)), "")
    if not kind:
        raise ValueError(f"{path} holds no LoRA: none of its {len(header)} tensors is one's (a whole model?)")
    down = {name: each for name, each in header.items() if _is_inner(name)}
    if kind == "LoRA" and any(
        len(each["shape"]) == 4 and max(each["shape"][2:]) > 1 for each in down.values()
    ):
        kind = "LoCon (LoRA of convolutions too)"
    return Inspection(
        path=path,
        size=path.stat().st_size,
        kind=kind,
        ranks=tuple(sorted({_rank(name, each["shape"]) for name, each in down.items()})),
        layers=_layers(header),
        precision=Counter(each["dtype"] for each in header.values()).most_common(1)[0][0],
        metadata={str(key): str(value) for key, value in metadata.items()},
    )


def _header(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ValueError(f"{path} does not exist: give the path of a LoRA file (.safetensors)")
    with open(path, "rb") as file:
        length = int.from_bytes(file.read(8), "little")
        text = file.read(length) if length < LONGEST_HEADER else b""
    try:
        found = files.from_json(text)
        tensors = [each for name, each in found.items() if name != "__metadata__"]
        if tensors and all(isinstance(each["shape"], list) and each["dtype"] for each in tensors):
            return found
    except (ValueError, AttributeError, KeyError, TypeError):
        pass
    raise ValueError(
        f"{path} is not a readable .safetensors file (a web page saved under that name, or half a download?)"
    )


def _is_inner(name: str) -> bool:
    """Whether a tensor has the rank as one of its sides."""
    return bool(re.search(r"\.(lora_down|lora_A)\.|\.hada_w1_b$|\.lokr_w2_b$", name))


def _rank(name: str, shape: list[int]) -> int:
    return shape[0] if shape else 0


def _layers(header: Mapping[str, Any]) -> dict[str, int]:
    """How many layers of each part of a base have an update."""
    layers = {re.split(r"\.(?=lora_|hada_|lokr_|dora_|alpha|diff)", name)[0] for name in header}
    parts = Counter("what reads text" if OF_TEXT.match(name) else "the denoiser" for name in layers)
    return dict(sorted(parts.items()))
