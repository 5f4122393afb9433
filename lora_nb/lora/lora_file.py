"""One LoRA file on disk: kohya's names, bytes, hashes."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from lora_nb import files
from lora_nb.lora.spellings import layer_and_part
from lora_nb.lora.updates import KNOWN, Update, read_module

DTYPES = {"fp16": torch.float16, "bf16": torch.bfloat16, "fp32": torch.float32}


@dataclass(frozen=True)
class LoraFile:
    """What a LoRA file holds: the update of each layer by its kohya name, and what the file says of itself."""

    modules: Mapping[str, Update]
    metadata: Mapping[str, str]


def write_lora(path: Path, file: LoraFile, dtype: torch.dtype) -> None:
    """Write a kohya-format .safetensors file, whole or not at all, with the hashes Civitai and A1111 look for."""
    tensors = {}
    for name, module in file.modules.items():
        for part, values in module.tensors.items():
            tensors[f"{name}.{part}"] = values.detach().to("cpu", dtype).contiguous()
        tensors[f"{name}.alpha"] = torch.tensor(module.alpha, dtype=dtype)
    files.write_bytes(path, serialize(tensors, file.metadata))


def serialize(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    """Safetensors bytes with `metadata`, its model hashes added. Equal input gives equal bytes.

    `sshs_model_hash` is the sha256 of everything after the header; `sshs_legacy_hash` the first 8 hex digits of
    the sha256 of 64 KiB at offset 1 MiB of the same file with `ss_*` metadata alone (sd-scripts).
    """
    blob = save(dict(tensors))
    start = 8 + int.from_bytes(blob[:8], "little")
    header, payload = json.loads(blob[8:start]), blob[start:]
    plain = {key: value for key, value in metadata.items() if key.startswith("ss_")}
    legacy = _assemble(header, plain, payload)[0x100000:0x110000]
    hashes = {
        "sshs_model_hash": hashlib.sha256(payload).hexdigest(),
        "sshs_legacy_hash": hashlib.sha256(legacy).hexdigest()[:8],
    }
    return _assemble(header, {**metadata, **hashes}, payload)


def _assemble(header: Mapping, metadata: Mapping[str, str], payload: bytes) -> bytes:
    text = json.dumps(
        {"__metadata__": dict(sorted(metadata.items())), **header}, separators=(",", ":"), ensure_ascii=False
    )
    encoded = text.encode("utf-8")
    encoded += b" " * (-len(encoded) % 8)
    return len(encoded).to_bytes(8, "little") + encoded + payload


def read_lora(path: Path) -> LoraFile:
    """The update of each layer, alpha = rank where the file has none.

    Raises ValueError with one sentence for a missing file, one that is no safetensors, or one in another format.
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"{path} does not exist: give the path of a LoRA file (.safetensors)")
    try:
        with safe_open(path, framework="pt") as opened:
            tensors = {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118
            metadata = opened.metadata() or {}
    except SafetensorError:
        raise ValueError(
            f"{path} is not a readable .safetensors file (a web page saved under that name, or half a download?)"
        ) from None
    return LoraFile(_modules(path, tensors), metadata)


def _modules(path: Path, tensors: Mapping[str, Tensor]) -> dict[str, Update]:
    layers: dict[str, dict[str, Tensor]] = defaultdict(dict)
    for key, values in tensors.items():
        layer, part = layer_and_part(key, KNOWN)
        layers[layer][part] = values
    strange = layers.pop("", {})
    if not any(parts.keys() - {"alpha"} for parts in layers.values()):
        raise ValueError(f"{path} holds no kohya-format LoRA (no lora_down weights in it)")
    if strange:
        raise ValueError(
            f"{path} cannot be read whole: {len(strange)} of its {len(tensors)} tensors are of no LoRA, LoCon, DoRA, "
            f"LoHa or LoKr, e.g. {min(strange)}"
        )
    return {layer: _module(path, layer, parts) for layer, parts in layers.items()}


def _module(path: Path, layer: str, parts: dict[str, Tensor]) -> Update:
    alpha = parts.pop("alpha", None)
    try:
        return read_module(parts, None if alpha is None else float(alpha))
    except ValueError as error:
        raise ValueError(f"{path} is damaged: {layer} {error}") from None
