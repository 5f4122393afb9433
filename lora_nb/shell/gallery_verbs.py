"""The subcommands on chosen pictures, as the gallery has them: a config in, the work done, what came of it out."""

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from lora_nb.config.overview import (
    CropConfig,
    EditCaptionConfig,
    ListConfig,
    PictureTagsConfig,
    RepeatsConfig,
    RotateConfig,
    SetAsideConfig,
)
from lora_nb.events import Finished, Poll, Tell
from lora_nb.overview import gestures
from lora_nb.overview.entries import Entry
from lora_nb.overview.gallery import Gallery
from lora_nb.overview.gestures import Done
from lora_nb.shell.given import folder_of, folders_of
from lora_nb.shell.verb import Verb
from lora_nb.wording import counted

QUARTERS = {"right": 1, "half": 2, "left": 3}


def list_pictures(config: ListConfig, tell: Tell, poll: Poll) -> Finished:
    """List pictures with their captions."""
    found = _gallery(config).select(config.filter)
    if not found:
        return Finished(
            "nothing", "No picture is meant by that." if config.filter else "There is no picture."
        )
    lines = [_line(entry) for entry in found[: config.number]]
    more = [f"... and {len(found) - config.number} more"] if len(found) > config.number else []
    return Finished("done", "\n".join([*lines, *more, f"{counted(len(found), 'picture')}."]))


def _line(entry: Entry) -> str:
    width, height = entry.size
    caption = " ".join((entry.caption or "(no caption)").split())
    found = "".join(f" [{kind}]" for kind in (*entry.found, *["set aside"] * entry.is_aside))
    return f"{entry.name}  {width}x{height}  {entry.repeats} x  {entry.tokens} tokens{found}  {caption}"


def edit_caption(config: EditCaptionConfig, tell: Tell, poll: Poll) -> Finished:
    """Write the caption of one picture."""
    if not config.name:
        raise ValueError("name is empty: give the picture, as `list` prints it")
    gallery = _gallery(config)
    (entry,) = gallery.named([config.name])
    if gallery.edit(entry.id, config.text) == entry.revision:
        return Finished("nothing", f"The caption of {entry.name} says that already.")
    return Finished("done", f"The caption of {entry.name} is written; `undo` takes it back.")


def set_aside(config: SetAsideConfig, tell: Tell, poll: Poll) -> Finished:
    """Set chosen pictures aside."""
    act = partial(gestures.set_aside, reason=config.reason or gestures.BY_HAND)
    return _done(config, act, "{} picture{s} set aside; `restore` and `undo` bring them back.")


def rotate_pictures(config: RotateConfig, tell: Tell, poll: Poll) -> Finished:
    """Turn chosen pictures."""
    act = partial(gestures.turn, quarters=QUARTERS[config.turn], tell=tell)
    return _done(config, act, "{} picture{s} turned; `undo` takes it back.")


def crop_pictures(config: CropConfig, tell: Tell, poll: Poll) -> Finished:
    """Crop chosen pictures."""
    if len(config.box) != 4:
        raise ValueError('box takes four numbers, left; top; right; bottom, e.g. --box "0; 0; 512; 512"')
    act = partial(gestures.crop, box=config.box, tell=tell)
    return _done(config, act, "{} picture{s} cropped; `undo` takes it back.")


def change_repeats(config: RepeatsConfig, tell: Tell, poll: Poll) -> Finished:
    """Let chosen pictures come more or less often."""
    act = partial(gestures.change_repeats, number=config.repeats)
    words = f"{{}} picture{{s}} with {config.repeats} repeats an epoch now; `undo` takes it back."
    return _done(config, act, words, f"They come {config.repeats} times an epoch already.")


def add_tags(config: PictureTagsConfig, tell: Tell, poll: Poll) -> Finished:
    """Add tags to chosen pictures."""
    act = partial(gestures.add_tags, tags=config.tags)
    return _done(config, act, "{} caption{s} changed; `undo` takes it back.", "They have these tags already.")


def remove_tags(config: PictureTagsConfig, tell: Tell, poll: Poll) -> Finished:
    """Remove tags from chosen pictures."""
    act = partial(gestures.remove_tags, tags=config.tags)
    return _done(config, act, "{} caption{s} changed; `undo` takes it back.", "None of them has these tags.")


def _gallery(config: Any) -> Gallery:
    folder_of(config)
    return Gallery(folders_of(config))


def _done(
    config: Any, act: Callable[[Any, Sequence[Path]], Done], words: str, nothing: str = "Nothing changed."
) -> Finished:
    """`act` on the pictures that the config chooses. Raises ValueError when it chooses none."""
    gallery = _gallery(config)
    if not config.names and not config.filter.strip():
        raise ValueError("it is not said which pictures: give names, or a filter (* means every picture)")
    chosen = gallery.named(config.names) if config.names else gallery.select(config.filter)
    inside = [entry.id for entry in chosen if not entry.is_aside]
    if not inside:
        return Finished("nothing", "No picture of the dataset is meant by that.")
    done = gallery.do(act, inside)
    return Finished("done" if done.changed else "nothing", gestures.sentence(done, words, nothing))


VERBS = {
    "list": Verb(ListConfig, list_pictures),
    "edit_caption": Verb(EditCaptionConfig, edit_caption),
    "set_aside": Verb(SetAsideConfig, set_aside),
    "rotate": Verb(RotateConfig, rotate_pictures),
    "crop": Verb(CropConfig, crop_pictures),
    "repeats": Verb(RepeatsConfig, change_repeats),
    "add_tags": Verb(PictureTagsConfig, add_tags),
    "remove_tags": Verb(PictureTagsConfig, remove_tags),
}
