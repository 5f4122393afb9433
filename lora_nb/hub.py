"""Downloads from the Hugging Face Hub, with its refusals in one sentence each."""

import contextlib
import fnmatch
import socket
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lora_nb.events import Progress, Tell, silent
from lora_nb.wording import first_line

# huggingface_hub is imported where it is used: the forms load this module, and need it only for a base of the Hub.

SECONDS_TO_ANSWER = 10.0
TIMES_TOLD = 200  # in a download: often enough for a bar, and a log stays short


@dataclass(frozen=True)
class Layout:
    """Which files of a repository make a base.

    Its `index`, those that tell its `family`, patterns of the other `small` ones, and for each model the names of its
    `weights`, the best first: safetensors before .bin, full precision before fp16.
    """

    index: str
    family: tuple[str, ...]
    small: tuple[str, ...]
    weights: Mapping[str, Sequence[str]]

    def described(self, names: Iterable[str]) -> list[str]:
        """Those of `names` that are no weights and are wanted."""
        patterns = (self.index, *self.family, *self.small)
        return [name for name in names if any(fnmatch.fnmatchcase(name, each) for each in patterns)]

    def chosen(self, names: Sequence[str]) -> list[str]:
        """The weight file to take for each model that has one among `names` ("part/file")."""
        found = (
            next((f"{part}/{file}" for file in order if f"{part}/{file}" in names), "")
            for part, order in self.weights.items()
        )
        return [name for name in found if name]

    def lacking(self, names: Sequence[str]) -> str:
        """A model without a weight file among `names`; "" when each has one."""
        found = {name.partition("/")[0] for name in self.chosen(names)}
        return next((part for part in self.weights if part not in found), "")


class Away(ValueError):
    """Hugging Face does not answer, or something else answers in its place: what is cached may serve."""


@contextlib.contextmanager
def legible(repo: str) -> Iterator[None]:
    """Turns the Hub's errors into ValueError with one sentence about `repo`, `Away` where it does not answer."""
    from huggingface_hub import errors

    page = f"https://huggingface.co/{repo}"
    try:
        yield
    except errors.GatedRepoError:
        how = f"accept its terms at {page} and log in with a Hugging Face token (HF_TOKEN)"
        raise ValueError(f'"{repo}" is gated: {how}') from None
    except errors.RepositoryNotFoundError:
        raise ValueError(
            f'"{repo}" does not exist on Hugging Face, or needs a token (HF_TOKEN): see {page}'
        ) from None
    except errors.LocalEntryNotFoundError as error:
        raise _absent(repo, error.__cause__ or error) from None
    except (errors.HFValidationError, errors.EntryNotFoundError) as error:
        raise ValueError(f'"{repo}" on Hugging Face cannot be used: {first_line(error)}') from None
    except errors.HfHubHTTPError as error:
        raise _refused(repo, error.response.status_code) from None
    except Exception as error:
        if is_unanswered(error):
            raise _absent(repo, error) from None
        if isinstance(error, RuntimeError):  # hf_xet's own
            again = "run the same line again, what is there is kept"
            raise ValueError(f'"{repo}" could not be downloaded ({first_line(error)}): {again}') from None
        raise


def is_unanswered(error: BaseException) -> bool:
    """Whether a request got no answer: no network, no such name, nobody there, a proxy's refusal, a time-out.

    The HTTP library below huggingface_hub changes (requests, httpx, httpx2), and each has errors of its own. What
    huggingface_hub's own error derives from is the present one's; beneath lies an error of Python's sockets.
    """
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    if isinstance(error, HfHubHTTPError):
        return False
    of_transport = tuple(kind for kind in HfHubHTTPError.__bases__ if kind.__module__ != "builtins")
    kinds = (*of_transport, OfflineModeIsEnabled, ConnectionError, TimeoutError, socket.gaierror)
    return any(isinstance(link, kinds) for link in _causes(error))


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:  # not its context: a full disk may follow a connection that broke and came back
        yield error
        error = error.__cause__


def _absent(repo: str, error: BaseException) -> Away:
    from huggingface_hub.errors import LocalEntryNotFoundError, OfflineModeIsEnabled

    if any(isinstance(link, OfflineModeIsEnabled) for link in _causes(error)):
        reason = " (HF_HUB_OFFLINE is set)"
    else:
        reason = "" if isinstance(error, LocalEntryNotFoundError) else f" ({first_line(error)})"
    why = f"is not on this machine and Hugging Face cannot be reached{reason}"
    return Away(f'"{repo}" {why}: connect to the internet, or give a local folder')


def _refused(repo: str, code: int) -> ValueError:
    if code == 401:
        how = "make a new one at https://huggingface.co/settings/tokens, or take it away"
        return ValueError(f'Hugging Face refused "{repo}" (401): the token (HF_TOKEN) is not accepted, {how}')
    refused = f'Hugging Face refused "{repo}" ({code}): try again later'
    if code in (408, 429) or code >= 500:
        return Away(f"{refused}, or give a local folder")
    return ValueError(f"{refused}, or log in (HF_TOKEN)")


