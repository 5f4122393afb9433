"""Settings of what deals with the bases there are to choose from."""

from dataclasses import dataclass

from lora_nb.declare import setting


@dataclass(frozen=True)
class BasesConfig:
    """The bases that are known by a short name."""

    address: str = setting("", "web address of a newer list (JSON), such as a file on the Hugging Face Hub; empty: the list that ships here, or the newest that was fetched")
    fetch: str = setting("", "download this one now, by its name here or its web address, so that a training need not wait for it")
