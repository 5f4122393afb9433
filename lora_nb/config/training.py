"""Settings of a training run, in slices: each component is handed its own."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.base import Base
from lora_nb.config.drawing import DrawSettings
from lora_nb.config.examples import Caching, Captions, Pictures
from lora_nb.config.learning import Learning
from lora_nb.config.length import Length
from lora_nb.config.loss import Loss
from lora_nb.config.network import Network
from lora_nb.config.validation import Validation
from lora_nb.declare import again, needs, part, setting, unless

PURPOSES = ("character", "style", "object", "concept")


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes."""

    train_data_dir: str = setting("", "the dataset folder", label="dataset folder", internal=True)
    output_dir: str = setting("", "folder the LoRA files go to", label="folder of the files", internal=True)
    output_name: str = setting("", "name of the files; empty: the project's name", in_file="always", label="name of the files")


@dataclass(frozen=True)
class Saving:
    """What is saved on the way, and when. None of it changes what is learnt."""

    save_every_n_epochs: int = setting(1, "a LoRA file every n epochs", min=1, max=1000, only_with=unless("save_n_epoch_ratio"), label="a file every n epochs")
    save_n_epoch_ratio: int = setting(0, "instead of every n epochs: so often that this many files at least come of the run; 0: off", label="files of the run, at least", min=0, max=1000, advanced=True)
    save_last_n_epochs: int = setting(10, "keep only the newest n files; 0 keeps all", label="newest files kept", min=0, max=1000, advanced=True)
    save_every_n_steps: int = setting(0, "besides, a file every n steps, with the step in its name; 0: none", label="a file every n steps", min=0, max=1_000_000, advanced=True)
    save_every_n_minutes: float = setting(0.0, "besides, a file every n minutes, with the step in its name; 0: none", label="a file every n minutes", min=0, max=10_000, advanced=True)
    save_last_n_steps: int = setting(0, "of the files saved by steps or minutes keep those of the last n steps; 0 keeps all. What is saved by hand always stays", label="keep files of the last n steps", min=0, max=1_000_000, advanced=True)

    def __post_init__(self) -> None:
        if self.save_last_n_steps and not (self.save_every_n_steps or self.save_every_n_minutes):
            raise ValueError(f"save_last_n_steps = {self.save_last_n_steps}, but no file is saved by steps: give save_every_n_steps or save_every_n_minutes too, or leave it at 0")


@dataclass(frozen=True)
class Precision:
    """In which numbers, and with how much of the machine."""

    mixed_precision: Literal["auto", "no", "fp16", "bf16"] = setting("auto", "auto: bf16 where the GPU is fast at it, fp16 on a T4, none on a CPU", advanced=True)
    save_precision: Literal["fp16", "bf16", "fp32"] = setting("fp16", "numbers in the LoRA file", label="numbers in the file", advanced=True)
    gradient_checkpointing: bool = setting(False, "less memory, a third slower", label="less memory, slower", advanced=True, in_file="always")
    max_data_loader_n_workers: int = setting(0, "processes that prepare batches; 0 is right while the latents fit in memory", label="processes for batches", min=0, max=64, advanced=True, same_run=True)


@dataclass(frozen=True)
class Samples:
    """Pictures drawn on the way and at the end."""

    sample_prompts: tuple[str, ...] = setting((), "drawn at each saved epoch, with ; between them; --n negative --w --h --s steps --l guidance --d seed --ss sampler; empty: the trigger word")
    guidance: float = again(DrawSettings, "guidance", help="how closely samples and grid follow their prompts (CFG scale)", advanced=True)
    sample_sampler: str = again(DrawSettings, "sampler", label="sampler of the samples", help="the way from noise to a picture, for samples and grid; a prompt's own by --ss", advanced=True)
    sample_every_n_epochs: int = setting(1, "0 draws none", min=0, max=1000, label="samples every n epochs")
    sample_every_n_steps: int = setting(0, "besides, every n steps; 0: never", label="samples every n steps", min=0, max=1_000_000, advanced=True)
    sample_every_n_minutes: float = setting(0.0, "besides, every n minutes; 0: never", label="samples every n minutes", min=0, max=10_000, advanced=True)
    sample_at_first: bool = setting(False, "besides, before the first step: what the base makes of the prompts", label="samples before the first step", advanced=True)
    grid: bool = setting(True, "draw the X/Y grid of checkpoints and strengths when the training is done", label="compare all files in a grid")

    @property
    def any(self) -> bool:
        """Whether a picture is drawn at all."""
        return bool(self.sample_every_n_epochs or self.sample_every_n_steps or self.sample_every_n_minutes or self.sample_at_first or self.grid)