def _ask(repo: str, seconds: float) -> dict[str, int]:
    """The names of a repository's files with their sizes in bytes."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HFValidationError

    try:
        found = HfApi().model_info(repo, files_metadata=True, timeout=seconds).siblings or ()
    except HFValidationError:
        raise
    except (ValueError, TypeError, KeyError, AttributeError):
        who = "what answers is not Hugging Face (the login page of this network?)"
        raise Away(f'"{repo}" is not on this machine, and {who}: open a web page, then try again') from None
    return {file.rfilename: file.size or 0 for file in found}


def _ask_for_base(repo: str, layout: Layout, seconds: float) -> dict[str, int]:
    sizes = _ask(repo, seconds)
    if layout.index not in sizes:
        raise ValueError(
            f'"{repo}" holds no diffusers model: download its .safetensors file and give its path'
        )
    if lacking := layout.lacking(list(sizes)):
        raise ValueError(f'"{repo}" holds no weights of its {lacking}: give another base')
    return sizes


def find_base(repo: str, layout: Layout, seconds: float = SECONDS_TO_ANSWER) -> Path:
    """A folder with what tells the family of the base `repo`, which is there to be had; no weights are downloaded.

    Hugging Face is asked, and what is cached where it does not answer. Raises ValueError for what is not there.
    """
    try:
        with legible(repo):
            _ask_for_base(repo, layout, seconds)
            paths = [Path(_fetch(repo, name, seconds)) for name in layout.family]
        return paths[0].parent
    except Away as away:
        return _cached_base(repo, layout, away)


def download_base(repo: str, layout: Layout, tell: Tell = silent) -> Path:
    """The folder of a diffusers repository, one weight file per model; offline, what is cached of it."""
    try:
        with legible(repo):
            sizes = _ask_for_base(repo, layout, SECONDS_TO_ANSWER)
    except Away as away:
        return _cached_base(repo, layout, away)
    wanted = {name: sizes[name] for name in (*layout.described(sizes), *layout.chosen(list(sizes)))}
    return _download(repo, wanted, tell)[layout.index].parent


def download_file(repo: str, name: str, tell: Tell = silent) -> Path:
    """The local path of one file of a repository; offline, the cached one."""
    try:
        with legible(repo):
            sizes = _ask(repo, SECONDS_TO_ANSWER)
    except Away as away:
        cached = _in_cache(repo, name)
        if cached is None:
            raise away
        return cached
    return _download(repo, {name: sizes.get(name, 0)}, tell)[name]


def _download(repo: str, sizes: Mapping[str, int], tell: Tell) -> dict[str, Path]:
    """Where the files of `sizes` now lie; `tell` is told the bytes that are there of all of them."""
    tally = Tally(f"Downloading {repo}", sum(sizes.values()), tell)
    paths, whole = {}, 0
    for name, size in sizes.items():
        with legible(repo):
            paths[name] = Path(_fetch(repo, name, SECONDS_TO_ANSWER, tally))
        whole += size
        tally.there = whole
    return paths


@dataclass
class Tally:
    """The bytes of a download that are there, told now and then."""

    stage: str
    total: int
    tell: Tell
    there: int = 0
    told: int = 0

    def add(self, count: int) -> None:
        self.there = min(self.there + count, self.total)
        step = self.total / TIMES_TOLD
        if self.total and (self.there - self.told >= step or self.told < self.there == self.total):
            self.told = self.there
            self.tell(Progress(self.stage, self.there, self.total, "B"))


def _fetch(repo: str, name: str, seconds: float, tally: Tally | None = None) -> str:
    from huggingface_hub import hf_hub_download

    bar = progress_bar(tally or Tally("", 0, silent))
    return hf_hub_download(repo, name, etag_timeout=seconds, tqdm_class=bar)


def progress_bar(tally: Tally) -> type:
    """A progress bar for huggingface_hub that draws nothing and counts the bytes of a file."""
    from huggingface_hub.utils import tqdm

    class Bar(tqdm):
        def __init__(self, *args: Any, **settings: Any) -> None:
            super().__init__(*args, **{**settings, "disable": True})
            tally.there += settings.get("initial") or 0

        def update(self, n: float | None = 1) -> None:
            tally.add(int(n or 0))

        def update_transfer(self, n: float | None = 1) -> None:
            """Leave out what hf_xet has received and not written yet; without this it makes a bar for that."""

        def set_transfer_postfix_str(self, *args: Any, **settings: Any) -> None:
            """Show nothing."""

    return Bar


def check_file(repo: str, name: str, seconds: float) -> None:
    """Raises ValueError when a repository has no such file; one that is on this machine will do."""
    if cached_file(repo, name):
        return
    with legible(repo):
        sizes = _ask(repo, seconds)
    if name not in sizes:
        raise ValueError(
            f'"{repo}" on Hugging Face has no file {name}: see https://huggingface.co/{repo}/tree/main'
        )


def cached_file(repo: str, name: str) -> Path | None:
    """The local path of one file of a repository, where it was downloaded before."""
    return _in_cache(repo, name)


def cached_folder(repo: str, layout: Layout) -> Path | None:
    """The folder with what of a repository is on this machine; None without its index."""
    index = _in_cache(repo, layout.index)
    return index and index.parent


def _in_cache(repo: str, name: str) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    found = try_to_load_from_cache(repo, name)
    return Path(found) if isinstance(found, str) else None


def _cached_base(repo: str, layout: Layout, away: Away) -> Path:
    index = _in_cache(repo, layout.index)
    if index is None:
        raise away
    folder = index.parent
    if lacking := layout.lacking(
        [path.relative_to(folder).as_posix() for path in folder.glob("*/*") if path.is_file()]
    ):
        raise ValueError(
            f'"{repo}" was not downloaded whole (its {lacking} is missing) and Hugging Face cannot be reached: '
            "connect to the internet, or give a local folder"
        )
    return folder
