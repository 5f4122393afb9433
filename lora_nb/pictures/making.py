"""One picture as it is asked for: cut, brought to a size, its transparency filled, its mask made, encoded."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image, ImageColor

from lora_nb.config.pictures import PrepareConfig
from lora_nb.dataset import images
from lora_nb.events import Tell, silent
from lora_nb.pictures import faces, focus, foreground, frame, onnx_model
from lora_nb.pictures.before_after import Row
from lora_nb.pictures.frame import Frame

ENDINGS = {"png": ".png", "jpg": ".jpg", "webp": ".webp"}
FORMATS = {".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".bmp": "BMP", ".avif": "AVIF"}
CLEAR = ("PNG", "WEBP", "AVIF")  # can hold transparency
THUMB = 160


@dataclass(frozen=True)
class Made:
    """A picture as it will be: its file, its content and its mask's (None: as it is), and how it looks."""

    path: Path
    target: Path
    content: bytes | None
    mask: bytes | None
    row: Row


class Maker:
    """What makes pictures as `config` asks. Models are loaded at once, so that what lacks is said before any work."""

    def __init__(self, config: PrepareConfig, tell: Tell = silent) -> None:
        self.config = config
        self.size = frame.parse_size(config.size)
        self.colour = _colour(config)
        wants_faces = self.size and config.cut == "crop" and config.focus == "face"
        self.faces: Any = (
            onnx_model.load(config.face_detector, faces.FILE, "face_detector", tell) if wants_faces else None
        )
        wants_masks = config.make_masks and not config.mask_file
        self.masks: Any = (
            onnx_model.load(config.mask_model, foreground.FILE, "mask_model", tell) if wants_masks else None
        )

    def make(self, path: Path) -> Made | str:
        """The picture as it will be, or why it cannot be made."""
        try:
            picture = images.open_see_through(path)
            return self._made(path, picture)
        except (ValueError, OSError) as error:
            return str(error).removeprefix(f"{path}: ")

    def _made(self, path: Path, picture: Image.Image) -> Made:
        cut = self._frame(picture)
        mask = self._mask(path, picture, cut)
        filled = self._filled(picture)
        after = apply(filled, cut)
        target = path.with_suffix(ENDINGS.get(self.config.format, path.suffix))
        same = (
            after.size == picture.size and filled is picture and target.suffix.lower() == path.suffix.lower()
        )
        target = path if same else target
        content = None if same else encode(after, target, self.config.quality)
        words = f"{picture.width}x{picture.height} to {after.width}x{after.height}"
        row = Row(
            path.name, _thumb(picture), _thumb(after), words if after.size != picture.size else target.name
        )
        return Made(path, target, content, mask, row)

    def _frame(self, picture: Image.Image) -> Frame:
        if self.size is None:
            return Frame((0, 0, *picture.size), picture.size)
        if self.config.cut == "fit":
            return frame.fitted(picture.size, self.size, self.config.upscale)
        return frame.cropped(picture.size, self.size, self._focus(picture), self.config.upscale)

    def _focus(self, picture: Image.Image) -> tuple[float, float]:
        if self.config.focus == "centre":
            return (0.5, 0.5)
        face = faces.largest_face(self.faces, picture) if self.faces else None
        return face or focus.focal_point(picture)

    def _mask(self, path: Path, picture: Image.Image, cut: Frame) -> bytes | None:
        """The mask of the picture as it will be: drawn, made, from its transparency, or that which lies beside it."""
        there = images.mask_path(path)
        if self.config.mask_file:
            mask = images.open_upright(Path(self.config.mask_file).expanduser()).convert("L")
        elif self.masks:
            mask = foreground.foreground(self.masks, _on(picture, (255, 255, 255)))
        elif self.config.transparent == "mask" and picture.mode == "RGBA":
            mask = picture.getchannel("A")
        elif there.is_file() and cut != Frame((0, 0, *picture.size), picture.size):
            mask = images.open_upright(there).convert("L")
        else:
            return None
        mask = mask if mask.size == picture.size else mask.resize(picture.size, Image.Resampling.BILINEAR)
        return encode(apply(mask, cut), there)

    def _filled(self, picture: Image.Image) -> Image.Image:
        keeps = self.config.transparent == "keep"
        return picture if keeps or picture.mode != "RGBA" else _on(picture, self.colour)


def _colour(config: PrepareConfig) -> tuple[int, ...]:
    if config.transparent != "colour":
        return (255, 255, 255)
    try:
        return ImageColor.getrgb(config.background)
    except ValueError:
        raise ValueError(f'background = "{config.background}" is no colour: write it as #rrggbb') from None


def _on(picture: Image.Image, colour: tuple[int, ...]) -> Image.Image:
    """The picture without transparency, before a colour."""
    if picture.mode != "RGBA":
        return picture
    ground = Image.new("RGBA", picture.size, (*colour[:3], 255))
    return Image.alpha_composite(ground, picture).convert("RGB")


def apply(picture: Image.Image, cut: Frame) -> Image.Image:
    """What the frame keeps of a picture, in the frame's size."""
    part = picture if cut.box == (0, 0, *picture.size) else picture.crop(cut.box)
    return part if part.size == cut.size else part.resize(cut.size, Image.Resampling.LANCZOS)


def encode(picture: Image.Image, target: Path, quality: int = 95) -> bytes:
    """The bytes of the picture as a file of the target's ending, its colour profile among them."""
    kind = FORMATS[target.suffix.lower()]
    content, options = (
        BytesIO(),
        {"JPEG": {"quality": quality, "subsampling": 0}, "WEBP": {"quality": quality}},
    )
    profile = picture.info.get("icc_profile")
    picture = picture if kind in CLEAR else _on(picture, (255, 255, 255))
    more = {"icc_profile": profile} if profile and kind != "BMP" else {}
    picture.save(content, kind, **options.get(kind, {}), **more)
    return content.getvalue()


def _thumb(picture: Image.Image) -> bytes:
    small = picture.copy()
    small.thumbnail((THUMB, THUMB))
    return encode(small, Path("thumb.jpg"), 80)
