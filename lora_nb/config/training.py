"""Settings of a training run."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.settings import setting


@dataclass(frozen=True)
class TrainConfig:
    """One LoRA training run."""

    pretrained_model_name_or_path: str = setting("demo", 'Hugging Face id, diffusers folder, .safetensors/.ckpt file, or "demo" (small, built in)', group="Model")
    allow_demo_base: bool = setting(False, 'yes, train on "demo" though these are not the example pictures: to try things out, its files are of no use elsewhere', group="Model")
    train_data_dir: str = setting("", "the dataset folder", group="Model", internal=True)
    output_dir: str = setting("", "folder the LoRA files go to", group="Model", internal=True)
    output_name: str = setting("", "name of the files; empty: the project's name", group="Model")
    trigger_word: str = setting("", "the word that calls the LoRA; goes into the file for the programs that show it", group="Model")
    prediction_type: Literal["auto", "epsilon", "v_prediction"] = setting("auto", "what the base predicts; auto: what its own files say. Say v_prediction for a .safetensors or .ckpt that does not", group="Model", advanced=True)
    zero_terminal_snr: Literal["auto", "yes", "no"] = setting("auto", "whether the base was trained down to pure noise; auto: what its own files say", group="Model", advanced=True)

    resolution: int | None = setting(None, "side of the training square in pixels; empty: the base's own (512 for SD 1.5)", min=32, max=2048, group="Pictures")
    num_repeats: int = setting(10, "times each picture is seen per epoch; pictures x repeats between 200 and 400 is a good start. A folder called N_name has its own", min=1, max=1000, group="Pictures")
    flip_aug: bool = setting(False, "mirror half of the pictures; not for anything asymmetric", group="Pictures")
    enable_bucket: bool = setting(True, "keep wide and tall pictures wide and tall instead of cropping all to a square", group="Pictures", advanced=True)
    min_bucket_reso: int = setting(256, "shortest bucket side; below 512 px this default shrinks with the resolution", min=8, max=4096, group="Pictures", advanced=True)
    max_bucket_reso: int = setting(1024, "longest bucket side; below 512 px this default shrinks with the resolution", min=8, max=4096, group="Pictures", advanced=True)
    bucket_reso_steps: int = setting(64, "bucket sides are multiples of this, and of what the base can take (64 for SD 1.5)", min=8, max=256, group="Pictures", advanced=True)
    bucket_no_upscale: bool = setting(False, "never enlarge a small picture", group="Pictures", advanced=True)

    shuffle_caption: bool = setting(True, "new order of the tags each time (for tags, not for sentences)", group="Captions")
    keep_tokens: int = setting(1, "first tags that stay in place: the number of trigger words", min=0, max=10, group="Captions")
    caption_dropout_rate: float = setting(0.0, "share of the steps that see no caption", min=0, max=1, group="Captions", advanced=True)
    caption_extension: str = setting(".txt", "ending of the caption files", group="Captions", advanced=True)
    max_token_length: Literal[75, 150, 225] = setting(225, "longest caption in tokens; what is longer is cut, shorter ones are not padded to it", group="Captions", advanced=True)
    clip_skip: int = setting(1, "layer of the text encoder counted from its end; 2 for anime bases", min=1, max=12, group="Captions")

    max_train_epochs: int = setting(10, "how often the whole set is gone through", min=1, max=1000, group="Length")
    max_train_steps: int | None = setting(None, "stop after this many steps instead", min=1, max=1_000_000, group="Length")
    train_batch_size: int = setting(2, "pictures per step; 2 or 3 for SD 1.5 on a free GPU", min=1, max=128, group="Length")
    gradient_accumulation_steps: int = setting(1, "batches per optimizer step: a larger batch without its memory", min=1, max=256, group="Length", advanced=True)
    save_every_n_epochs: int = setting(1, "a LoRA file every n epochs", min=1, max=1000, group="Length")
    save_last_n_epochs: int = setting(10, "keep only the newest n files; 0 keeps all", min=0, max=1000, group="Length", advanced=True)

    learning_rate: float = setting(5e-4, "of the U-Net; 0 trains no U-Net", min=0, max=1, group="Learning", kohya="unet_lr")
    text_encoder_lr: float = setting(1e-4, "of the text encoder; a fifth of the U-Net's, for styles 0", min=0, max=1, group="Learning")
    lr_scheduler: Literal["constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial"] = setting("cosine_with_restarts", "how the learning rate falls", group="Learning")
    lr_scheduler_num_cycles: int = setting(3, "restarts of cosine_with_restarts", min=1, max=100, group="Learning", advanced=True)
    lr_scheduler_power: float = setting(1.0, "power of polynomial", min=0.01, max=10, group="Learning", advanced=True)
    lr_warmup_steps: float = setting(0.05, "slow start: below 1 a share of all steps, else a number of steps", min=0, max=100_000, group="Learning")
    optimizer: Literal["AdamW", "AdamW8bit"] = setting("AdamW", "AdamW8bit needs a GPU and bitsandbytes; for a LoRA it saves some 20 MB", group="Learning", kohya="optimizer_type")
    weight_decay: float = setting(0.01, "of the optimizer", min=0, max=1, group="Learning", advanced=True)
    max_grad_norm: float = setting(1.0, "longest gradient; 0 does not clip", min=0, max=100, group="Learning", advanced=True)
    min_snr_gamma: float | None = setting(5.0, "evens out the noise levels (5 is usual; empty: off)", min=0.1, max=20, group="Learning")
    noise_offset: float = setting(0.0, "lets a base without it learn darker and brighter pictures (0.05 to 0.1)", min=0, max=1, group="Learning", advanced=True)
    diff_output_preservation: float = setting(0.0, "above 0, the base stays as it is without the trigger word; 1 is usual. A trained text encoder is held to it too: both together shall answer as the untrained base. A step then takes more than twice as long, less with a smaller share", min=0, max=10, group="Learning")
    diff_output_preservation_class: str = setting("", "what the trigger word is one of, e.g. 1girl or person: put in its place where the base shall stay as it is; empty: the word is left out there", group="Learning", advanced=True)
    diff_output_preservation_share: float = setting(1.0, "share of the pictures that the base is held to; a smaller one is faster, and each then counts for more", min=0.05, max=1, group="Learning", advanced=True)
    seed: int = setting(42, "the same seed and settings give the same file; 0 or -1 draws a seed and says which", min=-1, max=2**32 - 1, group="Learning", advanced=True)

    rank: int = setting(16, "inner size of the update (kohya: network_dim)", min=1, max=256, group="LoRA", kohya="network_dim")
    alpha: float = setting(8.0, "strength of the update is alpha / rank; half the rank is usual", min=0.01, max=256, group="LoRA", kohya="network_alpha")
    dropout: float = setting(0.0, "share of the update's inner values left out at each step", min=0, max=0.9, group="LoRA", advanced=True, kohya="network_dropout")

    mixed_precision: Literal["auto", "no", "fp16", "bf16"] = setting("auto", "auto: bf16 where the GPU is fast at it, fp16 on a T4, none on a CPU", group="Precision", advanced=True)
    save_precision: Literal["fp16", "bf16", "fp32"] = setting("fp16", "numbers in the LoRA file", group="Precision", advanced=True)
    gradient_checkpointing: bool = setting(False, "less memory, a third slower", group="Precision", advanced=True)
    max_data_loader_n_workers: int = setting(0, "processes that prepare batches; 0 is right while the latents fit in memory", min=0, max=64, group="Precision", advanced=True)

    sample_prompts: tuple[str, ...] = setting((), "drawn at each saved epoch, with ; between them; --n negative --w --h --s steps --l guidance --d seed; empty: the trigger word", group="Samples")
    guidance: float = setting(7.0, "how closely samples and grid follow their prompts (CFG scale)", min=1, max=30, group="Samples", advanced=True)
    sample_every_n_epochs: int = setting(1, "0 draws none", min=0, max=1000, group="Samples")
    grid: bool = setting(True, "draw the X/Y grid of checkpoints and strengths when the training is done", group="Samples")

    metadata_title: str = setting("", "title in the file; empty: output_name", group="Said in the file", advanced=True)
    metadata_author: str = setting("", "who made it", group="Said in the file", advanced=True)
    metadata_description: str = setting("", "what it is; A1111 shows it too", group="Said in the file", advanced=True)
    metadata_license: str = setting("", "on which terms others may use it, e.g. CC BY 4.0", group="Said in the file", advanced=True)
    metadata_tags: str = setting("", "what to find it by, with commas between", group="Said in the file", advanced=True)
    training_comment: str = setting("", "a remark on the training", group="Said in the file", advanced=True)
    no_metadata: bool = setting(False, "leave tags, prompts, trigger word and settings out of the file, so that it tells nothing of your pictures; the .json beside it keeps the trigger word", group="Said in the file", advanced=True)

    on_existing: Literal["resume", "restart"] = setting("resume", "when this run was begun before: go on with it, or set its files aside and begin anew", group="Continue")
    save_state_every_n_steps: int = setting(200, "how often, besides each epoch's end, to save what a later start goes on from; 0 only at epochs", min=0, max=100_000, group="Continue", advanced=True)
    source_date_epoch: int | None = setting(None, "unix time to write into the files instead of now: equal runs give equal bytes", min=0, max=32_503_679_999, group="Continue", advanced=True)

    def __post_init__(self) -> None:
        if self.learning_rate == 0 and self.text_encoder_lr == 0:
            raise ValueError("learning_rate = 0 and text_encoder_lr = 0: nothing would be trained; set one of them above 0")
        if self.lr_warmup_steps >= 1 and self.lr_warmup_steps != int(self.lr_warmup_steps):
            raise ValueError(f"lr_warmup_steps = {self.lr_warmup_steps} is neither a share below 1 nor a whole number of steps")
        if self.min_bucket_reso > self.max_bucket_reso:
            raise ValueError(f"min_bucket_reso = {self.min_bucket_reso} is above max_bucket_reso = {self.max_bucket_reso}")