@dataclass(frozen=True)
class Figures:
    """Where losses, rates and samples are shown, beside the run's own log."""

    log_with: Literal["tensorboard", "wandb"] = setting("tensorboard", "TensorBoard always has the losses and rates; wandb: besides, they and the samples are sent to your account at wandb.ai (its key: WANDB_API_KEY in the environment, on Colab in Secrets)", label="figures go to", advanced=True, also={"all": "wandb"})
    log_tracker_name: str = setting("", "the project at wandb; empty: this project's name", label="project at wandb", advanced=True, only_with=needs("log_with", "wandb"))
    wandb_run_name: str = setting("", "what the run is called at wandb; empty: name of the files", label="name at wandb", advanced=True, only_with=needs("log_with", "wandb"))
    log_config: bool = setting(False, "send the settings of the run to wandb too, without folders", label="settings to wandb", advanced=True, only_with=needs("log_with", "wandb"))


@dataclass(frozen=True)
class About:
    """What the files say of themselves. It may be mended in the middle of a run: those written from then on say it."""

    purpose: Literal["", "character", "style", "object", "concept"] = setting("", "what the LoRA learns: presets, and what is said of the run, are chosen by it", internal=True)
    metadata_title: str = setting("", "title in the file; empty: output_name", label="title", advanced=True)
    metadata_author: str = setting("", "who made it", label="author", advanced=True)
    metadata_description: str = setting("", "what it is; A1111 shows it too", label="description", advanced=True)
    metadata_license: str = setting("", "on which terms others may use it, e.g. CC BY 4.0", label="licence", advanced=True)
    metadata_tags: str = setting("", "what to find it by, with commas between", label="tags to find it by", advanced=True)
    training_comment: str = setting("", "a remark on the training", label="remark", advanced=True, in_file="on", only_with=unless("no_metadata"))
    no_metadata: bool = setting(False, "leave tags, prompts, trigger word and settings out of the file, so that it tells nothing of your pictures; the .json beside it keeps the trigger word", label="a file that tells nothing", advanced=True)


@dataclass(frozen=True)
class Resuming:
    """How a run that was begun before is met."""

    on_existing: Literal["resume", "restart"] = setting("resume", "when this run was begun before: go on with it, or set its files aside and begin anew", same_run=True, label="a run begun before")
    save_state_every_n_steps: int = setting(200, "how often, besides each epoch's end, to save what a later start goes on from; 0 only at epochs", label="a state every n steps", min=0, max=100_000, advanced=True, same_run=True)
    save_state_every_n_minutes: float = setting(0.0, "the same every n minutes; 0: never", label="a state every n minutes", min=0, max=10_000, advanced=True, same_run=True)
    on_out_of_memory: Literal["stop", "cheaper"] = setting("stop", "when the GPU's memory is full: stop and say what would take less, or go on from the last step with that (slower, as many pictures in a step)", advanced=True, same_run=True, label="when memory runs out")
    initial_step: int = setting(0, "begin at this step: the pictures, the learning rate and the numbers in names are those from there on; for a LoRA that was begun elsewhere. 0: at the beginning", label="begin at step", min=0, max=1_000_000, advanced=True)
    source_date_epoch: int | None = setting(None, "unix time to write into the files instead of now: equal runs give equal bytes", label="time in the files", min=0, max=32_503_679_999, advanced=True)


@dataclass(frozen=True)
class TrainConfig:
    """One LoRA training run."""

    base: Base = part(Base, "Model")
    allow_demo_base: bool = setting(False, 'yes, train on "demo" though these are not the example pictures: to try things out, its files are of no use elsewhere', group="Model", same_run=True)
    place: Place = part(Place, "Model", same_run=True)
    pictures: Pictures = part(Pictures, "Pictures")
    captions: Captions = part(Captions, "Captions")
    caching: Caching = part(Caching, "Pictures")
    length: Length = part(Length, "Length")
    saving: Saving = part(Saving, "Length", same_run=True)
    learning: Learning = part(Learning, "Learning")
    loss: Loss = part(Loss, "Learning")
    seed: int = setting(42, "the same seed and settings give the same file; 0 or -1 draws a seed and says which", min=-1, max=2**32 - 1, group="Learning", advanced=True, in_file="always")
    network: Network = part(Network, "LoRA")
    precision: Precision = part(Precision, "Precision")
    validation: Validation = part(Validation, "Checking")
    samples: Samples = part(Samples, "Samples", same_run=True)
    figures: Figures = part(Figures, "Figures", same_run=True)
    about: About = part(About, "Said in the file", same_run=True)
    resuming: Resuming = part(Resuming, "Continue")
