"""A picture turned or cropped: the bytes of its new file."""

import warnings
from io import BytesIO
from pathlib import Path

from PIL import Image

from lora_nb.dataset.images import FORMATS, ORIENTATION, UPRIGHT, orientation

Box = tuple[int, int, int, int]

# The EXIF orientation of a picture that is turned by 90° clockwise: two rings, the second of mirrored ones.
CLOCKWISE = {1: 6, 6: 3, 3: 8, 8: 1, 2: 7, 7: 4, 4: 5, 5: 2}
TURNS = (None, Image.Transpose.ROTATE_270, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_90)
JPEG_START, EXIF_MARK, EXIF_HEAD = b"\xff\xd8", 0xE1, b"Exif\0\0"
LONGEST_SEGMENT = 65_533
SAVED = {
    "JPEG": {"quality": 95, "subsampling": 0},
    "WEBP": {"quality": 95},
    "AVIF": {"quality": 90},
    "PNG": {},
    "BMP": {},
}
SAME = {"MPO": "JPEG", "DIB": "BMP"}


def turned(path: Path, quarters: int) -> bytes:
    """The picture turned by so many quarters clockwise. A JPEG's pixels stay as they are: its EXIF says the turn.

    Raises ValueError for a file that is no picture.
    """
    content = Path(path).read_bytes()
    with _opened(path, content) as image:
        if content.startswith(JPEG_START):
            return _with_orientation(content, image, quarters % 4)
        turn = TURNS[quarters % 4]
        upright = _upright(image)
        return _saved(image, upright if turn is None else upright.transpose(turn), content)


def cropped(path: Path, box: Box) -> bytes:
    """The part of the upright picture within (left, top, right, bottom), in pixels. Raises ValueError."""
    content = Path(path).read_bytes()
    with _opened(path, content) as image:
        upright = _upright(image)
        left, top, right, bottom = box
        width, height = upright.size
        if not (0 <= left < right <= width and 0 <= top < bottom <= height):
            raise ValueError(
                f"{path.name} has {width} x {height} pixels: the part {left}, {top}, {right}, {bottom} (left, top, "
                "right, bottom) does not lie in it"
            )
        return _saved(image, upright.crop(box), content)


def _opened(path: Path, content: bytes) -> Image.Image:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            image = Image.open(BytesIO(content), formats=FORMATS)
            image.load()
        except Exception as error:  # decoders meet damaged files with any exception there is
            raise ValueError(f"{path.name} cannot be read as a picture: {error}") from None
    return image


def _upright(image: Image.Image) -> Image.Image:
    turn = UPRIGHT.get(orientation(image))
    return image if turn is None else image.transpose(turn)


def _saved(image: Image.Image, changed: Image.Image, content: bytes) -> bytes:
    kind = SAME.get(image.format or "", image.format)
    kind = kind if kind in SAVED else "PNG"
    more = dict(SAVED[kind])
    if kind == "WEBP" and b"VP8L" in _chunks(content):
        more = {"lossless": True}
    for name in ("icc_profile", "transparency"):
        if image.info.get(name) is not None:
            more[name] = image.info[name]
    target = BytesIO()
    changed.save(target, kind, **more, **_exif(image, 1, kind))
    return target.getvalue()


def _chunks(webp: bytes) -> list[bytes]:
    """The names of a WebP's chunks; VP8L is one without loss."""
    names, at = [], 12
    while at + 8 <= len(webp):
        names.append(webp[at : at + 4])
        length = int.from_bytes(webp[at + 4 : at + 8], "little")
        at += 8 + length + length % 2
    return names


def _exif(image: Image.Image, value: int, kind: str) -> dict[str, bytes]:
    """The picture's EXIF with this orientation, where it has one and the format keeps it."""
    if kind == "BMP" or "exif" not in image.info:
        return {}
    return {"exif": _exif_bytes(image, value)}


def _exif_bytes(image: Image.Image, value: int) -> bytes:
    try:
        exif = image.getexif()
        exif[ORIENTATION] = value
        made = exif.tobytes()
    except Exception:  # a damaged EXIF is left out
        made = b""
    if not made or len(made) > LONGEST_SEGMENT:
        exif = Image.Exif()
        exif[ORIENTATION] = value
        made = exif.tobytes()
    return made


def _with_orientation(content: bytes, image: Image.Image, quarters: int) -> bytes:
    """The JPEG with another orientation in its EXIF, which comes first; its other parts byte for byte."""
    value = orientation(image)
    for _ in range(quarters):
        value = CLOCKWISE[value]
    exif = _exif_bytes(image, value)
    exif = exif if exif.startswith(EXIF_HEAD) else EXIF_HEAD + exif
    segment = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    return JPEG_START + segment + _without_exif(content)


def _without_exif(content: bytes) -> bytes:
    """What follows the start of a JPEG, without its EXIF segments."""
    kept, at = [], 2
    while content[at : at + 1] == b"\xff" and content[at + 1] not in (0xDA, 0xD9, 0xFF):
        end = at + 2 + int.from_bytes(content[at + 2 : at + 4], "big")
        is_exif = content[at + 1] == EXIF_MARK and content[at + 4 : at + 10] == EXIF_HEAD
        kept += [] if is_exif else [content[at:end]]
        at = end
    return b"".join(kept) + content[at:]
