import pytest

from lora_nb.config.training import TrainConfig
from lora_nb.settings import make, replace
from lora_nb.training.checks import DRAWING, LEVELS, OF_A_STEP, SHARE, Checks, checks_of, sentences
from lora_nb.training.plan import plan_run


@pytest.fixture
def config(tiny_base, make_pictures, dataset):
    make_pictures(dataset, 8)
    return make(TrainConfig,
        pretrained_model_name_or_path=str(tiny_base), train_data_dir=str(dataset), num_repeats=20, max_train_epochs=10,
    )  # fmt: skip


@pytest.mark.parametrize("repeats, epochs", [(20, 10), (5, 10), (100, 2), (3, 40), (200, 40)])
def test_by_itself_a_run_is_checked_as_often_as_takes_a_twentieth_of_its_time(config, repeats, epochs):
    plan = plan_run(replace(config, num_repeats=repeats, max_train_epochs=epochs))
    checks = checks_of(plan)
    trained = OF_A_STEP * 8 * repeats * epochs
    times = 1 + sum(checks.due(1, epoch, True, 0, 0) for epoch in range(1, epochs + 1)) if checks else 0
    looked = times * LEVELS * (checks.pictures + checks.of_base) + DRAWING * checks.of_base
    assert looked <= SHARE * trained
    assert bool(checks) == (SHARE * trained >= 4 * LEVELS * 6) == bool(sentences(plan, checks))


def test_what_costs_most_goes_first(config):
    found = [checks_of(plan_run(replace(config, num_repeats=repeats))) for repeats in (1, 10, 100)]
    assert not found[0] and found[1] == Checks(3, 0, 6, 0) and found[2] == Checks(1, 0, 6, 4)


def test_what_is_asked_for_is_done_whatever_it_costs(config):
    short = replace(config, num_repeats=1, max_train_epochs=3)
    assert not checks_of(plan_run(short))
    assert checks_of(plan_run(replace(short, max_validation_steps=2))) == Checks(1, 0, 2, 4)
    asked = replace(short, validate_every_n_epochs=2, validate_every_n_steps=5, validation_base_pictures=1)
    assert checks_of(plan_run(asked)) == Checks(2, 5, 6, 1)
    assert not checks_of(plan_run(replace(config, validate_every_n_epochs=0)))
    assert checks_of(plan_run(replace(config, validate_every_n_epochs=0, validate_every_n_steps=7)))


def test_what_has_no_effect_is_refused(config):
    with pytest.raises(ValueError, match="validation_split has no effect with validate_every_n_epochs = 0"):
        replace(config, validate_every_n_epochs=0, validation_split=0.2)


def test_when_a_check_is_due():
    checks = Checks(2, 5, 1)
    due = [step for step in range(13) if checks.due(step, -(-step // 3), step % 3 == 0, 0, 11)]
    assert due == [0, 5, 6, 10, 11, 12]
    assert not Checks().due(0, 0, True, 0, 0)


def test_the_sentence_says_what_is_looked_at(config):
    plan = plan_run(replace(config, validate_every_n_epochs=1))
    assert any("a probe" in line and "4 that the base draws" in line for line in plan.lines)
