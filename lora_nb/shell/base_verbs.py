"""The subcommands on the bases there are to choose from: a config in, the work done, what came of it out."""

from lora_nb.bases import catalogue
from lora_nb.config.catalogue import BasesConfig
from lora_nb.events import Finished, Notice, Poll, Tell
from lora_nb.shell.fetched import fetch_base
from lora_nb.shell.verb import Verb


def list_bases(config: BasesConfig, tell: Tell, poll: Poll) -> Finished:
    """List the bases that are known by a short name, or download one of them."""
    if config.fetch:
        return _fetch(config.fetch, tell)
    if config.address:
        _refresh(config.address, tell)
    known = catalogue.read()
    width = max(len(entry.id) for entry in known.entries)
    for entry in known.entries:
        tell(Notice(f"{entry.id:{width}}  {in_a_line(entry)}"))
    return Finished(
        "done",
        f"{len(known.entries)} bases; use one as in: train --pretrained_model_name_or_path {known.entries[0].id}",
    )


def in_a_line(entry: catalogue.Entry) -> str:
    """What people know a base by, what it is good for, what suits it, on which terms it is given."""
    settings = ", ".join(f"{name} = {value}" for name, value in entry.recommended.items())
    return f"{entry.title}: {entry.good_for} [{entry.family}; {settings}; {entry.licence}] {entry.source}"


def _refresh(address: str, tell: Tell) -> None:
    """Take a newer list where there is one; else the one that is here serves."""
    before = catalogue.read().version
    try:
        found = catalogue.fetch(address)
    except ValueError as error:
        tell(Notice(f"{error}; the list that is here is shown", "warning"))
    else:
        newer = (
            f"a newer list (version {found.version}) was fetched"
            if found.version > before
            else "it is not newer"
        )
        tell(Notice(f"{address}: {newer}."))


def _fetch(name: str, tell: Tell) -> Finished:
    path = fetch_base(name, tell)
    if not path:
        return Finished(
            "nothing",
            f"{name} is at no web address: a training downloads it from Hugging Face, or finds it here.",
        )
    return Finished("done", f"{name} is here: {path}", (path,))


VERBS = {"bases": Verb(BasesConfig, list_bases)}
