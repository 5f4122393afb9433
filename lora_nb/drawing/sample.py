"""Pictures from a base, a prompt and perhaps a LoRA.

Shapes: B batch, C channels, H W pixels, h w latents, T tokens, D width.
"""

import contextlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from torch import Tensor, nn

from lora_nb import files, seeds
from lora_nb.bases.base import Base, Condition, Drawing
from lora_nb.bases.models import load_base
from lora_nb.bases.weighted_text import read_prompt
from lora_nb.bases.weights import move
from lora_nb.config import base as config_base
from lora_nb.config.drawing import DrawSettings, SampleConfig
from lora_nb.config.samplers import SAMPLERS
from lora_nb.declare import settings_of
from lora_nb.events import Drawn, Finished, Notice, Progress, Tell, silent
from lora_nb.lora import inject, lora_file
from lora_nb.lora.merge import merge_files
from lora_nb.typed import parse

LORA_CALL = re.compile(r"\s*<lora:([^:>]+)((?::[^:>]*)*)>")
OPTION = re.compile(r"(?:^|\s+)--(?=\w)")
FLAGS = {
    "n": "negative_prompt",
    "w": "width",
    "h": "height",
    "s": "steps",
    "l": "guidance",
    "d": "seed",
    "ss": "sampler",
}


@dataclass(frozen=True)
class Prompt:
    """One picture to draw. Without width or height it has the base's own size."""

    text: str
    negative: str = ""
    width: int | None = None
    height: int | None = None
    steps: int = DrawSettings.steps
    guidance: float = DrawSettings.guidance
    seed: int = DrawSettings.seed
    sampler: str = DrawSettings.sampler

    @classmethod
    def of(cls, text: str, draw: DrawSettings) -> "Prompt":
        """A picture of `text` as the settings say it."""
        size = (draw.width, draw.height)
        return cls(text, draw.negative_prompt, *size, draw.steps, draw.guidance, draw.seed, draw.sampler)


class BlackPicture(ValueError):
    """The model gave NaN, which every viewer shows as black."""


@dataclass(frozen=True)
class LoraCall:
    """A `<lora:name:te:unet>` of a prompt."""

    name: str
    strength: float
    of_text: float


def parse_prompt(text: str, defaults: Prompt) -> Prompt:
    """The prompt in `text --n negative --w 512 --h 512 --s 20 --l 7 --d 42 --ss euler_a`. Raises ValueError."""
    head, *options = OPTION.split(text.strip())
    known = {setting.name: setting for setting in settings_of(SampleConfig)}
    fields = {"negative_prompt": "negative"}
    values = {}
    for option in options:
        flag, _, value = option.partition(" ")
        if flag not in FLAGS:
            raise ValueError(
                f'prompt "{text}": --{flag} is unknown; known are {", ".join("--" + name for name in FLAGS)}'
            )
        name = FLAGS[flag]
        try:
            values[fields.get(name, name)] = parse(known[name], value)
        except ValueError as error:
            raise ValueError(f'prompt "{text}": --{flag}: {error}') from None
    return replace(defaults, text=head, **values)


def split_lora_calls(text: str) -> tuple[str, list[LoraCall]]:
    """`text` without its `<lora:...>`, and those. Raises ValueError for a strength that is no number."""
    calls = [_read_call(match) for match in LORA_CALL.finditer(text)]
    return LORA_CALL.sub("", text).strip(" ,") if calls else text, calls


def _read_call(match: re.Match) -> LoraCall:
    plain = [part for part in match[2].split(":")[1:] if "=" not in part]
    named = dict(part.split("=", 1) for part in match[2].split(":")[1:] if "=" in part)
    try:
        of_text = float(named.get("te", plain[0] if plain else 1))
        strength = float(named.get("unet", plain[1] if len(plain) > 1 else of_text))
    except ValueError:
        raise ValueError(
            f"{match[0].strip()} in the prompt has a strength that is no number: write e.g. <lora:{match[1]}:0.8>"
        ) from None
    return LoraCall(match[1].strip(), strength, of_text)


