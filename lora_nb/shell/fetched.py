"""A base at a web address, brought here with the person's own tokens before anything is done with it."""

import os

from lora_nb.bases import catalogue, web_base
from lora_nb.events import Tell


def fetch_base(name: str, tell: Tell) -> str:
    """Where the base called `name` is, once it is here; "" for one that is not at a web address.

    Tokens come from the environment, go to the place they are for, and are kept nowhere.
    """
    address = catalogue.source_of(name)
    if not web_base.knows(address):
        return ""
    return str(web_base.find(address) or web_base.download(address, _tokens(), tell))


def _tokens() -> dict[str, str]:
    return {name: os.environ[name] for name in web_base.TOKENS if os.environ.get(name)}
