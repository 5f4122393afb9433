"""What a project holds, read from its folders and put into words and HTML."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

from lora_nb.captioning import medium
from lora_nb.config.project import Handover
from lora_nb.dataset import captions as caption_files
from lora_nb.dataset import example, handover, images
from lora_nb.dataset.images import ImageItem, no_pictures
from lora_nb.events import Notice
from lora_nb.forms import gallery
from lora_nb.forms.follow import sentence
from lora_nb.pictures.findings import Unread
from lora_nb.project import Folders
from lora_nb.wording import counted

DEMO = Path(__file__).parents[1] / "demo"
DEMO_TAGGER = DEMO / "tagger"
MOST_TAGS = 50


def pictures(folders: Folders) -> tuple[ImageItem, ...]:
    """The pictures of the dataset, none when there is no such folder yet."""
    return images.scan(folders.dataset, verify=False).items if folders.dataset.is_dir() else ()


def is_example(folders: Folders) -> bool:
    """Whether every picture of the dataset is one of the example that ships here."""
    return example.are_examples(item.path for item in pictures(folders))


def need_pictures(folders: Folders) -> None:
    """Raise ValueError for an empty dataset."""
    if not pictures(folders):
        raise no_pictures(str(folders.dataset))


def broken(found: Sequence[Unread]) -> str:
    """HTML of the files that could not be read, with the reasons."""
    lines = "".join(f"<li><b>{escape(one.path.name)}</b>: {escape(one.reason)}</li>" for one in found)
    return f'<b>Cannot be read</b><ul style="margin:0;line-height:1.4">{lines}</ul>'


def tags(folders: Folders) -> str:
    """HTML of the most frequent tags. Raises ValueError when no picture has a caption."""
    need_pictures(folders)
    found = pictures(folders)
    counts = caption_files.count_tags(item.caption or "" for item in found).most_common(MOST_TAGS)
    if not counts:
        raise ValueError(f"no picture in {folders.dataset} has a caption yet: write tags or sentences first")
    return gallery.tag_table(counts, len(found))


def captions(folders: Folders, most: int = gallery.MOST, lines: int = 4) -> str:
    """HTML of the pictures with their captions."""
    thumbs = [gallery.Thumb(item.path, item.caption or "(no caption)") for item in pictures(folders)]
    return gallery.thumbnails(thumbs, side=150, most=most, lines=lines)


def left_to_do(folders: Folders) -> str:
    """What the dataset still lacks before it can be trained with; "" when that is nothing."""
    found = pictures(folders)
    bare = sum(not item.caption for item in found)
    lacks = [f"captions for {bare} of {counted(len(found), 'picture')}"] * bool(bare)
    lacks += ["a trigger word"] * (not handover.read(folders).trigger_word)
    return f"Left to do: {' and '.join(lacks)}." if found and lacks else ""


def hand_over(folders: Folders) -> str:
    """HTML that sums the dataset up, after writing project.toml. Raises ValueError for an empty dataset."""
    need_pictures(folders)
    told: list[Notice] = []
    kind = medium.judge([item.path for item in pictures(folders)]).medium
    known = handover.remember(folders, told.append, medium=kind)
    lines = [
        sentence(
            f"{counted(known.images, 'picture is', 'pictures are')} ready in {folders.dataset}",
            "good",
        )
    ]
    lines += [sentence(notice.text, notice.level) for notice in told]
    if known.captioned < known.images:
        lines.append(sentence(f"{known.images - known.captioned} of them have no caption", "warning"))
    if not known.trigger_word:
        lines.append(sentence("There is no trigger word: nothing would call the LoRA by its name", "warning"))
    lines.append(
        sentence(f'Next: open LoRA Trainer and choose the project "{known.project}". {summary(known)}')
    )
    return "".join(lines)


def summary(known: Handover) -> str:
    """One sentence about a dataset that Dataset Maker made."""
    kind = {"tags": "tags", "sentences": "sentences", "": "captions"}[known.caption_kind]
    trigger = f'the trigger word "{known.trigger_word}"' if known.trigger_word else "no trigger word"
    return f"It has {counted(known.images, 'picture')}, {known.captioned} of them with {kind}, and {trigger}."
