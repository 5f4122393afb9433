"""Files of a run put on the Hugging Face Hub, with their model card."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lora_nb import hub
from lora_nb.config.results import PushConfig
from lora_nb.events import Notice, Progress, Tell
from lora_nb.results import card
from lora_nb.results.run_files import chosen, folder_of

REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")
LOGIN = (
    "put a token with leave to write (https://huggingface.co/settings/tokens) into Colab's Secrets as HF_TOKEN, or "
    "into the environment, or log in once with `hf auth login`"
)


@dataclass(frozen=True)
class Pushed:
    """Where the files now are, and whether the repository was made for them."""

    address: str
    files: int
    is_new: bool


def push(config: PushConfig, tell: Tell) -> Pushed:
    """Put the files, their previews, the card and its samples into a repository, in one commit.

    What else is there stays; a card that was changed by hand, here or there, is not replaced. The token is that of
    huggingface_hub (environment, login); it is neither kept nor told. Raises ValueError with one sentence.
    """
    from huggingface_hub import CommitOperationAdd, HfApi, get_token

    if not REPO_ID.fullmatch(config.repo_id):
        raise ValueError(f'repo_id = "{config.repo_id}" is not of the form name/model, e.g. anna/my-cat')
    wanted = {path.name: path for file in chosen(config) for path in file.parts if path.suffix != ".json"}
    made = card.make(config)
    if get_token() is None:
        raise ValueError(f"nobody is logged in to Hugging Face: {LOGIN}")
    api = HfApi()
    tell(Progress(f"Uploading to {config.repo_id}", 0, 1))
    with _legible(config.repo_id):
        is_new = not api.repo_exists(config.repo_id)
        if is_new:
            api.create_repo(config.repo_id, private=config.private)
        content = {
            **wanted,
            **made.pictures,
            **_card(config, made.text, "" if is_new else _there(config), tell),
        }
        adding = [CommitOperationAdd(name, given) for name, given in content.items()]
        words = f"{len(wanted)} files of {folder_of(config).base.name}"
        api.create_commit(config.repo_id, adding, commit_message=words)
    tell(Progress(f"Uploading to {config.repo_id}", 1, 1))
    return Pushed(f"{api.endpoint}/{config.repo_id}", len(content), is_new)


def _there(config: PushConfig) -> str:
    """The card that the repository has; "" for none."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError

    try:
        return Path(hf_hub_download(config.repo_id, card.CARD)).read_text(encoding="utf-8", errors="replace")
    except EntryNotFoundError:
        return ""


def _card(config: PushConfig, made: str, there: str, tell: Tell) -> dict[str, bytes]:
    """The card to upload by its name: the one written by hand here, or the one that was made; none over another's."""
    if there and card.MARK not in there:
        tell(Notice(f"{config.repo_id} has a {card.CARD} written by hand: it is left as it is.", "warning"))
        return {}
    own = folder_of(config).base / card.CARD
    return {card.CARD: own.read_bytes() if own.is_file() else made.encode("utf-8")}


@contextmanager
def _legible(repo: str) -> Iterator[None]:
    """The Hub's refusals of what is written, in one sentence each."""
    from huggingface_hub.errors import HfHubHTTPError

    with hub.legible(repo):
        try:
            yield
        except HfHubHTTPError as error:
            if error.response is not None and error.response.status_code == 403:
                raise ValueError(f'this token may not write to "{repo}" (403): {LOGIN}') from None
            raise
