"""Caption text <-> tags, and the caption file beside an image."""

import re
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from lora_nb import files
from lora_nb.config.dataset import TriggerConfig
from lora_nb.dataset import encodings
from lora_nb.events import Notice, Tell
from lora_nb.wording import some

CAPTION_EXTENSION = ".txt"
UNSURE = (
    "it is not in UTF-8 and its encoding is not sure; save it as UTF-8, or say which it is with caption_encoding "
    "(cp1252, shift_jis, gb18030, ...)"
)


@dataclass(frozen=True)
class CaptionReport:
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


class UnsureError(ValueError):
    """A caption is not in UTF-8, and it is not sure what it says."""


def read_caption(
    image: Path, extension: str = CAPTION_EXTENSION, encoding: str = encodings.AUTO
) -> str | None:
    """The image's caption without blanks around it; None when it has no caption file. Raises UnsureError."""
    found = read_text(image, extension, encoding)
    return None if found is None else found.text


def read_text(
    image: Path, extension: str = CAPTION_EXTENSION, encoding: str = encodings.AUTO
) -> encodings.Text | None:
    """As `read_caption`, with the encoding it was read in; `encoding` names that of a caption that is not UTF-8."""
    path = caption_path(image, extension)
    try:
        found = encodings.read(path.read_bytes(), encoding)
    except FileNotFoundError:
        return None
    if found is None:
        raise UnsureError(f"{path}: {UNSURE}")
    return encodings.Text(found.text.strip(), found.encoding)


class Reader:
    """Reads many captions, and remembers which are not in UTF-8."""

    def __init__(self, extension: str = CAPTION_EXTENSION, encoding: str = encodings.AUTO) -> None:
        self.extension, self.encoding = extension, encodings.check(encoding)
        self.others: dict[str, list[str]] = {}
        self.unsure: list[Path] = []

    def read(self, image: Path) -> str | None:
        """The image's caption; None too when it is not sure what it says."""
        try:
            found = read_text(image, self.extension, self.encoding)
        except UnsureError:
            self.unsure.append(image)
            return None
        if found and found.encoding != encodings.UTF8:
            self.others.setdefault(found.encoding, []).append(caption_path(image, self.extension).name)
        return found.text if found else None

    def report(self, tell: Tell) -> None:
        """Say which captions were read in which encoding, and which could not be."""
        for encoding, names in self.others.items():
            tell(Notice(f"{len(names)} captions are not in UTF-8 and are read as {encoding}: {some(names)}."))
        if self.unsure:
            names = some([caption_path(image, self.extension).name for image in self.unsure])
            tell(
                Notice(f"{len(self.unsure)} captions are left alone ({names}). Of each: {UNSURE}.", "warning")
            )


def write_caption(
    image: Path,
    text: str,
    extension: str = CAPTION_EXTENSION,
    write: Callable[[Path, bytes], None] = files.write_bytes,
) -> None:
    """Write the image's caption, whole or not at all, in UTF-8."""
    write(caption_path(image, extension), in_file(text))


def in_file(text: str) -> bytes:
    """The bytes of a caption file that says `text`."""
    return (text.strip() + "\n" if text.strip() else "").encode()


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


def apply_trigger(
    images: Sequence[Path],
    config: TriggerConfig,
    earlier: str = "",
    write: Callable[[Path, bytes], None] = files.write_bytes,
) -> int:
    """How many captions changed: `remove_tags` and the `earlier` trigger dropped, then the trigger first.

    A picture without a caption gets one that says the trigger alone; one whose caption is not sure is left as it is.
    """
    unwanted = split_tags(join_tags(config.remove_tags))

    def edit(old: str) -> str:
        text = _without_earlier(old, earlier, config.trigger_word)
        return add_trigger(remove_tags(text, unwanted), config.trigger_word)

    return rewrite(images, edit, config.caption_encoding, write)


def rewrite(
    images: Sequence[Path], edit: Callable[[str], str], encoding: str, write: Callable[[Path, bytes], None]
) -> int:
    """How many captions changed: to what `edit` makes of them, and to UTF-8. One that is not sure stays as it is."""
    changed = 0
    for image in images:
        try:
            old = read_text(image, encoding=encoding) or encodings.Text("", encodings.UTF8)
        except UnsureError:
            continue
        new = edit(old.text)
        if new != old.text or old.encoding != encodings.UTF8:
            write_caption(image, new, write=write)
            changed += 1
    return changed


def _without_earlier(text: str, earlier: str, trigger: str) -> str:
    """`text` without the earlier trigger words, if they were put there: then they are among its first tags."""
    words, keep = split_tags(earlier), {same_tag(tag) for tag in split_tags(trigger)}
    first = {same_tag(tag) for tag in split_tags(text)[: len(words)]}
    gone = [word for word in words if same_tag(word) in first and same_tag(word) not in keep]
    return remove_trigger(text, join_tags(gone)) if keep else text


def count_tags(captions: Iterable[str]) -> Counter[str]:
    """How many captions hold each tag, as written, the most frequent first."""
    counts = Counter(tag for caption in captions for tag in dict.fromkeys(split_tags(caption)))
    return Counter(dict(counts.most_common()))


def top_tags(folder: Path, n: int = 50, extension: str = CAPTION_EXTENSION) -> list[tuple[str, int]]:
    """The `n` most frequent tags in a dataset folder and its sub-folders, with their counts.

    A text file counts when a file of the same stem stands beside it. Raises ValueError when there is no folder.
    """
    if not Path(folder).is_dir():
        raise ValueError(f"{folder} is not a folder: give the dataset folder, the one with the pictures")
    return count_tags(_captions_in(Path(folder), extension)).most_common(n)


def _captions_in(folder: Path, extension: str) -> Iterable[str]:
    for place in [folder, *sorted(path for path in folder.iterdir() if path.is_dir())]:
        names = sorted(path for path in place.iterdir() if path.is_file() and not path.name.startswith("."))
        stems = {path.stem for path in names if path.suffix != extension}
        for path in names:
            if path.suffix == extension and path.stem in stems:
                with suppress(UnsureError):
                    yield read_caption(path, extension) or ""


def kind_of(texts: Sequence[str]) -> str:
    """ "tags" or "sentences", which have few commas and many words; "" where there is no text."""
    parts = [part for text in texts for part in split_tags(text)]
    if not parts:
        return ""
    return "sentences" if sum(len(part.split()) for part in parts) > 4 * len(parts) else "tags"
