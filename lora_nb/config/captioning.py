"""Settings of the models that write captions, and of what edits many captions at once."""

from dataclasses import dataclass
from typing import Literal

from lora_nb.config.dataset import TAGS, DatasetConfig, RecodeConfig
from lora_nb.declare import again, needs, setting

BLACKLIST = (
    "virtual youtuber; parody; style parody; official alternate costume; official alternate hairstyle; "
    "official alternate hair length; alternate costume; alternate hairstyle; alternate hair length; alternate hair color"
)
META = "commentary, artist name, signature, watermark, web address, patreon username, twitter username, dated, copyright name"
KINDS = ("copyright", "artist", "meta", "model", "quality")  # of tags, which some taggers know beside the usual ones


@dataclass(frozen=True)
class TagConfig:
    """WD14 tags for every picture."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    tagger: str = setting("SmilingWolf/wd-eva02-large-tagger-v3", 'a Hugging Face id, a folder with model.onnx and selected_tags.csv, or "demo"; several with + between them, and a tag counts as its best score says')
    general_threshold: float | None = setting(None, "how sure the tagger must be: 0.25 for concepts, 0.5 for styles; empty: what is best for each tagger (0.26 to 0.53)", min=0, max=1)
    character_threshold: float = setting(0.85, "the same for names of characters; 1 leaves them out", min=0, max=1)
    undesired_tags: tuple[str, ...] = setting(tuple(BLACKLIST.split("; ")), "tags never written, with commas between them", separators=TAGS)
    replace_tags: tuple[str, ...] = setting((), "other words for tags, as in: 1girl -> woman; solo -> alone, single", label="other words")
    remove_underscore: bool = setting(True, "long_hair -> long hair (faces like ^_^ stay)")
    existing: Literal["missing", "append", "overwrite"] = setting("missing", "pictures that have a caption: leave it, add new tags to it, or write it anew")
    order: Literal["old first", "tags first", "sentence first"] = setting("old first", "what stands first where something is added to a caption", only_with=needs("existing", "append"), advanced=True)
    mcut: bool = setting(False, "in place of the thresholds: for each picture, cut where the scores fall most", label="MCut", advanced=True)
    character_tags_first: bool = setting(False, "names of characters before all other tags", advanced=True)
    character_tag_expand: bool = setting(False, "name (series) -> name, series", advanced=True)
    rating: Literal["no", "first", "last"] = setting("no", "the rating of a picture (general, sensitive, questionable, explicit) as a tag", advanced=True)
    always_first_tags: tuple[str, ...] = setting((), "tags that come first where a picture has them, with commas between them", separators=TAGS, advanced=True)
    other_kinds: tuple[str, ...] = setting((), f"other kinds of tags, of taggers that know them: {', '.join(KINDS)}", separators=TAGS, advanced=True)
    caption_separator: str = setting(",", "what stands between tags, before a blank; the other steps read commas only", advanced=True)
    keep_scores: bool = setting(True, "note the scores in the project, so that other thresholds need no second look at the pictures", advanced=True)
    batch_size: int = setting(8, "pictures at a time", min=1, max=256, advanced=True)
    caption_encoding: str = again(RecodeConfig, "caption_encoding")

    def __post_init__(self) -> None:
        if wrong := [kind for kind in self.other_kinds if kind not in KINDS]:
            raise ValueError(f"other_kinds = {wrong[0]} is not usable: the kinds are {', '.join(KINDS)}")
        if not self.caption_separator.strip():
            raise ValueError("caption_separator is empty: give what stands between tags, such as a comma")


@dataclass(frozen=True)
class CaptionConfig:
    """A sentence for every picture."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    captioner: str = setting("Salesforce/blip-image-captioning-large", "a Hugging Face id or a folder: BLIP, BLIP-2, Florence-2, GIT, or a model that answers a prompt (LLaVA, Qwen-VL, SmolVLM, ...)")
    prompt: str = setting("", "what the model is asked; empty: what suits it. BLIP goes on with your words, Florence-2 knows <CAPTION>, <DETAILED_CAPTION>, <MORE_DETAILED_CAPTION>")
    prefix: str = setting("", "words before every sentence")
    suffix: str = setting("", "words after every sentence")
    min_new_tokens: int = setting(10, "shortest caption, in tokens", min=0, max=200)
    max_new_tokens: int = setting(75, "longest caption, in tokens", min=1, max=1024)
    num_beams: int = setting(0, "beam search width; 1 is greedy and faster; 0: 3, and 1 for models that answer a prompt", min=0, max=16, advanced=True)
    existing: Literal["missing", "append", "overwrite"] = setting("missing", "pictures that have a caption: leave it, add to it, or write it anew")
    order: Literal["old first", "tags first", "sentence first"] = again(TagConfig, "order", only_with=needs("existing", "append"))
    four_bit: Literal["auto", "no", "yes"] = setting("auto", "weights in 4 bits (NVIDIA GPU and bitsandbytes): auto where they do not fit in half precision", label="4-bit weights", advanced=True)
    batch_size: int = setting(8, "pictures at a time", min=1, max=256, advanced=True)
    caption_encoding: str = again(RecodeConfig, "caption_encoding")


