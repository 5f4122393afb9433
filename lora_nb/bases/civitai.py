"""Models of Civitai by their addresses: which file is meant, what its bytes add up to."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, urlsplit

from lora_nb import files, web
from lora_nb.wording import first_line

HOME = "https://civitai.com"
TOKEN = "CIVITAI_TOKEN"
PAGE = re.compile(r"/models/(\d+)")
DOWNLOAD = re.compile(r"/api/download/models/(\d+)")
SECONDS = 20
LOGIN = (
    f"Civitai gives it to those who are logged in: make an API key at {HOME}/user/account and put it under the name "
    f"{TOKEN} into the environment (on Colab: into Secrets, the key)"
)
REFUSALS = {
    401: LOGIN,
    403: f"Civitai refuses it: it may be in early access, or the key under {TOKEN} may not have it",
    404: "Civitai has no such model: it may have been taken away",
}


@dataclass(frozen=True)
class Model:
    """A file of Civitai: where it is downloaded from, and its sha256, "" where that is not known."""

    address: str
    sha256: str = ""


def knows(address: str) -> bool:
    """Whether this is the address of a model there."""
    parts = urlsplit(address)
    own = parts.netloc.lower().removeprefix("www.") == urlsplit(HOME).netloc
    return own and bool(PAGE.search(parts.path))


def key_of(address: str) -> str:
    """What tells the model of an address from all others, however the address is written."""
    version, extra = _version(address)
    name = f"civitai-{version}" if version else f"civitai-model-{PAGE.search(urlsplit(address).path)[1]}"
    return f"{name}-{extra}" if extra else name


def _version(address: str) -> tuple[str, str]:
    """The number of the version that an address names, and what it asks for besides (a format, a size)."""
    parts = urlsplit(address)
    asked = parse_qs(parts.query)
    if found := DOWNLOAD.search(parts.path):
        return found[1], parts.query
    return next(iter(asked.get("modelVersionId", ())), ""), ""


def headers(tokens: Mapping[str, str]) -> dict[str, str]:
    """What a request carries for a person who has a key."""
    return {"Authorization": f"Bearer {tokens[TOKEN]}"} if tokens.get(TOKEN) else {}


def find(address: str, tokens: Mapping[str, str]) -> Model:
    """The file that an address means. Raises ValueError in one sentence for what is no base, or not there."""
    version, extra = _version(address)
    if not version:
        number = PAGE.search(urlsplit(address).path)[1]
        versions = _ask(f"/api/v1/models/{number}", address, tokens).get("modelVersions") or []
        if not versions:
            raise ValueError(f"{web.shown(address)}: Civitai has no version of it to download")
        version = str(versions[0].get("id"))
    told = _ask(f"/api/v1/model-versions/{version}", address, tokens)
    kind = (told.get("model") or {}).get("type", "Checkpoint")
    if kind != "Checkpoint":
        raise ValueError(
            f"{web.shown(address)} is a {kind} on Civitai, and a base is asked for here: a Checkpoint"
        )
    download = f"{HOME}/api/download/models/{version}"
    return Model(f"{download}?{extra}" if extra else download, "" if extra else _sum(told))


def _sum(told: Mapping[str, Any]) -> str:
    """The sha256 of the file that is given where none is chosen."""
    models = [file for file in told.get("files") or [] if file.get("type", "Model") == "Model"]
    primary = next((file for file in models if file.get("primary")), models[0] if len(models) == 1 else {})
    found = str((primary.get("hashes") or {}).get("SHA256") or "")
    return found.lower() if re.fullmatch(r"[0-9a-fA-F]{64}", found) else ""


def _ask(path: str, address: str, tokens: Mapping[str, str]) -> dict[str, Any]:
    """What Civitai says of a model."""
    import requests

    try:
        with requests.get(HOME + path, headers=headers(tokens), timeout=SECONDS) as answer:
            web.check_answer(address, answer.status_code, REFUSALS)
            told = files.from_json(answer.content)
    except requests.RequestException as error:
        raise ValueError(
            f"{web.shown(address)}: Civitai cannot be reached ({type(error).__name__})"
        ) from None
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{web.shown(address)}: Civitai's answer is not readable ({first_line(error)})"
        ) from None
    if not isinstance(told, dict):
        raise ValueError(f"{web.shown(address)}: Civitai's answer is not readable")
    return told
