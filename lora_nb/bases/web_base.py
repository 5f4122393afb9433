"""A base at a web address, of Civitai, Hugging Face or any other place: downloaded once, and kept."""

import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import unquote, urlsplit

from lora_nb import hub, web
from lora_nb.bases import civitai
from lora_nb.bases.base_file import SUFFIXES
from lora_nb.events import Tell, silent

FOLDER = Path.home() / ".cache" / "lora_nb" / "bases"  # on the machine's own disk, as Hugging Face's cache is
HUB = "https://huggingface.co"
HUB_TOKEN = "HF_TOKEN"
TOKENS = (civitai.TOKEN, HUB_TOKEN)
HUB_FILE = re.compile(r"/([^/]+/[^/]+)/(?:resolve|blob)/main/(.+)")
LARGEST = web.Limits(60 * 10**9, "no base is")
NONE: Mapping[str, str] = {}
LOGIN = f"it needs a login: accept its terms in your browser and give a token ({HUB_TOKEN}), or give the file"


def knows(name: str) -> bool:
    """Whether a base is named by a web address."""
    return web.knows(name)


def find(address: str) -> Path | None:
    """The file of an address on this machine; None before it is downloaded."""
    if on_hub := _of_hub(address):
        return hub.cached_file(*on_hub)
    return web.find_whole(_place(address))


def download(address: str, tokens: Mapping[str, str] = NONE, tell: Tell = silent) -> Path:
    """The model file at an address, on this machine; one that is here already is taken without asking.

    `tokens` by their names in TOKENS go to the place they are for and to no other. Raises ValueError in one sentence.
    """
    if on_hub := _of_hub(address):
        return hub.download_file(*on_hub, tell)
    from filelock import FileLock

    place = _place(address)
    place.mkdir(parents=True, exist_ok=True)
    with FileLock(place / ".lock"):  # several processes of one training
        return web.find_whole(place) or web.download(_wish(address, place, tokens), tell)


def check(address: str, seconds: float) -> None:
    """Raises ValueError in one sentence when no model is at an address, as far as that shows before a download."""
    if find(address):
        return
    if on_hub := _of_hub(address):
        hub.check_file(*on_hub, seconds)
    elif civitai.knows(address):
        civitai.find(address, NONE)
    else:
        web.peek(_wish(address, _place(address), NONE), seconds)


def _of_hub(address: str) -> tuple[str, str] | None:
    """Repository and file, where an address is one of Hugging Face."""
    parts = urlsplit(address)
    found = HUB_FILE.fullmatch(parts.path) if parts.netloc.lower() == urlsplit(HUB).netloc else None
    return (found[1], unquote(found[2])) if found else None


def _place(address: str) -> Path:
    if civitai.knows(address):
        return FOLDER / web.clean(civitai.key_of(address))
    name = web.clean(Path(unquote(urlsplit(address).path)).stem)
    return FOLDER / f"{name}-{hashlib.sha256(address.encode()).hexdigest()[:16]}"


def _wish(address: str, place: Path, tokens: Mapping[str, str]) -> web.Wish:
    if civitai.knows(address):
        model, own = civitai.find(address, tokens), civitai.headers(tokens)
        return web.Wish(
            model.address, place, LARGEST, _check_start, _ending, own, civitai.REFUSALS, model.sha256
        )
    own, refusals = {}, {}
    if urlsplit(address).netloc.lower() == urlsplit(HUB).netloc:
        refusals = {401: LOGIN, 403: LOGIN}
        own = {"Authorization": f"Bearer {tokens[HUB_TOKEN]}"} if tokens.get(HUB_TOKEN) else {}
    return web.Wish(address, place, LARGEST, _check_start, _ending, own, refusals)


def _check_start(address: str, start: bytes) -> None:
    """Say at the first bytes that this is no model."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip()
    if start[8:9] == b"{":
        return  # .safetensors: eight bytes of a length, then JSON
    if text[:1] == b"<":
        what = "a web page: it needs a login, or the address is that of a page and not of the download itself"
    elif text.startswith(b"version https://git-lfs"):
        what = "a pointer of Git LFS: take the address that the download button has"
    elif text[:1] in (b"{", b"["):
        what = "a message and no file: check the address"
    else:
        return
    raise ValueError(f"{web.shown(address)} is no model but {what}")


def _ending(start: bytes, name: str) -> str:
    suffix = Path(name).suffix.lower()
    if suffix in SUFFIXES:
        return suffix
    return ".safetensors" if start[8:9] == b"{" else ".ckpt"
