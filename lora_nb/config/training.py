"""Settings of a training run, in slices: each component is handed its own."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.base import Base
from lora_nb.config.drawing import DrawSettings
from lora_nb.config.optimizers import OPTIMIZERS, SCHEDULES, WARMUP
from lora_nb.declare import again, needs, part, setting, unless


@dataclass(frozen=True)
class Place:
    """Where a run reads and writes."""

    train_data_dir: str = setting("", "the dataset folder", internal=True)
    output_dir: str = setting("", "folder the LoRA files go to", internal=True)
    output_name: str = setting("", "name of the files; empty: the project's name", in_file="always")


@dataclass(frozen=True)
class Pictures:
    """How pictures become training squares and rectangles."""

    resolution: int | None = setting(None, "side of the training square in pixels; empty: the base's own (512 for SD 1.5)", min=32, max=2048)
    num_repeats: int = setting(10, "times each picture is seen per epoch; pictures x repeats between 200 and 400 is a good start. A folder called N_name has its own", min=1, max=1000)
    flip_aug: bool = setting(False, "mirror half of the pictures; not for anything asymmetric", in_file="always")
    enable_bucket: bool = setting(True, "keep wide and tall pictures wide and tall instead of cropping all to a square", advanced=True, in_file="always")
    min_bucket_reso: int = setting(256, "shortest bucket side; below 512 px this default shrinks with the resolution", min=8, max=4096, advanced=True, in_file="always")
    max_bucket_reso: int = setting(1024, "longest bucket side; below 512 px this default shrinks with the resolution", min=8, max=4096, advanced=True, in_file="always")
    bucket_reso_steps: int = setting(64, "bucket sides are multiples of this, and of what the base can take (64 for SD 1.5)", min=8, max=256, advanced=True)
    bucket_no_upscale: bool = setting(False, "never enlarge a small picture", advanced=True, in_file="always")

    def __post_init__(self) -> None:
        if self.min_bucket_reso > self.max_bucket_reso:
            raise ValueError(f"min_bucket_reso = {self.min_bucket_reso} is above max_bucket_reso = {self.max_bucket_reso}")


@dataclass(frozen=True)
class Captions:
    """What is read of the captions, and how."""

    trigger_word: str = setting("", "the word that calls the LoRA; goes into the file for the programs that show it", group="Model")
    shuffle_caption: bool = setting(True, "new order of the tags each time (for tags, not for sentences)", in_file="always")
    keep_tokens: int = setting(1, "first tags that stay in place: the number of trigger words", min=0, max=10, in_file="always", only_with=needs("shuffle_caption"))
    caption_dropout_rate: float = setting(0.0, "share of the steps that see no caption", min=0, max=1, advanced=True, in_file="always")
    caption_extension: str = setting(".txt", "ending of the caption files", advanced=True)
    max_token_length: Literal[75, 150, 225] = setting(225, "longest caption in tokens; what is longer is cut, shorter ones are not padded to it", advanced=True, in_file="always")
    clip_skip: int = setting(1, "layer of the text encoder counted from its end; 2 for anime bases", min=1, max=12, in_file="always")


@dataclass(frozen=True)
class Length:
    """How long a run is."""

    max_train_epochs: int = setting(10, "how often the whole set is gone through", min=1, max=1000)
    max_train_steps: int | None = setting(None, "stop after this many steps instead", min=1, max=1_000_000)
    train_batch_size: int = setting(2, "pictures per step; 2 or 3 for SD 1.5 on a free GPU", min=1, max=128)
    gradient_accumulation_steps: int = setting(1, "batches per optimizer step: a larger batch without its memory", min=1, max=256, advanced=True, in_file="always")


@dataclass(frozen=True)
class Saving:
    """What is saved on the way, and when. None of it changes what is learnt."""

    save_every_n_epochs: int = setting(1, "a LoRA file every n epochs", min=1, max=1000)
    save_last_n_epochs: int = setting(10, "keep only the newest n files; 0 keeps all", min=0, max=1000, advanced=True)


@dataclass(frozen=True)
class Learning:
    """How the weights follow their gradients."""

    learning_rate: float = setting(5e-4, "of the U-Net; 0 trains no U-Net", min=0, max=1, kohya="unet_lr", in_file="on")
    text_encoder_lr: float = setting(1e-4, "of the text encoder; a fifth of the U-Net's, for styles 0", min=0, max=1, in_file="on", label="text encoder learning rate")
    lr_scheduler: str = setting("cosine_with_restarts", "how the learning rate falls", choices=SCHEDULES, in_file="always", label="learning rate scheduler")
    lr_scheduler_num_cycles: int = setting(3, "restarts of cosine_with_restarts", min=1, max=100, advanced=True, only_with=needs("lr_scheduler", "cosine_with_restarts"))
    lr_scheduler_power: float = setting(1.0, "power of polynomial", min=0.01, max=10, advanced=True, only_with=needs("lr_scheduler", "polynomial"))
    lr_warmup_steps: float = setting(0.05, "slow start: below 1 a share of all steps, else a number of steps", min=0, max=100_000, only_with=needs("lr_scheduler", *(name for name, row in SCHEDULES.items() if WARMUP in row.takes)))
    optimizer: str = setting("AdamW", "AdamW8bit needs a GPU and bitsandbytes; for a LoRA it saves some 20 MB", kohya="optimizer_type", choices=OPTIMIZERS)
    weight_decay: float = setting(0.01, "of the optimizer", min=0, max=1, advanced=True)
    max_grad_norm: float = setting(1.0, "longest gradient; 0 does not clip", min=0, max=100, advanced=True, in_file="always")

    def __post_init__(self) -> None:
        if self.learning_rate == 0 and self.text_encoder_lr == 0:
            raise ValueError("learning_rate = 0 and text_encoder_lr = 0: nothing would be trained; set one of them above 0")
        if self.lr_warmup_steps >= 1 and self.lr_warmup_steps != int(self.lr_warmup_steps):
            raise ValueError(f"lr_warmup_steps = {self.lr_warmup_steps} is neither a share below 1 nor a whole number of steps")


@dataclass(frozen=True)
class Loss:
    """What is minimised."""

    min_snr_gamma: float | None = setting(5.0, "evens out the noise levels (5 is usual; empty: off)", min=0.1, max=20, in_file="always")
    noise_offset: float = setting(0.0, "lets a base without it learn darker and brighter pictures (0.05 to 0.1)", min=0, max=1, advanced=True, in_file="on")
    diff_output_preservation: float = setting(0.0, "above 0, the base stays as it is without the trigger word; 1 is usual. A trained text encoder is held to it too: both together shall answer as the untrained base. A step then takes more than twice as long, less with a smaller share", min=0, max=10)
    diff_output_preservation_class: str = setting("", "what the trigger word is one of, e.g. 1girl or person: put in its place where the base shall stay as it is; empty: the word is left out there", advanced=True, only_with=needs("diff_output_preservation"))
    diff_output_preservation_share: float = setting(1.0, "share of the pictures that the base is held to; a smaller one is faster, and each then counts for more", min=0.05, max=1, advanced=True, only_with=needs("diff_output_preservation"))


@dataclass(frozen=True)
class Network:
    """The shape of the update."""

    rank: int = setting(16, "inner size of the update (kohya: network_dim)", min=1, max=256, kohya="network_dim", in_file="always")
    alpha: float = setting(8.0, "strength of the update is alpha / rank; half the rank is usual", min=0.01, max=256, kohya="network_alpha", in_file="always")
    dropout: float = setting(0.0, "share of the update's inner values left out at each step", min=0, max=0.9, advanced=True, kohya="network_dropout", in_file="on")


@dataclass(frozen=True)
class Precision:
    """In which numbers, and with how much of the machine."""

    mixed_precision: Literal["auto", "no", "fp16", "bf16"] = setting("auto", "auto: bf16 where the GPU is fast at it, fp16 on a T4, none on a CPU", advanced=True)
    save_precision: Literal["fp16", "bf16", "fp32"] = setting("fp16", "numbers in the LoRA file", advanced=True)
    gradient_checkpointing: bool = setting(False, "less memory, a third slower", advanced=True, in_file="always")
    max_data_loader_n_workers: int = setting(0, "processes that prepare batches; 0 is right while the latents fit in memory", min=0, max=64, advanced=True, same_run=True)


@dataclass(frozen=True)
class Samples:
    """Pictures drawn on the way and at the end."""

    sample_prompts: tuple[str, ...] = setting((), "drawn at each saved epoch, with ; between them; --n negative --w --h --s steps --l guidance --d seed; empty: the trigger word")
    guidance: float = again(DrawSettings, "guidance", help="how closely samples and grid follow their prompts (CFG scale)", advanced=True)
    sample_every_n_epochs: int = setting(1, "0 draws none", min=0, max=1000)
    grid: bool = setting(True, "draw the X/Y grid of checkpoints and strengths when the training is done")


@dataclass(frozen=True)
class About:
    """What the files say of themselves. It may be mended in the middle of a run: those written from then on say it."""

    metadata_title: str = setting("", "title in the file; empty: output_name", advanced=True)
    metadata_author: str = setting("", "who made it", advanced=True)
    metadata_description: str = setting("", "what it is; A1111 shows it too", advanced=True)
    metadata_license: str = setting("", "on which terms others may use it, e.g. CC BY 4.0", advanced=True)
    metadata_tags: str = setting("", "what to find it by, with commas between", advanced=True)
    training_comment: str = setting("", "a remark on the training", advanced=True, in_file="on", only_with=unless("no_metadata"))
    no_metadata: bool = setting(False, "leave tags, prompts, trigger word and settings out of the file, so that it tells nothing of your pictures; the .json beside it keeps the trigger word", advanced=True)


@dataclass(frozen=True)
class Resuming:
    """How a run that was begun before is met."""

    on_existing: Literal["resume", "restart"] = setting("resume", "when this run was begun before: go on with it, or set its files aside and begin anew", same_run=True)
    save_state_every_n_steps: int = setting(200, "how often, besides each epoch's end, to save what a later start goes on from; 0 only at epochs", min=0, max=100_000, advanced=True, same_run=True)
    source_date_epoch: int | None = setting(None, "unix time to write into the files instead of now: equal runs give equal bytes", min=0, max=32_503_679_999, advanced=True)


@dataclass(frozen=True)
class TrainConfig:
    """One LoRA training run."""

    base: Base = part(Base, "Model")
    allow_demo_base: bool = setting(False, 'yes, train on "demo" though these are not the example pictures: to try things out, its files are of no use elsewhere', group="Model", same_run=True)
    place: Place = part(Place, "Model", same_run=True)
    pictures: Pictures = part(Pictures, "Pictures")
    captions: Captions = part(Captions, "Captions")
    length: Length = part(Length, "Length")
    saving: Saving = part(Saving, "Length", same_run=True)
    learning: Learning = part(Learning, "Learning")
    loss: Loss = part(Loss, "Learning")
    seed: int = setting(42, "the same seed and settings give the same file; 0 or -1 draws a seed and says which", min=-1, max=2**32 - 1, group="Learning", advanced=True, in_file="always")
    network: Network = part(Network, "LoRA")
    precision: Precision = part(Precision, "Precision")
    samples: Samples = part(Samples, "Samples", same_run=True)
    about: About = part(About, "Said in the file", same_run=True)
    resuming: Resuming = part(Resuming, "Continue")