ACTIONS = {
    "add": "add tags", "remove": "remove tags", "replace": "replace tags by others", "regex": "replace by a pattern",
    "dedupe": "remove doubles", "sort": "sort", "rare": "remove rare tags", "implied": "remove tags that others imply",
    "synonyms": "one word for one thing", "blacklist": "remove what describes the post, not the picture",
}  # fmt: skip


@dataclass(frozen=True)
class EditTagsConfig:
    """One change of the tags in many captions, shown before it is made."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    action: str = setting("replace", "what to do", choices=tuple(ACTIONS))
    tags: tuple[str, ...] = setting((), "which tags, with commas between them", separators=TAGS, only_with=needs("action", "add", "remove", "replace", "sort", "blacklist"))
    replace_with: tuple[str, ...] = setting((), "the tags in their place; none: they are removed", separators=TAGS, only_with=needs("action", "replace"))
    pattern: str = setting("", "a regular expression: it is looked for in each tag, and in a sentence as a whole", only_with=needs("action", "regex"))
    replacement: str = setting("", r"what stands in its place; \1 is its first group", only_with=needs("action", "regex"))
    place: Literal["back", "front", "after trigger"] = setting("back", "where added tags stand", only_with=needs("action", "add"))
    sort_by: Literal["alphabet", "frequency"] = setting("alphabet", "what to sort by; the tags named above stand first in their order", only_with=needs("action", "sort"))
    keep_first: int = setting(1, "how many tags at the front stay where they are, such as the trigger word", min=0, max=50, only_with=needs("action", "sort"))
    minimum: int = setting(2, "a tag that fewer pictures have is rare", label="fewest pictures", min=2, max=10_000, only_with=needs("action", "rare"))
    synonyms: tuple[str, ...] = setting((), "your own, as in: kitty -> cat; automobile -> car", only_with=needs("action", "synonyms"))
    where: str = setting("", "only captions with these tags, as in: cat AND (hat OR *glasses) AND NOT dog; empty: all", label="only where")
    names: tuple[str, ...] = setting((), "only these pictures, with ; between them; empty: all", label="only pictures", advanced=True)
    dry_run: bool = setting(False, "only show what would change", internal=True)
    caption_encoding: str = again(RecodeConfig, "caption_encoding")


@dataclass(frozen=True)
class SuggestConfig:
    """What suits the pictures: tags or sentences, and what the trigger word could stand for."""

    train_data_dir: str = again(DatasetConfig, "train_data_dir")
    share: float = setting(1.0, "suggest tags that at least this share of the pictures has", label="share of pictures", min=0.05, max=1)
    features: bool = setting(True, "also features of a character (hair, eyes, ears, ...) that half of the pictures have", label="features too")
