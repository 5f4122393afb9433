"""Every setting, declared once."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.settings import setting

TAGS = (";,\n",)  # no tag holds a comma
VALUES = (";\n", ",")  # with commas between them as in A1111; a piece of a prompt may hold some, then ; is between them

BLACKLIST = (
    "virtual youtuber; parody; style parody; official alternate costume; official alternate hairstyle; "
    "official alternate hair length; alternate costume; alternate hairstyle; alternate hair length; alternate hair color"
)


@dataclass(frozen=True)
class ProjectConfig:
    """Where the pictures and the results live."""

    project: str = setting("", "a short name for what you train; letters, digits, - and _ (e.g. my_cat)")
    root: str = setting("", "folder that holds Loras/; empty: your Drive on Colab, the current folder elsewhere", advanced=True)


@dataclass(frozen=True)
class ImportConfig:
    """A zip or a folder of pictures, copied into the dataset."""

    source: str = setting("", "a .zip file or a folder with pictures; captions (.txt) beside them come along")
    train_data_dir: str = setting("", "the dataset folder to fill", internal=True)
    subset: str = setting("", "sub-folder to put them in, as N_name: N repeats (empty: the dataset folder itself)")
    max_files: int = setting(10_000, "refuse an archive with more files than this", min=1, advanced=True)
    existing: Literal["keep", "replace"] = setting("keep", "captions of pictures that are in the dataset already: keep them, or take the source's (undo brings the old ones back)")
    max_gigabytes: float = setting(8.0, "refuse an archive that unpacks to more than this", min=0.001, max=100_000, advanced=True)
    caption_encoding: str = setting("auto", "of captions that are not in UTF-8: auto recognises it where it is sure, else its name (cp1252, shift_jis, gb18030, ...)", advanced=True)


@dataclass(frozen=True)
class DatasetConfig:
    """A dataset folder."""

    train_data_dir: str = setting("", "the dataset folder", internal=True)


@dataclass(frozen=True)
class RecodeConfig:
    """Captions of another encoding, written anew in UTF-8."""

    train_data_dir: str = setting("", "the dataset folder", internal=True)
    caption_encoding: str = setting("auto", "of captions that are not in UTF-8: auto recognises it where it is sure, else its name (cp1252, shift_jis, gb18030, ...)", advanced=True)


@dataclass(frozen=True)
class RestoreConfig:
    """Pictures that were set aside, and come back."""

    train_data_dir: str = setting("", "the dataset folder they go back to", internal=True)
    names: tuple[str, ...] = setting((), "which, with ; between them; empty: all of them")


@dataclass(frozen=True)
class TopTagsConfig:
    """The most frequent tags."""

    train_data_dir: str = setting("", "the dataset folder", internal=True)
    number: int = setting(50, "how many tags", min=1, max=10_000)


@dataclass(frozen=True)
class CurateConfig:
    """Broken pictures and duplicates, set aside and never deleted."""

    train_data_dir: str = setting("", "the dataset folder", internal=True)
    method: Literal["phash", "dhash", "ahash", "whash"] = setting("phash", "imagededup's hash; phash copes best with resized copies")
    max_distance_threshold: int = setting(6, "bits of 64 that may differ between two copies; 0 finds only the same picture", min=0, max=32)


@dataclass(frozen=True)
class TagConfig:
    """WD14 tags for every picture."""

    train_data_dir: str = setting("", "the dataset folder", internal=True)
    tagger: str = setting("SmilingWolf/wd-eva02-large-tagger-v3", 'a Hugging Face id, a folder with model.onnx and selected_tags.csv, or "demo"')
    general_threshold: float = setting(0.35, "how sure the tagger must be; 0.25 for concepts, 0.5 for styles", min=0, max=1)
    character_threshold: float = setting(0.85, "the same for names of characters; 1 leaves them out", min=0, max=1)
    undesired_tags: tuple[str, ...] = setting(tuple(BLACKLIST.split("; ")), "tags never written, with commas between them", separators=TAGS)
    remove_underscore: bool = setting(True, "long_hair -> long hair (faces like ^_^ stay)")
    existing: Literal["missing", "append", "overwrite"] = setting("missing", "pictures that have a caption: leave it, add new tags to it, or write it anew")
    batch_size: int = setting(8, "pictures at a time", min=1, max=256, advanced=True)
    caption_encoding: str = setting("auto", "of captions that are not in UTF-8: auto recognises it where it is sure, else its name (cp1252, shift_jis, gb18030, ...)", advanced=True)


@dataclass(frozen=True)
class CaptionConfig:
    """A sentence for every picture, by BLIP."""

    train_data_dir: str = setting("", "the dataset folder", internal=True)
    captioner: str = setting("Salesforce/blip-image-captioning-large", "a Hugging Face id or a folder of a BLIP model")
    min_new_tokens: int = setting(10, "shortest caption, in tokens", min=0, max=200)
    max_new_tokens: int = setting(75, "longest caption, in tokens", min=1, max=200)
    num_beams: int = setting(3, "beam search width; 1 is greedy and faster", min=1, max=16)
    existing: Literal["missing", "append", "overwrite"] = setting("missing", "pictures that have a caption: leave it, add to it, or write it anew")
    batch_size: int = setting(8, "pictures at a time", min=1, max=256, advanced=True)
    caption_encoding: str = setting("auto", "of captions that are not in UTF-8: auto recognises it where it is sure, else its name (cp1252, shift_jis, gb18030, ...)", advanced=True)


@dataclass(frozen=True)
class TriggerConfig:
    """The word that will call the LoRA, first in every caption."""

    train_data_dir: str = setting("", "the dataset folder", internal=True)
    trigger_word: str = setting("", "a word that means nothing yet, e.g. ohwx_cat; several with commas")
    remove_tags: tuple[str, ...] = setting((), "tags to drop everywhere, with commas between them: what you drop, the trigger word absorbs", separators=TAGS)
    caption_encoding: str = setting("auto", "of captions that are not in UTF-8: auto recognises it where it is sure, else its name (cp1252, shift_jis, gb18030, ...)", advanced=True)


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


@dataclass(frozen=True)
class SampleConfig:
    """Pictures from a base, a prompt and perhaps a LoRA file."""

    pretrained_model_name_or_path: str = setting("demo", 'Hugging Face id, diffusers folder, .safetensors/.ckpt file, or "demo"')
    lora: str = setting("", "a LoRA file; empty draws with the base alone")
    strength: float = setting(1.0, "of the LoRA", min=-2, max=2)
    prompts: tuple[str, ...] = setting((), "what to draw, with ; between them")
    output_dir: str = setting("", "folder the pictures go to", internal=True)
    negative_prompt: str = setting("", "what not to draw")
    steps: int = setting(20, "denoising steps", min=1, max=200)
    guidance: float = setting(7.0, "how closely to follow the prompt (CFG scale)", min=1, max=30)
    width: int | None = setting(None, "empty: the base's own", min=32, max=2048)
    height: int | None = setting(None, "empty: the base's own", min=32, max=2048)
    clip_skip: int = setting(1, "as in training", min=1, max=12)
    seed: int = setting(42, "the same seed draws the same picture; 0 or -1 draws a seed and says which", min=-1, max=2**32 - 1)
    prediction_type: Literal["auto", "epsilon", "v_prediction"] = setting("auto", "what the base predicts; auto: what its own files say. Say v_prediction for a .safetensors or .ckpt that does not", advanced=True)
    zero_terminal_snr: Literal["auto", "yes", "no"] = setting("auto", "whether the base was trained down to pure noise; auto: what its own files say", advanced=True)


@dataclass(frozen=True)
class GridConfig:
    """An X/Y grid by Prompt S/R: the first value of a list is looked for in the prompt and replaced by each."""

    pretrained_model_name_or_path: str = setting("demo", "the base to draw with")
    lora_dir: str = setting("", "folder with the LoRA files", internal=True)
    output_name: str = setting("", "name of the LoRA files without -NN", internal=True)
    trigger_word: str = setting("", "the word that calls the LoRA", internal=True)
    output_dir: str = setting("", "folder the grid goes to", internal=True)
    prompt: str = setting("", "with <lora:name-NUM:STRENGTH> in it; empty: that and the trigger word")
    x_values: tuple[str, ...] = setting((), "NUM, 01, 02, ... (empty: every checkpoint)", separators=VALUES)
    y_values: tuple[str, ...] = setting(("STRENGTH", "0", "0.5", "0.8", "1"), "STRENGTH, 0, 0.5, 1: a placeholder (capital letters, never drawn), then its values; values with commas inside have ; between them", separators=VALUES)
    negative_prompt: str = setting("", "what not to draw")
    steps: int = setting(20, "denoising steps", min=1, max=200)
    guidance: float = setting(7.0, "how closely to follow the prompt (CFG scale)", min=1, max=30)
    width: int | None = setting(None, "empty: the base's own", min=32, max=2048)
    height: int | None = setting(None, "empty: the base's own", min=32, max=2048)
    clip_skip: int = setting(1, "as in training", min=1, max=12)
    seed: int = setting(42, "the same for every picture of the grid; 0 or -1 draws a seed and says which", min=-1, max=2**32 - 1)
    prediction_type: Literal["auto", "epsilon", "v_prediction"] = setting("auto", "what the base predicts; auto: what its own files say. Say v_prediction for a .safetensors or .ckpt that does not", advanced=True)
    zero_terminal_snr: Literal["auto", "yes", "no"] = setting("auto", "whether the base was trained down to pure noise; auto: what its own files say", advanced=True)


@dataclass(frozen=True)
class Handover:
    """What Dataset Maker learnt and LoRA Trainer presets, kept in project.toml."""

    project: str = setting("", "name of the project")
    trigger_word: str = setting("", "the word that calls the LoRA")
    caption_kind: Literal["", "tags", "sentences"] = setting("", "what the captions are")
    images: int = setting(0, "pictures in the dataset", min=0)
    captioned: int = setting(0, "pictures with a caption", min=0)
