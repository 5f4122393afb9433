"""What a gallery's page asks, answered: one message in, messages with their bytes out.

A message is {op, seq, ...}; its answers are {re: seq, ok: true, ...}, or {re: seq, ok: false, say: a sentence}. The
page names pictures by their ids alone, never by paths.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from lora_nb.overview import gestures
from lora_nb.overview.entries import Entry
from lora_nb.overview.gallery import Gallery
from lora_nb.overview.gestures import ConflictError, Done
from lora_nb.wording import first_line

PROTOCOL = 1
BATCH, MOST_ASKED = 16, 32  # pictures in an answer, and in a question
JUST_READ = 2.0  # seconds: a page that is new need not wait for another look at the folders
Answer = tuple[dict[str, Any], list[bytes]]
WORDS = {
    "set_aside": ("{} picture{s} set aside.", "No picture was set aside."),
    "bring_back": ("{} picture{s} {are} back in the dataset.", "No picture was brought back."),
    "rotate": ("{} picture{s} turned.", "No picture was turned."),
    "crop": ("{} picture{s} cropped.", "No picture was cropped."),
    "add_tags": ("The tag was added to {} caption{s}.", "Every one of these captions has it already."),
    "remove_tags": ("The tag was taken out of {} caption{s}.", "None of these captions has it."),
    "repeats": ("{} picture{s} {have} other repeats now.", "They have these repeats already."),
}


class Answers:
    """Answers a page about one gallery, one question at a time, whichever thread asks."""

    def __init__(self, gallery: Gallery) -> None:
        self.gallery = gallery
        self.lock = threading.RLock()
        self.known: dict[str, Callable[[Mapping[str, Any]], Iterator[Answer]]] = {
            "hello": self._hello, "list": self._list, "view": self._view, "thumbs": self._thumbs,
            "tokens": self._tokens, "large": self._large, "edit": self._edit, "batch": self._batch, "undo": self._undo,
        }  # fmt: skip

    def to(self, message: Any) -> Iterator[Answer]:
        """The answers to a message; what is no question of a page gets none."""
        answer_to = self.known.get(str(message.get("op"))) if isinstance(message, dict) else None
        if answer_to is None:
            return
        base = {"re": message.get("seq"), "ok": True}
        try:
            with self.lock:
                for answer, parts in answer_to(message):
                    yield {**base, **answer}, parts
        except ConflictError as error:
            conflict = {"text": error.text, "revision": error.revision}
            yield {**base, "ok": False, "say": str(error), "conflict": conflict}, []
        except (ValueError, OSError) as error:
            yield {**base, "ok": False, "say": first_line(error)}, []
        except (KeyError, TypeError) as error:  # a page of another version, or a picture that is gone
            yield {**base, "ok": False, "say": f"The gallery did not understand that ({error!r})."}, []

    def _hello(self, message: Mapping[str, Any]) -> Iterator[Answer]:
        name = self.gallery.folders.base.name
        yield {"protocol": PROTOCOL, "epoch": self.gallery.epoch, "project": name}, []

    def _list(self, message: Mapping[str, Any]) -> Iterator[Answer]:
        """The rows that changed since a revision, after a look at the folders: one JSON in bytes."""
        since = message.get("since", 0)
        self.gallery.refresh(unless_within=0 if since else JUST_READ)
        yield self._rows(since)

    def _rows(self, since: int) -> Answer:
        came, gone = self.gallery.since(since)
        rows = {"rows": [row_of(entry) for entry in came], "gone": gone}
        return {"revision": self.gallery.revision, "epoch": self.gallery.epoch}, [_json(rows)]

    def _view(self, message: Mapping[str, Any]) -> Iterator[Answer]:
        yield {"revision": self.gallery.revision}, [_json(asdict(self.gallery.view(str(message["filter"]))))]

    def _thumbs(self, message: Mapping[str, Any]) -> Iterator[Answer]:
        """Small copies with the sizes of the pictures, in batches; a failure is a reason in the picture's place."""
        wanted = list(message["ids"])[:MOST_ASKED]
        for at in range(0, len(wanted), BATCH):
            items = [self._thumb(number) for number in wanted[at : at + BATCH]]
            answer = {"items": [item for item, _ in items], "last": at + BATCH >= len(wanted)}
            yield answer, [content for _, content in items]

    def _thumb(self, number: int) -> tuple[dict[str, Any], bytes]:
        entry = self.gallery.entries.get(number)
        if entry is None:
            return {"id": number, "why": "is not there any more"}, b""
        item = {"id": number, "stamp": _stamp(entry), "size": entry.size}
        try:
            return item, self.gallery.small(number)
        except (ValueError, OSError) as error:
            return {**item, "why": first_line(error).removeprefix(f"{entry.path}: ")}, b""

    def _tokens(self, message: Mapping[str, Any]) -> Iterator[Answer]:
        """How many tokens captions have: asked apart, as what counts them takes a moment to be made."""
        known = [number for number in message["ids"] if number in self.gallery.entries]
        yield {"items": [[number, self.gallery.entries[number].tokens] for number in known[:MOST_ASKED]]}, []

    def _large(self, message: Mapping[str, Any]) -> Iterator[Answer]:
        entry = self.gallery.entries[message["id"]]
        yield {"id": entry.id, "size": entry.size}, [self.gallery.large(entry.id)]

    def _edit(self, message: Mapping[str, Any]) -> Iterator[Answer]:
        since, goes_on = message.get("since", 0), bool(message.get("goes_on"))
        base = message.get("base")
        revision = self.gallery.edit(message["id"], str(message["text"]), base, goes_on)
        answer, parts = self._rows(since)
        yield {**answer, "id": message["id"], "base": revision}, parts

    def _batch(self, message: Mapping[str, Any]) -> Iterator[Answer]:
        name, numbers = message["action"], [int(number) for number in message["ids"]]
        if name == "bring_back":
            done = self.gallery.bring_back(numbers)
        else:
            done = self.gallery.do(self._action(name, message), numbers)
        yield self._after(message, gestures.sentence(done, *WORDS[name]))

    def _action(self, name: str, message: Mapping[str, Any]) -> Callable[[Any, Sequence[Path]], Done]:
        if name == "set_aside":
            return partial(gestures.set_aside, reason=str(message.get("reason") or gestures.BY_HAND))
        if name == "rotate":
            return partial(gestures.turn, quarters=int(message["quarters"]))
        if name == "crop":
            left, top, right, bottom = (round(float(edge)) for edge in message["box"])
            return partial(gestures.crop, box=(left, top, right, bottom))
        if name in ("add_tags", "remove_tags"):
            return partial(getattr(gestures, name), tags=[str(message["tag"])])
        return partial(gestures.change_repeats, number=int(message["number"]))

    def _undo(self, message: Mapping[str, Any]) -> Iterator[Answer]:
        undone = self.gallery.undo()
        if undone is None:
            yield self._after(message, "There is nothing to undo.")
            return
        left = f" {len(undone.left)} were changed since and stay as they are." if undone.left else ""
        yield self._after(message, f"All is as it was before `{undone.verb}`.{left}")

    def _after(self, message: Mapping[str, Any], said: str) -> Answer:
        answer, parts = self._rows(message.get("since", 0))
        return {**answer, "say": said}, parts


def row_of(entry: Entry) -> list[Any]:
    """A picture as the page keeps it."""
    return [
        entry.id, entry.name, entry.folder, entry.repeats, entry.caption, entry.revision, list(entry.found),
        entry.is_aside, entry.reason, _stamp(entry),
    ]  # fmt: skip


def _stamp(entry: Entry) -> str:
    """What tells the page that a small copy is of an earlier picture."""
    return f"{entry.stamp[0]:x}-{entry.stamp[1]:x}"


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")
