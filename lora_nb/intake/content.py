"""What a file is by its first bytes, whatever it is called."""

from lora_nb.dataset.images import IMAGE_EXTENSIONS

ENOUGH = 512  # bytes that tell
ZIP, PICTURE, TEXT, PAGE, OTHER = "zip", "picture", "text", "page", "other"
ENDINGS = ", ".join(sorted(extension[1:] for extension in IMAGE_EXTENSIONS))
_STARTS = (
    (b"\xff\xd8\xff", ".jpg"),
    (b"\x89PNG\r\n\x1a\n", ".png"),
    (b"BM", ".bmp"),
    (b"PK\x03\x04", ".zip"),
    (b"PK\x05\x06", ".zip"),
)
_FOREIGN = (
    (b"Rar!", "a RAR archive: pack it as .zip"),
    (b"7z\xbc\xaf", "a 7z archive: pack it as .zip"),
    (b"\x1f\x8b", "a gzip archive: pack it as .zip"),
    (b"GIF8", "a GIF: save its pictures as PNG"),
    (b"II*\x00", "a TIFF: save it as PNG"),
    (b"MM\x00*", "a TIFF: save it as PNG"),
    (b"%PDF", "a PDF: save its pictures as PNG"),
    (b"PAR1", "a Parquet table"),
)
_PHOTOS = (b"heic", b"heix", b"mif1", b"heif")


def ending_of(start: bytes) -> str:
    """The ending that suits a zip or a picture that begins with these bytes; "" for anything else."""
    if start[:4] == b"RIFF" and start[8:12] == b"WEBP":
        return ".webp"
    if start[4:8] == b"ftyp" and start[8:12] in (b"avif", b"avis"):
        return ".avif"
    return next((ending for mark, ending in _STARTS if start.startswith(mark)), "")


def kind_of(start: bytes) -> str:
    """ZIP, PICTURE, PAGE (HTML), TEXT, or OTHER."""
    ending = ending_of(start)
    if ending:
        return ZIP if ending == ".zip" else PICTURE
    if start.lstrip(b"\xef\xbb\xbf \t\r\n")[:9].lower().startswith((b"<!doctype", b"<html", b"<?xml")):
        return PAGE
    if foreign(start) or (b"\0" in start and not start.startswith((b"\xff\xfe", b"\xfe\xff"))):
        return OTHER
    return TEXT


def foreign(start: bytes) -> str:
    """What a file is that cannot be used, and what to do; "" when that is not known."""
    if start[4:8] == b"ftyp":
        return "a HEIC photo: convert it to JPEG" if start[8:12] in _PHOTOS else "a video"
    return next((words for mark, words in _FOREIGN if start.startswith(mark)), "")