def sample_images(base: Base, prompts: Sequence[Prompt], clip_skip: int = 1) -> list[Image.Image]:
    """One picture for each prompt, drawn one at a time: it depends on its own prompt and seed alone.

    Works on a model in training: its mode is restored and no random state is touched. Raises BlackPicture
    when the model gives NaN.
    """
    with torch.no_grad(), evaluating(base.vae, *(part.model for part in base.parts)):
        return [_draw(base, prompt, clip_skip) for prompt in prompts]


@contextlib.contextmanager
def evaluating(*models: nn.Module) -> Iterator[None]:
    """Within it the models are in eval mode; after it each of their modules is as it was."""
    training = [module for model in models for module in model.modules() if module.training]
    for module in training:
        module.training = False
    try:
        yield
    finally:
        for module in training:
            module.training = True


def picture_size(base: Base, prompt: Prompt) -> tuple[int, int]:
    """Width and height to draw: as asked or the base's own, to the nearest multiple the base can draw."""
    native, unit = base.native_size, base.unit
    return tuple(max(unit, round((side or native) / unit) * unit) for side in (prompt.width, prompt.height))


def draw_latents(base: Base, prompt: Prompt, clip_skip: int) -> Tensor:
    """The picture of a prompt as the denoiser leaves it (1, C, h, w). No gradients and no random state are touched."""
    weight, size = next(base.denoiser.parameters()), picture_size(base, prompt)
    half = weight.dtype != torch.float32
    with torch.autocast(weight.device.type, dtype=weight.dtype if half else torch.bfloat16, enabled=half):
        told, instead = _told(base, prompt, clip_skip)
        generator = torch.Generator("cpu").manual_seed(prompt.seed)
        noise = torch.randn((1, *base.latent_shape(size)), generator=generator)
        drawing = Drawing(prompt.steps, prompt.guidance, prompt.sampler, generator)
        return base.denoise(noise, told, instead, drawing, size)


def _draw(base: Base, prompt: Prompt, clip_skip: int) -> Image.Image:
    pixels = base.decode(draw_latents(base, prompt, clip_skip))
    if not torch.isfinite(pixels).all():
        raise BlackPicture(
            f'the picture of "{prompt.text}" with seed {prompt.seed} would be black: the model gave NaN '
            "(a diverged training, too high a strength, or a base that needs full precision)"
        )
    array = (pixels[0].clamp(-1, 1) + 1).mul(127.5).round().to(torch.uint8).permute(1, 2, 0).cpu().numpy()
    return Image.fromarray(array)


def _told(base: Base, prompt: Prompt, text_layer: int) -> tuple[Condition, Condition | None]:
    """What the denoiser is told, and what to lead away from; nothing at guidance 1."""
    prompts = [prompt.negative, prompt.text] if prompt.guidance > 1 else [prompt.text]
    texts = [read_prompt(text) for text in prompts]
    length, parameter = base.text_length(texts), next(base.denoiser.parameters())
    both = base.encode(texts, text_layer, length).to(parameter.device).to(parameter.dtype)
    return both.row(-1), both.row(0) if len(texts) > 1 else None


def load_for_drawing(choice: config_base.Base, tell: Tell = silent) -> Base:
    """The base on the GPU in float16 (VAE in float32) where there is one, else on the CPU in float32."""
    base = load_base(
        choice.pretrained_model_name_or_path,
        torch.float16 if torch.cuda.is_available() else torch.float32,  # half the memory on the way, too
        tell=tell,
        prediction_type=choice.prediction_type,
        zero_terminal_snr=choice.zero_terminal_snr,
        vae=choice.vae,
    )
    for text in base.notes:
        tell(Notice(text, "warning"))
    merge_files(base, choice)
    if torch.cuda.is_available():
        move(base.vae, "cuda")
        for part in base.parts:
            move(part.model, "cuda", torch.float16)
    return base


