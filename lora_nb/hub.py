"""Downloads from the Hugging Face Hub, with its refusals in one sentence each."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
from huggingface_hub import HfApi, hf_hub_download, snapshot_download
from huggingface_hub.errors import (
    EntryNotFoundError,
    GatedRepoError,
    HfHubHTTPError,
    HFValidationError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RepositoryNotFoundError,
)

STEMS = {
    "text_encoder": (
        "model.safetensors",
        "model.fp16.safetensors",
        "pytorch_model.bin",
        "pytorch_model.fp16.bin",
    ),
    "unet": tuple(
        f"diffusion_pytorch_model{end}" for end in (".safetensors", ".fp16.safetensors", ".bin", ".fp16.bin")
    ),
}
STEMS["vae"] = STEMS["unet"]
CONFIGS = ("text_encoder/config.json", "unet/config.json", "vae/config.json")
SMALL = ("model_index.json", "scheduler/*.json", "tokenizer/*", *CONFIGS)
OFFLINE = (httpx.TransportError, OfflineModeIsEnabled, LocalEntryNotFoundError)


@contextlib.contextmanager
def legible(repo: str) -> Iterator[None]:
    """Turns the Hub's errors into ValueError with one sentence about `repo`."""
    page = f"https://huggingface.co/{repo}"
    try:
        yield
    except GatedRepoError:
        how = f"accept its terms at {page} and log in with a Hugging Face token (HF_TOKEN)"
        raise ValueError(f'"{repo}" is gated: {how}') from None
    except RepositoryNotFoundError:
        raise ValueError(
            f'"{repo}" does not exist on Hugging Face, or needs a token (HF_TOKEN): see {page}'
        ) from None
    except (HFValidationError, EntryNotFoundError) as error:
        if isinstance(error, LocalEntryNotFoundError):
            raise ValueError(_absent(repo)) from None
        raise ValueError(f'"{repo}" on Hugging Face cannot be used: {str(error).splitlines()[0]}') from None
    except HfHubHTTPError as error:
        code = error.response.status_code
        raise ValueError(
            f'Hugging Face refused "{repo}" ({code}): try again later, or log in (HF_TOKEN)'
        ) from None
    except OFFLINE:
        raise ValueError(_absent(repo)) from None


def _absent(repo: str) -> str:
    why = "is not on this machine and Hugging Face cannot be reached"
    return f'"{repo}" {why}: connect to the internet, or give a local folder'


def download_base(repo: str) -> Path:
    """The folder of a diffusers repository, one weight file per model; offline, what is cached of it."""
    with legible(repo):
        try:
            names = HfApi().list_repo_files(repo)
        except OFFLINE:
            return Path(snapshot_download(repo, local_files_only=True))
        if "model_index.json" not in names:
            raise ValueError(
                f'"{repo}" holds no diffusers model: download its .safetensors file and give its path'
            )
        return Path(snapshot_download(repo, allow_patterns=[*SMALL, *weight_names(names)]))


def weight_names(names: Sequence[str]) -> list[str]:
    """The weight file to take for each model: safetensors before .bin, full precision before fp16."""
    chosen = []
    for part, stems in STEMS.items():
        chosen += [f"{part}/{stem}" for stem in stems if f"{part}/{stem}" in names][:1]
    return chosen


def download_file(repo: str, name: str) -> Path:
    """The local path of one file of a repository."""
    with legible(repo):
        return Path(hf_hub_download(repo, name))
