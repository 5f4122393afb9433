"""What is said of runs: by curves of which is known what they are, and never by chance."""

import math
import random
import re
import statistics

import pytest

from lora_nb.events import Validated, to_line
from lora_nb.training.verdict import curves_of, difference, forgetting, read, table, verdict_of

PICTURES, LEVELS = 6, 4
SCALES = (1.6, 1.2, 0.8, 0.4)  # of the levels: their mean is 1


def checks(losses, noise=0.002, name="held_out", seed=0, key="a"):
    """A check an epoch, the first before the first step; each picture moves a little by its own."""
    chance, found = random.Random(seed), []
    for epoch, loss in enumerate(losses):
        moved = [chance.gauss(0, noise) for _ in range(PICTURES)]
        rows = tuple((loss + moved[at // LEVELS]) * SCALES[at % LEVELS] for at in range(PICTURES * LEVELS))
        found.append(Validated(epoch, 10 * epoch, name, statistics.fmean(rows), rows, LEVELS, key))
    return found


FALLING = [0.2 - 0.01 * epoch for epoch in range(9)]
LEVEL = [0.2, 0.17, 0.15, *[0.14] * 9]
TURNING = [0.2, 0.17, 0.15, 0.14, 0.142, 0.146, 0.15, 0.155]
LOST = [0.2, 0.17, 0.15, 0.14, 0.15, 0.165, 0.18, 0.19]


@pytest.mark.parametrize(
    "losses, status, epoch",
    [(FALLING, "learning", 8), (LEVEL, "level", None), (TURNING, "turning", 3), (LOST, "over-trained", 3)],
)
def test_each_curve_has_its_name(losses, status, epoch):
    for seed in range(20):
        said = verdict_of(curves_of(checks(losses, seed=seed)))
        assert said.status == status, said.sentence
        assert epoch is None or abs(said.epoch - epoch) <= 1
        assert (said.sentence.startswith({"learning": "Still learning", "level": "Level", "turning": "Turning",
            "over-trained": "Over-trained: "}[status]) and "±" in said.sentence) or status == "level"  # fmt: skip


def test_a_rate_that_is_too_high_is_over_trained_from_the_start():
    said = verdict_of(curves_of(checks([0.2, 0.21, 0.23, 0.25])))
    assert said.status == "over-trained" and said.epoch == 0 and "from the start" in said.sentence


def test_of_noise_alone_it_is_said_that_nothing_is_sure():
    """95 of 100 runs of which nothing is learnt and nothing lost: neither learning nor over-trained."""
    said = [verdict_of(curves_of(checks([0.2] * 10, seed=seed))).status for seed in range(100)]
    assert sum(each in ("turning", "over-trained") for each in said) <= 5
    assert said.count("unsure") >= 85


def test_a_probe_never_says_over_trained():
    for losses in (FALLING, LEVEL, TURNING, LOST):
        said = verdict_of(curves_of(checks(losses, name="probe")))
        assert said.status in ("learning", "level", "worse") and "Over-trained:" not in said.sentence
        assert "a probe of what is learnt" in said.sentence


def test_held_out_pictures_speak_first_and_few_checks_not_at_all():
    both = [*checks(LOST), *checks(FALLING, name="probe")]
    assert verdict_of(curves_of(both)).status == "over-trained"
    assert verdict_of(curves_of(checks([0.2, 0.1]))).status == "unsure"
    assert verdict_of({}).status == "unsure" and verdict_of({}).epoch is None


def test_the_interval_holds_the_truth_as_often_as_it_says():
    inside = 0
    for seed in range(400):
        points = curves_of(checks([0.2, 0.19], noise=0.01, seed=seed))["held_out"].points
        found = difference(*points)
        inside += abs(found.mean - math.log(0.95)) <= found.width
    assert 370 <= inside <= 390  # 95 in 100


def test_a_level_run_is_not_level_since_its_start():
    for seed in range(30):
        said = verdict_of(curves_of(checks([0.2, 0.192, *[0.19] * 12], noise=0.006, seed=seed)))
        assert said.status != "level" or "since the start" not in said.sentence


def test_one_picture_says_nothing():
    one = [Validated(n, n, "held_out", loss, (loss,) * 4, 4, "a") for n, loss in enumerate((3.0, 1.0, 2.0))]
    assert verdict_of(curves_of(one)).status == "unsure"


def test_what_is_forgotten_is_said_where_it_is_sure():
    rising = curves_of(checks([0.1, 0.11, 0.12], name="base", noise=0.001))["base"]
    assert "so much is forgotten" in forgetting(rising) and re.search(r"rose by 2\d % ± ", forgetting(rising))
    assert "nothing measurable" in forgetting(curves_of(checks([0.1] * 3, name="base"))["base"])
    assert forgetting(None) == ""
    doubled = curves_of(checks([0.1, 0.15, 0.25], name="base", noise=0.001))["base"]
    assert re.search(r"rose by 15\d % ± \d", forgetting(doubled))
    said = verdict_of(curves_of([*checks(LOST), *checks([0.1, 0.12], name="base")])).sentence
    assert "Over-trained" in said and "forgotten" in said


def test_a_step_seen_again_counts_once_and_other_pictures_begin_anew(tmp_path):
    path = tmp_path / "metrics.jsonl"
    events = [*checks(FALLING), *checks(FALLING)[4:]]
    path.write_text("".join(to_line(event) + "\n" for event in events))
    assert len(read(path)["held_out"].points) == 9
    assert len(table(read(path))) == 9
    others = [*events, *checks([0.3, 0.4], key="b")]
    assert [point.loss for point in curves_of(others)["held_out"].points] == pytest.approx(
        [0.3, 0.4], abs=0.02
    )
    assert read(tmp_path / "none.jsonl") == {}


def test_the_epoch_it_names_is_the_one_whose_drawn_loss_is_lowest():
    """Though at high noise levels, whose losses are a tenth of the others', a later check is far lower."""
    apart = {0: (0.3, 0.02), 1: (0.2, 0.012), 2: (0.15, 0.011), 3: (0.18, 0.005), 4: (0.19, 0.004)}
    events = [
        Validated(epoch, epoch, "held_out", sum(pair) / 2, pair * PICTURES, 2, "a")
        for epoch, pair in apart.items()
    ]
    said = verdict_of(curves_of(events))
    assert said.epoch == 2 and "epoch 2" in said.sentence
