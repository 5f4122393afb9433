"""Where pictures can come from: what each source is known by, and what brings it to this machine.

A new source is a module of its own and one line in SOURCES.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from lora_nb.config.intake import ImportConfig, LookConfig
from lora_nb.events import Tell, silent
from lora_nb.intake import boards, drive, hub_dataset, scratch, web
from lora_nb.intake.web import Limits
from lora_nb.redact import redact

NOTHING: Mapping[str, str] = {}


@dataclass(frozen=True)
class Fetched:
    """What lies on this machine now: a zip or a folder. `shown` names it; `pages` are those of pictures by name."""

    path: Path
    shown: str
    remote: bool = False
    pages: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Wish:
    """A source with the settings, the person's keys, and the scratch folder that is for it alone."""

    source: str
    config: ImportConfig | LookConfig
    keys: Mapping[str, str]
    place: Path

    @property
    def limits(self) -> Limits:
        return Limits(int(self.config.max_gigabytes * 1e9))


@dataclass(frozen=True)
class Source:
    """A kind of source: whether a text names one, and what downloads it to a path, with the pages of its pictures."""

    knows: Callable[[str], bool]
    fetch: Callable[[Wish, Tell], tuple[Path, Mapping[str, str]]]


def _board(wish: Wish, tell: Tell) -> tuple[Path, Mapping[str, str]]:
    config = wish.config
    return boards.download(
        boards.search(wish.source, config.board_rating, config.board_limit, wish.keys), wish.place, tell
    )


SOURCES = (
    Source(boards.knows, _board),
    Source(drive.knows, lambda wish, tell: (drive.download(wish.source, wish.place, wish.limits, tell), {})),
    Source(
        hub_dataset.knows,
        lambda wish, tell: (hub_dataset.download(wish.source, wish.place, wish.limits, tell), {}),
    ),
    Source(web.knows, lambda wish, tell: (web.download(wish.source, wish.place, wish.limits, tell), {})),
)


def is_remote(source: str) -> bool:
    """Whether a source has to be downloaded."""
    return any(kind.knows(source.strip()) for kind in SOURCES)


def fetch(
    config: ImportConfig | LookConfig, keys: Mapping[str, str] = NOTHING, tell: Tell = silent
) -> Fetched:
    """The source of `config` on this machine; what is here already stays where it is.

    Downloads lie in a scratch folder of their own, so that a cut one is gone on with by the next call.
    """
    source = config.source.strip()
    kind = next((kind for kind in SOURCES if kind.knows(source)), None)
    if kind is None:
        return Fetched(Path(source).expanduser(), source)
    key = f"{source}\n{config.board_rating} {config.board_limit}" if boards.knows(source) else source
    wish = Wish(source, config, keys, scratch.place("downloads", key, config.download_dir))
    path, pages = kind.fetch(wish, tell)
    return Fetched(path, redact(source), remote=True, pages=pages)
