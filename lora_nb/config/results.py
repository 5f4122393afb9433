"""Settings of what is done with the files of a run: looked at, taken away, described, published."""

from dataclasses import dataclass

from lora_nb.config.training import Place
from lora_nb.declare import again, setting


@dataclass(frozen=True)
class RunFiles:
    """Which files of which run."""

    output_dir: str = again(Place, "output_dir")
    output_name: str = again(Place, "output_name", help="name of the run's files", internal=True)
    lora_files: tuple[str, ...] = setting((), "which LoRA files, by name, e.g. cat-03.safetensors; empty: all of the run", label="which files")


@dataclass(frozen=True)
class InspectConfig:
    """A LoRA file, looked at."""

    lora: str = setting("", "a LoRA file (.safetensors), of this trainer or any other", label="LoRA file", bare=True)


@dataclass(frozen=True)
class PackConfig(RunFiles):
    """The files of a run as one zip."""


@dataclass(frozen=True)
class CopyConfig(RunFiles):
    """Files of a run, copied to where they are used."""

    to: str = setting("", "a folder, such as one on Google Drive, or the folder of a WebUI (A1111, Forge, ComfyUI), whose own folder for LoRA files is then taken", label="copy to")
    new_name: str = setting("", "another name there, for one file, where its own is taken; nothing is ever overwritten", label="name there", advanced=True)


@dataclass(frozen=True)
class CardConfig(RunFiles):
    """A model card (README.md) for the files of a run."""


@dataclass(frozen=True)
class PushConfig(RunFiles):
    """Files of a run with their model card, put on the Hugging Face Hub."""

    repo_id: str = setting("", "your name and the model's on Hugging Face, e.g. anna/my-cat; it is made where it is not there", label="repository")
    private: bool = setting(True, "only you see it; you can show it to others later, on its page. A repository that is there stays as it is", label="private")
