import json
import math

import pytest

from lora_nb.events import (
    KINDS,
    Drawn,
    EpochLog,
    Finished,
    Notice,
    Progress,
    Saved,
    Spent,
    StepLog,
    Validated,
    from_line,
    read_lines,
    silent,
    to_line,
)

EVENTS = [
    Progress("Tagging", 3, 20),
    Progress("Downloading a/b", 3_000_000, 20_000_000, "B"),
    Notice("Grüße 📈\nzwei Zeilen", "warning"),
    StepLog(3, 100, 1, 0.12, 0.13, 5e-4, 1e-4, 2.5, math.inf),
    StepLog(3, 100, 1, 0.12, 0.13, 5e-4, 1e-4, 2.5, 9.0, 0.2, 0.21),
    EpochLog(1, 60, 0.11),
    EpochLog(1, 60, 0.11, 0.2),
    Validated(1, 60, "held_out", 0.2, (0.1, 0.3), 2, "ab"),
    Spent(1, 60, {"step": 1.5, "data": 0.1}, 1e9),
    Saved("output/cat-01.safetensors", 1, 60),
    Drawn(("a.png", "b.png"), 1, 60, "grid"),
    Finished("done", "Done.", ("a", "b")),
]


@pytest.mark.parametrize("event", EVENTS, ids=lambda event: type(event).__name__)
def test_an_event_passes_through_one_line(event):
    line = to_line(event)
    assert "\n" not in line
    assert from_line(line) == event


def test_every_kind_is_tried():
    assert {type(event) for event in EVENTS} == set(KINDS.values())


def test_a_line_says_its_kind():
    assert json.loads(to_line(Notice("x")))["event"] == "Notice"


NOTICE = '{"event": "Notice", "text": "x", "level": "info"}'


@pytest.mark.parametrize(
    "line",
    [
        "", "no json", '{"event": "Party"}', "{}", "7", "null", '["event"]', '{"event": ["Notice"]}', NOTICE[:-9],
        '{"event": "Notice"}', '{"event": "Notice", "text": 7}', '{"event": "Notice", "text": "x", "y": 1}',
        '{"event": "Progress", "stage": "x", "done": "1", "total": 2}', '{"event": "Drawn", "paths": [1], "epoch": 1, "step": 1}',
        '{"event": "EpochLog", "epoch": 1, "step": true, "loss": 0.1}', "[" * 100_000, "\x00" * 9, NOTICE.replace("x", "\x00"),
    ],
)  # fmt: skip
def test_another_line_is_refused(line):
    with pytest.raises(ValueError):
        from_line(line)


def test_damaged_lines_are_passed_over_and_the_rest_is_read():
    line = to_line(Notice("Grüße")).encode()
    damaged = [
        line[:20],
        b"7",
        b"\xff\xfe{",
        b"\x00" * 50,
        line[:5] + b"\xff" + line[5:],
        b"[" * 100_000,
        b"",
        b"\r",
    ]
    found = read_lines(b"\n".join([line, *damaged, line + b"\r", line]))
    assert found == [Notice("Grüße")] * 3


def test_the_default_listener_does_nothing():
    assert silent(Notice("x")) is None


def test_a_log_of_the_version_before_is_read():
    line = '{"event": "StepLog", "step": 1, "total_steps": 9, "epoch": 1, "loss": 0.1, "loss_average": 0.1, "lr_unet": 0.0, "lr_text_encoder": 0.0, "steps_per_second": 1.0, "eta_seconds": 8.0}'
    assert from_line(line).plain is None is from_line(line).plain_average
    assert from_line('{"event": "EpochLog", "epoch": 1, "step": 9, "loss": 0.1}') == EpochLog(1, 9, 0.1)
