"""Settings of how pictures with captions become training examples."""

from dataclasses import dataclass
from typing import Literal

from lora_nb import sizes
from lora_nb.declare import Pixels, Table, either, needs, setting, unless

NUMBERS = (",;\n",)
MOVES_TAGS = either(needs("shuffle_caption"), needs("caption_tag_dropout_rate"), needs("token_warmup_step"))


@dataclass(frozen=True)
class Pictures:
    """How pictures become training squares and rectangles."""

    resolution: Pixels | None = setting(None, "side of the training square in pixels, or width,height; several with ; between (512;768) train each picture at each. Empty: the base's own (512 for SD 1.5, 1024 for SDXL)", min=32, max=2048, per="dataset", label="size of the pictures")
    num_repeats: int = setting(10, "times each picture is seen in an epoch; LoRA Trainer and `advise` fill in what suits the number of pictures. A folder called N_name has its own", min=1, max=1000, per="subset", label="repeats of each picture")
    flip_aug: bool = setting(False, "mirror half of the pictures; not for anything asymmetric", in_file="always", per="subset", label="mirror half of them")
    enable_bucket: bool = setting(True, "keep wide and tall pictures wide and tall instead of cropping all to a square", label="keep wide and tall shapes", advanced=True, in_file="always", per="dataset")
    min_bucket_reso: int = setting(256, "shortest bucket side; below 512 px this default shrinks with the resolution", label="shortest bucket side", min=8, max=4096, advanced=True, in_file="always", per="dataset")
    max_bucket_reso: int = setting(1024, "longest bucket side; this default shrinks below 512 px with the resolution, and is twice it from 1024 px on", label="longest bucket side", min=8, max=4096, advanced=True, in_file="always", per="dataset")
    bucket_reso_steps: int = setting(64, "bucket sides are multiples of this, and of what the base can take (64 for SD 1.5, 32 for SDXL)", label="bucket sides in steps of", min=8, max=256, advanced=True, per="dataset")
    bucket_no_upscale: bool = setting(False, "never enlarge a small picture", label="never enlarge pictures", advanced=True, in_file="always", per="dataset")
    resize_interpolation: Literal["lanczos", "bicubic", "bilinear", "box", "nearest"] = setting("lanczos", "how pictures are made smaller and larger; nearest for pixel art", label="how pictures are resized", advanced=True, per="subset")
    random_crop: bool = setting(False, "cut what a picture is longer than its bucket off at random, not evenly at both ends", label="cut at random places", advanced=True, in_file="always", per="subset")
    face_crop_aug_range: tuple[float, ...] = setting((), "two numbers, such as 2, 4: pictures are cut around the face, the cut being two to four faces wide, nearer or farther at random. Where the face is, a file's name must say: NAME_x_y_width_height, of its middle, in pixels", label="cut around faces", min=1, max=100, advanced=True, in_file="on", per="subset", separators=NUMBERS)
    color_aug: bool = setting(False, "a third of the views with a slightly other hue or brightness; not for a style", label="vary the colours", advanced=True, in_file="always", per="subset")
    augmented_views: int = setting(8, "versions of each picture that random_crop, color_aug and face_crop_aug_range make; each takes some 0.1 MB of memory at 512 px", label="versions of each picture", min=2, max=1000, advanced=True, only_with=either(needs("random_crop"), needs("color_aug"), needs("face_crop_aug_range")))
    alpha_mask: bool = setting(False, "learn nothing where a picture is see-through, and less where it is half so; a mask file beside it goes first", label="see-through parts as a mask", advanced=True, in_file="on", per="subset")
    balance: bool = setting(False, "each folder is seen as often as the one that is seen most: small ones get more repeats", label="balance the folders", advanced=True)
    subsets: tuple[Table, ...] = setting((), "folders with settings of their own, one a line, such as folder = \"3_cat\", keep_tokens = 2, flip_aug = true. A folder is one of the dataset's or any other; is_reg = true makes its pictures regularisation, class_tokens are the words for those without a caption", label="folders with own settings", advanced=True)
    reg_data_dir: str = setting("", "folder with regularisation pictures, what the base shall keep: shown as often as your own, without the trigger word", label="regularisation pictures", advanced=True, same_run=True)
    dataset_config: str = setting("", "a dataset file of sd-scripts (.toml or .json): its folders are trained in place of the dataset. What it does not say is as set here, but a picture is seen once", label="dataset file of sd-scripts", advanced=True, same_run=True, only_with=unless("subsets"))

    def __post_init__(self) -> None:
        if self.min_bucket_reso > self.max_bucket_reso:
            raise ValueError(f"min_bucket_reso = {self.min_bucket_reso} is above max_bucket_reso = {self.max_bucket_reso}")
        if len(self.face_crop_aug_range) not in (0, 2):
            raise ValueError("face_crop_aug_range: give two numbers, the nearest and the farthest cut, such as 2, 4")

    @property
    def sizes(self) -> tuple[sizes.Size, ...]:
        """Each (width, height) that is asked for; none where it is the base's own."""
        return () if self.resolution is None else sizes.sizes_of(self.resolution)


