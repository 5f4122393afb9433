"""Statuses without emoji: each is told by a word, and drawn without a font."""

import re
import typing

import pytest

from lora_nb.forms import icons
from lora_nb.forms.follow import sentence
from lora_nb.forms.run_row import BUTTONS
from lora_nb.shell.queue_file import Entry

BEYOND = re.compile("[\U00010000-\U0010ffff\u2300-\u23ff\u2600-\u27bf\u2b00-\u2bff\ufe0f]")


@pytest.mark.parametrize(("level", "word"), [("good", "OK"), ("bad", "Problem"), ("warning", "Warning")])
def test_a_level_is_said_without_emoji_and_without_colour(level, word):
    html = sentence("The disk.", level)
    assert not BEYOND.search(html)
    assert f"<title>{word}</title>" in html and f'aria-label="{word}"' in html


def test_a_sign_is_for_the_eye_alone_and_only_those_people_know_stay():
    known, own = sentence("📈 Found 4 images"), sentence("⏩ Going on with the run")
    assert '<span aria-hidden="true">📈</span> Found 4 images' in known
    assert "Found 4 images" in BEYOND.sub("", known)
    assert not BEYOND.search(own) and "Going on with the run" in own
    assert "🐱 cat.png" in sentence("🐱 cat.png is odd")


def test_every_state_of_a_run_has_a_drawing():
    states = {state for button in BUTTONS for state in (*button.queued, *button.others)}
    assert states <= icons.STATES.keys()
    assert set(typing.get_args(typing.get_type_hints(Entry)["state"])) <= icons.STATES.keys()
    assert all('aria-hidden="true"' in icons.of_state(state) for state in icons.STATES)
