"""The ways in which one picture is shown in training: cut, mirrored, coloured, and masked alike.

A view is drawn from the run's seed and kept for all epochs, so that each needs the VAE once. Shapes: H W pixels, h w
latents.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor
from torchvision.transforms import functional as colours

from lora_nb.dataset.buckets import Placement
from lora_nb.dataset.images import open_see_through, open_upright, resize_crop
from lora_nb.training.examples import Example
from lora_nb.training.face_crop import cut_around, face_of

# Of sd-scripts' color_aug: a third of the pictures, and of those half in hue, half in gamma.
COLOURED, HUE, GAMMA = 0.33, 8 / 180, (0.95, 1.05)


@dataclass(frozen=True)
class View:
    """How a picture is shown: where it is cut, whether mirrored, its hue turned by a share of the circle."""

    placement: Placement
    mirrored: bool = False
    hue: float = 0.0
    gamma: float = 1.0


def views_of(example: Example, number: int, count: int, seed: int) -> tuple[View, ...]:
    """The views of the example at position `number` of a run: itself or `count` drawn ones, and the mirror of each."""
    pictures = example.source.pictures
    if pictures.random_crop or pictures.color_aug or pictures.face_crop_aug_range:
        drawn = tuple(_drawn(example, f"view/{seed}/{number}/{each}") for each in range(count))
    else:
        drawn = (View(example.placement),)
    if not pictures.flip_aug:
        return drawn
    return tuple(each for view in drawn for each in (view, replace(view, mirrored=True)))


def _drawn(example: Example, seed: str) -> View:
    chance, pictures = random.Random(seed), example.source.pictures
    placement = _cut(example, chance)
    if not pictures.color_aug or chance.random() >= COLOURED:
        return View(placement)
    if chance.random() < 0.5:
        return View(placement, hue=chance.uniform(-HUE, HUE))
    return View(placement, gamma=chance.uniform(*GAMMA))


def _cut(example: Example, chance: random.Random) -> Placement:
    item, pictures, placement = example.item, example.source.pictures, example.placement
    if pictures.face_crop_aug_range and (face := face_of(item.path)):
        whole = (item.width, item.height)
        return cut_around(placement, whole, face, pictures.face_crop_aug_range, pictures.random_crop, chance)
    return _cut_anywhere(placement, chance) if pictures.random_crop else placement


def _cut_anywhere(placement: Placement, chance: random.Random) -> Placement:
    (width, height), (wide, high) = placement.bucket, placement.resized
    left, top = chance.randint(0, wide - width), chance.randint(0, high - height)
    return replace(placement, crop=(left, top, left + width, top + height))


def pictures_of(example: Example, views: tuple[View, ...]) -> Iterator[Image.Image]:
    """The picture in each of its views."""
    whole = open_upright(example.item.path)
    for view in views:
        yield _seen(whole, view, example.source.pictures.resize_interpolation)


def _seen(whole: Image.Image, view: View, interpolation: str) -> Image.Image:
    picture = resize_crop(whole, view.placement.resized, view.placement.crop, interpolation)
    if view.mirrored:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if view.hue:
        picture = colours.adjust_hue(picture, view.hue)
    return colours.adjust_gamma(picture, view.gamma) if view.gamma != 1.0 else picture


def masks_of(
    example: Example, views: tuple[View, ...], size: tuple[int, int], from_files: bool
) -> tuple[Tensor | None, ...]:
    """(1, h, w) in [0, 1] for each view, `size` being (h, w): what is learnt, from a mask file or from transparency.

    None for all where the picture has neither; the file goes first. Raises ValueError for a mask that is no picture.
    """
    whole = _whole_mask(example, from_files)
    if whole is None:
        return (None,) * len(views)
    return tuple(
        _to_latents(_seen(whole, replace(view, hue=0.0, gamma=1.0), "bilinear"), size) for view in views
    )


def _whole_mask(example: Example, from_files: bool) -> Image.Image | None:
    path = example.source.mask_of(example.item.path) if from_files else None
    if path:
        return open_upright(path).convert("L")
    if example.source.pictures.alpha_mask:
        picture = open_see_through(example.item.path)
        return picture.getchannel("A") if picture.mode == "RGBA" else None
    return None


def _to_latents(mask: Image.Image, size: tuple[int, int]) -> Tensor:
    pixels = torch.from_numpy(np.array(mask, dtype=np.float32) / 255)[None, None]
    return F.interpolate(pixels, size=size, mode="area")[0]
