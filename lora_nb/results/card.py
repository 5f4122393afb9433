"""The model card of a run's files: what they are and how they are used, in the form of Hugging Face."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_nb import files
from lora_nb.config.results import RunFiles
from lora_nb.redact import redact
from lora_nb.results.inspection import Inspection, inspect
from lora_nb.results.run_files import RunFile, chosen, folder_of
from lora_nb.takeover import OWN

CARD = "README.md"
MARK = "<!-- written by lora_nb; without this line it is not written anew -->"
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
LICENCES = ("apache-2.0", "mit", "openrail", "creativeml-openrail-m", "cc0-1.0")
COMMONS = re.compile(r"cc[ -]?(by(?:-n[cd]|-sa)*)[ -]?(\d\.\d)", re.IGNORECASE)
SAMPLE = re.compile(r"_e(\d{2,})_s(\d{6,})_(\d{2,})\.png")


@dataclass(frozen=True)
class Card:
    """A card's text, and the pictures it shows, each with its name beside the card."""

    text: str
    pictures: Mapping[str, Path]


@dataclass(frozen=True)
class _Facts:
    """What a card is made of."""

    file: RunFile
    seen: Inspection
    settings: Mapping[str, Any]
    prompts: Mapping[str, str]
    files: Sequence[RunFile]

    @property
    def trigger(self) -> str:
        return self.seen.metadata.get("modelspec.trigger_phrase", "")

    @property
    def base(self) -> str:
        name = str(self.settings.get("pretrained_model_name_or_path", ""))
        return name or self.seen.metadata.get("ss_sd_model_name", "")

    @property
    def title(self) -> str:
        return self.seen.metadata.get("modelspec.title") or self.file.path.stem


def make(config: RunFiles) -> Card:
    """The card of the files that are asked for; the newest is the one it describes. Raises ValueError without files."""
    wanted, own = chosen(config), folder_of(config)
    newest = max(wanted, key=lambda file: file.step or 0)
    seen = inspect(newest.path)
    try:
        settings = json.loads(seen.metadata.get(OWN, "{}"))
    except ValueError:
        settings = {}
    shown = _samples(own.samples, newest)
    prompts = settings.get("sample_prompts") or [seen.metadata.get("modelspec.trigger_phrase", "")]
    texts = {name: _plain(prompts[number % len(prompts)]) for name, (number, _) in shown.items()}
    facts = _Facts(newest, seen, settings, texts, wanted)
    return Card(redact(_text(facts)), {name: path for name, (_, path) in shown.items()})


def write(config: RunFiles) -> Path:
    """Write the card into the run's folder. Raises ValueError where a card of one's own lies there."""
    path = folder_of(config).base / CARD
    if path.is_file() and MARK not in path.read_text(encoding="utf-8", errors="replace"):
        raise ValueError(
            f"{path} was written or changed by hand, and is left as it is: move it away for a new one"
        )
    files.write_text(path, make(config).text)
    return path


def _samples(folder: Path, file: RunFile) -> dict[str, tuple[int, Path]]:
    """The samples of a file's step by their name beside the card, with the number of their prompt."""
    found = {}
    for path in sorted(folder.glob("*.png")) if folder.is_dir() else ():
        match = SAMPLE.search(path.name)
        if match and file.step in (None, int(match[2])):
            found[f"samples/{path.name}"] = (int(match[3]), path)
    return dict(list(found.items())[-8:])


def _plain(prompt: str) -> str:
    """A sample's prompt without its flags (--s 20 ...)."""
    return re.split(r"\s--\w", str(prompt))[0].strip()


def _text(facts: _Facts) -> str:
    from huggingface_hub import ModelCardData

    head = ModelCardData(**_head(facts)).to_yaml()
    body = [
        "---", head, "---", MARK, f"# {facts.title}", _first_words(facts), _how_to_use(facts), _files(facts),
        _training(facts),
    ]  # fmt: skip
    return "\n\n".join(part for part in body if part).replace("---\n\n", "---\n", 1) + "\n"


def _head(facts: _Facts) -> dict[str, Any]:
    head: dict[str, Any] = {
        "library_name": "diffusers",
        "pipeline_tag": "text-to-image",
        "tags": ["text-to-image", "lora", "diffusers", "template:sd-lora", *_kind_of_base(facts)],
    }
    if HUB_ID.fullmatch(facts.base):
        head["base_model"] = facts.base
        head["base_model_relation"] = "adapter"
    if facts.trigger:
        head["instance_prompt"] = facts.trigger
    if facts.prompts:
        head["widget"] = [
            {"text": text or facts.title, "output": {"url": name}} for name, text in facts.prompts.items()
        ]
    return head | _licence(facts.seen.metadata.get("modelspec.license", ""))


def _kind_of_base(facts: _Facts) -> list[str]:
    architecture = facts.seen.metadata.get("modelspec.architecture", "")
    return [re.split(r"-v\d|/", architecture)[0]] if architecture else []


def _licence(said: str) -> dict[str, str]:
    """A licence by the Hub's name for it, or by its own."""
    if not said:
        return {}
    plain = said.strip().lower()
    commons = COMMONS.fullmatch(plain.replace(" ", "-"))
    if commons:
        return {"license": f"cc-{commons[1]}-{commons[2]}"}
    return (
        {"license": plain}
        if plain in LICENCES
        else {"license": "other", "license_name": plain.replace(" ", "-")}
    )


def _first_words(facts: _Facts) -> str:
    said = facts.seen.metadata.get("modelspec.description", "")
    base = f" for {facts.base}" if facts.base else ""
    trigger = f"\n\nPut `{facts.trigger}` into the prompt." if facts.trigger else ""
    pictures = "".join(
        f'<img src="{name}" width="256" alt="{text}"> ' for name, text in facts.prompts.items()
    )
    return f"{said or f'A {facts.seen.kind}{base}.'}{trigger}" + (
        f"\n\n{pictures.strip()}" if pictures else ""
    )


def _how_to_use(facts: _Facts) -> str:
    name, prompt = facts.file.path.name, facts.trigger or "your prompt"
    called = f"<lora:{facts.file.path.stem}:1>"
    lines = ["## Use", f"In A1111, Forge or SD.Next: put the file into `models/Lora` and write `{called}`."]
    if HUB_ID.fullmatch(facts.base):
        code = [
            "from diffusers import AutoPipelineForText2Image", "",
            f'pipeline = AutoPipelineForText2Image.from_pretrained("{facts.base}")',
            f'pipeline.load_lora_weights(".", weight_name="{name}")',
            f"pipeline({json.dumps(prompt, ensure_ascii=False)}).images[0]",
        ]  # fmt: skip
        lines.append("With diffusers:\n\n```python\n" + "\n".join(code) + "\n```")
    return "\n\n".join(lines)


def _files(facts: _Facts) -> str:
    head = ["## Files", "", "| file | epoch | step | mean loss | size |", "|---|---|---|---|---|"]
    return "\n".join([*head, *map(_row, facts.files)])


def _row(file: RunFile) -> str:
    cells = (file.path.name, *map(_or_dash, (file.epoch, file.step, file.loss)), f"{file.size / 1e6:.1f} MB")
    return f"| {' | '.join(cells)} |"


def _or_dash(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}" if isinstance(value, float) else str(value)


def _training(facts: _Facts) -> str:
    left = ("Title", "Description", "Trigger", "Licence", "Tags", "Tags in its captions")
    rows = [f"- {words}: {value}" for words, value in facts.seen.said.items() if words not in left]
    return "\n".join(["## Training", "", *rows]) if rows else ""
