"""The families of bases there are. A new one is a module of its own and one line in this table."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lora_nb.bases import sd15_files
from lora_nb.hub import Layout


@dataclass(frozen=True)
class Family:
    """What is to be said of a base of one family before anything heavy is loaded.

    `knows` tells from outside whether a folder or file is of it; `check` returns the place or raises ValueError.
    `check_download` takes a folder with the files `layout.family` names and the name people know it by,
    `check_weights` a diffusers folder. `resolution` and `unit` take the base's name: the side in pixels of the square
    it was made for, and what a picture's sides are multiples of. `check_text_layer` takes that name and clip_skip.
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


USUAL = "sd15"
FAMILIES = {
    USUAL: Family(
        title="Stable Diffusion 1.5",
        denoiser_name="U-Net",
        text_name="text encoder",
        module="lora_nb.bases.sd15",
        layout=sd15_files.LAYOUT,
        knows=sd15_files.knows,
        check=sd15_files.check,
        check_download=sd15_files.check_family,
        check_weights=sd15_files.check_weights,
        resolution=sd15_files.native_resolution,
        unit=sd15_files.picture_unit,
        check_text_layer=sd15_files.check_clip_skip,
    ),
}
