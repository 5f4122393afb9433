"""The families of bases there are. A new one is a module of its own and one line in this table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_nb import lengths
from lora_nb.bases import sd2_files, sd15_files, sdxl_files
from lora_nb.bases.file_kind import KINDS
from lora_nb.bases.stable_files import StableFiles
from lora_nb.hub import Layout


@dataclass(frozen=True)
class Family:
    """What is to be said of a base of one family before anything heavy is loaded.

    `knows` tells from outside whether a folder or file is of it, `likely` whether a damaged one seems to be; `check`
    returns the place or raises ValueError.
    `check_download` takes a folder with the files `layout.family` names and the name people know it by,
    `check_weights` a diffusers folder. `resolution` and `unit` take the base's name: the side in pixels of the square
    it was made for, and what a picture's sides are multiples of. `check_text_layer` takes that name and clip_skip.
    `lacks` are settings of a run that have no place on it, `rates` the lowest and highest usual learning rate,
    `length` says how long a run is to be. `configs` is a diffusers folder with the usual configurations of its models,
    where it is a U-Net's (`model_sizes`).
    `module` has `load(found, dtype, name)`, which returns a `bases.base.Base`, and is imported when that is wanted.
    """

    title: str
    denoiser_name: str
    text_name: str
    module: str
    layout: Layout
    knows: Callable[[Path], bool]
    check: Callable[[Path], Path]
    check_download: Callable[[Path, str], None]
    check_weights: Callable[[Path], None]
    resolution: Callable[[str], int]
    unit: Callable[[str], int]
    check_text_layer: Callable[[str, int], None]
    likely: Callable[[Path], bool] = lambda path: False
    lacks: tuple[str, ...] = ()
    rates: tuple[float, float] = (2e-5, 1e-3)
    length: lengths.Rule = lengths.USUAL
    configs: Path | None = None


def _stable(
    module: str, files: StableFiles, texts: str, check_text_layer: Callable[[str, int], None], **suits: Any
) -> Family:
    """A kind of Stable Diffusion, with what else `suits` it."""
    return Family(
        title=KINDS[files.kind].title,
        denoiser_name="U-Net",
        text_name=texts,
        module=f"lora_nb.bases.{module}",
        layout=files.layout,
        configs=files.configs,
        knows=files.knows,
        check=files.check,
        check_download=files.check_download,
        check_weights=files.check_weights,
        resolution=files.native_resolution,
        unit=files.picture_unit,
        check_text_layer=check_text_layer,
        likely=files.likely,
        **suits,
    )


USUAL = "sd15"
ONE_TEXT = ("text_encoder_lr2",)  # what a base with one text encoder lacks
OF_SDXL = lengths.Rule(repeats=5, most=300)  # it needs fewer looks at a picture
FAMILIES = {
    USUAL: _stable("sd15", sd15_files.FILES, "text encoder", sd15_files.FILES.check_clip_skip, lacks=ONE_TEXT),
    "sd2": _stable("sd2", sd2_files.FILES, "text encoder", sd2_files.FILES.check_clip_skip, lacks=ONE_TEXT),
    "sdxl": _stable(
        "sdxl", sdxl_files.FILES, "text encoders", sdxl_files.check_clip_skip, lacks=("clip_skip",),
        rates=(1e-5, 5e-4), length=OF_SDXL,
    ),
}  # fmt: skip