@dataclass(frozen=True)
class Captions:
    """What is read of the captions, and how."""

    trigger_word: str = setting("", "the word that calls the LoRA; goes into the file for the programs that show it", group="Model")
    shuffle_caption: bool = setting(True, "new order of the tags each time (for tags, not for sentences)", in_file="always", per="subset", label="shuffle the tags")
    keep_tokens: int = setting(1, "first tags that stay in place: the number of trigger words", min=0, max=10, in_file="always", only_with=MOVES_TAGS, per="subset", label="tags that stay in front")
    caption_dropout_rate: float = setting(0.0, "share of the steps that see no caption", label="share without a caption", min=0, max=1, advanced=True, in_file="always", per="subset")
    caption_dropout_every_n_epochs: int = setting(0, "each so manieth epoch sees no caption at all; 0: none does", label="no captions every n epochs", min=0, max=1000, advanced=True, in_file="always", per="subset")
    caption_tag_dropout_rate: float = setting(0.0, "share of the tags behind the first keep_tokens that a step does not see", label="share of tags left out", min=0, max=1, advanced=True, in_file="always", per="subset")
    keep_tokens_separator: str = setting("", "mark in the captions, e.g. |||: the tags before it stay in place, however many, and so do those after a second one; keep_tokens counts where it is missing", label="mark behind tags that stay", advanced=True, per="subset")
    caption_separator: str = setting(",", "what stands between tags in the captions", label="mark between tags", advanced=True, only_with=either(MOVES_TAGS, needs("secondary_separator")), per="subset")
    secondary_separator: str = setting("", "what stands between tags that stay together, e.g. ;;; in \"sitting;;;on a mat\": they are shuffled and left out as one", label="mark in tags kept together", advanced=True, per="subset")
    enable_wildcard: bool = setting(False, "of {red|blue} in a caption one is drawn each time, {{ and }} are braces; of a caption of several lines one line", label="draw one of {red|blue}", advanced=True, per="subset")
    caption_prefix: str = setting("", "words put before every caption, with a blank between; write the comma too", label="words before each caption", advanced=True, per="subset")
    caption_suffix: str = setting("", "words put after every caption, with a blank between", label="words after each caption", advanced=True, per="subset")
    token_warmup_step: float = setting(0.0, "captions begin with few tags and grow until this step; below 1 a share of all steps", label="captions grow until step", min=0, max=100_000, advanced=True, per="subset")
    token_warmup_min: int = setting(1, "with how many tags behind the first keep_tokens they begin", label="tags that captions begin with", min=0, max=100, advanced=True, only_with=needs("token_warmup_step"), per="subset")
    caption_extension: str = setting(".txt", "ending of the caption files", label="ending of caption files", advanced=True, per="subset")
    max_token_length: Literal[75, 150, 225] = setting(225, "longest caption in tokens; what is longer is cut, shorter ones are not padded to it", label="longest caption in tokens", advanced=True, in_file="always")
    clip_skip: int = setting(1, "layer of the text encoder counted from its end; 2 for anime bases of SD 1.5; SDXL has its own", min=1, max=12, in_file="always")
    weighted_captions: bool = setting(False, "(word:1.2) in a caption counts more, [word] less, \\( is a bracket; else brackets are words", label="weights as in (word:1.2)", advanced=True)

    def __post_init__(self) -> None:
        if not self.caption_separator.strip(" "):
            raise ValueError("caption_separator is empty: write what stands between tags, usually a comma")


@dataclass(frozen=True)
class Caching:
    """What is worked out once and kept."""

    cache_latents_to_disk: bool = setting(False, "keep the encoded pictures on this machine's own disk: less memory, and a later start need not encode them anew", label="keep encoded pictures on disk", advanced=True, same_run=True)
    vae_batch_size: int = setting(1, "pictures that are encoded at once; more is faster on a GPU and takes more of its memory", label="pictures encoded at once", min=1, max=64, advanced=True)
    cache_text_encoder_outputs: bool = setting(False, "read each caption once, in caption_variants versions, where the text encoder is not trained: faster, but no new order at each step", label="read each caption once", advanced=True, only_with=unless("text_encoder_lr"))
    caption_variants: int = setting(4, "versions of each caption that are read, where it is shuffled or drawn from", label="versions of each caption", min=1, max=1000, advanced=True, only_with=needs("cache_text_encoder_outputs"))

    def keeps_texts(self, learns_text: bool) -> bool:
        """Whether what is said of a caption is kept in each of its versions, and not worked out anew at each step."""
        return self.cache_text_encoder_outputs and not learns_text