def parameters_text(base: Base, prompt: Prompt, clip_skip: int, call: str = "", lora_hash: str = "") -> str:
    """The line A1111 writes into a PNG under "parameters", from which it restores the prompt."""
    (width, height), sampler = picture_size(base, prompt), SAMPLERS[prompt.sampler]
    fields = {
        "Steps": prompt.steps, "Sampler": sampler.a1111, "Schedule type": sampler.schedule,
        "CFG scale": f"{prompt.guidance:g}", "Seed": prompt.seed, "Size": f"{width}x{height}",
        "Model hash": (base.sha256 or base.fingerprint)[:10],
        "Model": Path(base.name).stem if base.sha256 else base.name, "Clip skip": clip_skip,
    }  # fmt: skip
    lines = [f"{prompt.text} {call}".strip()]
    if prompt.negative:
        lines.append(f"Negative prompt: {prompt.negative}")
    last = ", ".join(f"{key}: {value}" for key, value in fields.items())
    if call and lora_hash:
        last += f', Lora hashes: "{call.split(":")[1]}: {lora_hash[:12]}"'
    return "\n".join([*lines, last])


def save_png(image: Image.Image, path: Path, parameters: str) -> Path:
    """Write `image` with its parameters under a free name at `path`, whole or not at all; returns where."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path = files.free_name(path)
    text = PngInfo()
    text.add_itxt("parameters", parameters)
    with files.replacing(path) as temporary:
        image.save(temporary, format="PNG", pnginfo=text)
    return path


def sample(config: SampleConfig, tell: Tell = silent) -> Finished:
    """Draw each prompt and save it in `output_dir` under a new name."""
    prompts = read_prompts(config, tell)
    update = lora_file.read_lora(Path(config.lora)) if config.lora else None
    base = load_for_drawing(config.base, tell)
    call, lora_hash, name = "", "", Path(base.name).stem
    if update:
        inject.apply(base.parts, update)
        inject.set_strength(base.parts, config.strength)
        name = Path(config.lora).stem
        call, lora_hash = f"<lora:{name}:{config.strength:g}>", update.metadata.get("sshs_model_hash", "")
    paths = []
    for done, prompt in enumerate(prompts):
        tell(Progress("Drawing", done, len(prompts)))
        image = sample_images(base, [prompt], config.draw.clip_skip)[0]
        text = parameters_text(base, prompt, config.draw.clip_skip, call, lora_hash)
        paths.append(str(save_png(image, Path(config.output_dir) / f"{name}_{prompt.seed}.png", text)))
        tell(Drawn((paths[-1],), 0, 0))
    tell(Progress("Drawing", len(prompts), len(prompts)))
    return Finished(
        "done", f"Drew {len(paths)} picture{'s' * (len(paths) != 1)} into {config.output_dir}.", tuple(paths)
    )


def read_prompts(config: SampleConfig, tell: Tell = silent) -> list[Prompt]:
    """The prompts of `config`. Raises ValueError when there is none or one is not readable."""
    if not config.prompts:
        raise ValueError("prompts is empty: write what to draw, with ; between the prompts")
    seed = seeds.draw("seed", tell) if seeds.is_open(config.draw.seed) else config.draw.seed
    defaults = Prompt.of("", replace(config.draw, seed=seed))
    prompts = [_with_seed(parse_prompt(text, defaults), tell) for text in config.prompts]
    if any(LORA_CALL.search(prompt.text) for prompt in prompts):
        text = "<lora:...> in a prompt is left out here: the settings lora and strength name the file"
        tell(Notice(text, "warning"))
    return [replace(prompt, text=split_lora_calls(prompt.text)[0]) for prompt in prompts]


def _with_seed(prompt: Prompt, tell: Tell) -> Prompt:
    if not seeds.is_open(prompt.seed):
        return prompt
    return replace(prompt, seed=seeds.draw(f'seed of "{prompt.text}"', tell))
