"""Caption text <-> tags, and the caption file beside an image."""

import codecs
import re
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from lora_nb import files
from lora_nb.config import TriggerConfig

CAPTION_EXTENSION = ".txt"


@dataclass(frozen=True)
class TagReport:
    """What a tagger or a captioner did: captions written, pictures left alone, failures as (name, reason)."""

    tagged: int
    skipped: int
    failed: tuple[tuple[str, str], ...]


def split_tags(text: str) -> list[str]:
    """The parts of a caption between commas and line ends, without blanks around them."""
    return [tag for part in re.split(r"[,\n]", text) if (tag := part.strip())]


def join_tags(tags: Iterable[str]) -> str:
    """A caption of these tags."""
    return ", ".join(tags)


def same_tag(tag: str) -> str:
    """What two spellings of one tag share: `Long_Hair` and `long hair` are the same tag."""
    return tag.strip().casefold().replace("_", " ")


def caption_path(image: Path, extension: str = CAPTION_EXTENSION) -> Path:
    """The caption file that belongs to an image."""
    return image.with_suffix("." + extension.lstrip("."))


def free_stem(stem: str, taken: Container[str]) -> str:
    """`stem`, or the first `stem-2`, `stem-3`, ... that `taken` lacks in any case.

    `taken` holds casefolded stems. Pictures of one stem share a caption, so a free file name is not enough.
    """
    number, candidate = 1, stem
    while candidate.casefold() in taken:
        number += 1
        candidate = f"{stem}-{number}"
    return candidate


def read_caption(image: Path, extension: str = CAPTION_EXTENSION) -> str | None:
    """The image's caption without blanks around it; None when it has no caption file."""
    try:
        return _decode(caption_path(image, extension).read_bytes()).strip()
    except FileNotFoundError:
        return None


def _decode(content: bytes) -> str:
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", errors="replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("cp1252", errors="replace")


def write_caption(image: Path, text: str, extension: str = CAPTION_EXTENSION) -> None:
    """Write the image's caption, whole or not at all."""
    files.write_text(caption_path(image, extension), text.strip() + "\n" if text.strip() else "")


def add_trigger(text: str, trigger: str) -> str:
    """`text` with the trigger words first, in their order; the same text when they stand there already."""
    triggers = split_tags(trigger)
    if not triggers:
        return text
    return join_tags([*triggers, *filter(None, [remove_tags(text, triggers).strip()])])


def remove_tags(text: str, tags: Iterable[str]) -> str:
    """`text` without these tags; what it holds besides stays as it is written."""
    unwanted = {same_tag(tag) for tag in tags}
    parts = re.findall(r"[^,\n]*[,\n]?", text)
    kept = [part for part in parts if same_tag(part.rstrip(",\n")) not in unwanted]
    return text if len(kept) == len(parts) else "".join(kept).strip(", \n")


def remove_trigger(text: str, trigger: str) -> str:
    """`text` without the trigger words, be they tags or words of a sentence; the same text when it holds none."""
    words = split_tags(trigger)
    text = remove_tags(text, words)
    for word in map(re.escape, words):
        text = re.sub(rf"(?<=\w)\s+{word}(?!\w)|(?<!\w){word}(?!\w)\s*", "", text, flags=re.IGNORECASE)
    return text


def replace_trigger(text: str, trigger: str, word: str) -> str:
    """`text` with `word` in the place of its first trigger word, the others left out; the same text when it holds none.

    All of them are left out when `word` is empty or stands in the text already.
    """
    bare = remove_trigger(text, trigger)
    if not word or bare == text or _whole_words([word]).search(bare):
        return bare
    named = _whole_words(split_tags(trigger)).sub(lambda _: word, text, count=1)
    rest = [name for name in split_tags(trigger) if same_tag(name) != same_tag(word)]
    return remove_trigger(named, join_tags(rest))


def _whole_words(words: Iterable[str]) -> re.Pattern[str]:
    """Any of the words in any case, with blanks and underscores alike."""
    either = "|".join(
        re.sub(r"\\ |_", "[ _]", re.escape(word)) for word in sorted(words, key=len, reverse=True)
    )
    return re.compile(rf"(?<!\w)(?:{either})(?!\w)", re.IGNORECASE)


def merge_tags(old: str, new: str) -> str:
    """`old` as it is written, followed by the tags of `new` it lacks."""
    known = {same_tag(tag) for tag in split_tags(old)}
    added = []
    for tag in split_tags(new):
        if same_tag(tag) not in known:
            known.add(same_tag(tag))
            added.append(tag)
    return join_tags([*filter(None, [old.strip().rstrip(",")]), *added])


def wanted(existing: str, old: str | None) -> bool:
    """Whether the setting `existing` of a tagger or captioner asks for new words beside the caption `old`."""
    return existing != "missing" or not old


def apply_trigger(images: Sequence[Path], config: TriggerConfig) -> int:
    """How many captions changed: `remove_tags` dropped, then the trigger first.

    A picture without a caption gets one that says the trigger alone.
    """
    changed = 0
    unwanted = split_tags(join_tags(config.remove_tags))
    for image in images:
        old = read_caption(image)
        new = add_trigger(remove_tags(old or "", unwanted), config.trigger_word)
        if new != (old or ""):
            write_caption(image, new)
            changed += 1
    return changed


def count_tags(captions: Iterable[str]) -> Counter[str]:
    """How many captions hold each tag, as written, the most frequent first."""
    counts = Counter(tag for caption in captions for tag in dict.fromkeys(split_tags(caption)))
    return Counter(dict(counts.most_common()))


def top_tags(folder: Path, n: int = 50, extension: str = CAPTION_EXTENSION) -> list[tuple[str, int]]:
    """The `n` most frequent tags in a dataset folder and its sub-folders, with their counts.

    A text file counts when a file of the same stem stands beside it.
    """
    return count_tags(_captions_in(Path(folder), extension)).most_common(n)


def _captions_in(folder: Path, extension: str) -> Iterable[str]:
    if not folder.is_dir():
        return
    for place in [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]:
        names = sorted(path for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
        stems = {path.stem for path in names if path.suffix != extension}
        for path in names:
            if path.suffix == extension and path.stem in stems:
                yield read_caption(path, extension) or ""
