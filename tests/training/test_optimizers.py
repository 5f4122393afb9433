"""The optimizer and its schedule."""

import importlib
import io
import math

import pytest
import torch
from diffusers.optimization import get_scheduler
from transformers.optimization import get_scheduler as get_scheduler_of_transformers

from lora_nb import settings
from lora_nb.config import optimizers as table
from lora_nb.config.learning import Learning
from lora_nb.settings import from_dict
from lora_nb.training.optimizers import in_words, make_optimizer, make_scheduler, try_out, warmup_steps

OF_BITSANDBYTES = {name for name, row in table.OPTIMIZERS.items() if row.module.startswith("bitsandbytes")}
SHAPES = ((64, 80), (4, 8, 1, 1), (8, 3, 3, 3), (6,))


def groups(rate: float = 1e-3) -> list[dict]:
    weight = torch.nn.Parameter(torch.ones(2))
    return [{"name": "unet", "lr": rate, "params": [weight]}]


def weights() -> list[torch.nn.Parameter]:
    """One large enough for 8 bits (4,096 numbers), and smaller ones."""
    generator = torch.Generator().manual_seed(0)
    return [torch.nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def learn(optimizer, params, steps, pull=1.0) -> None:
    """Steps towards `pull`, with noise that depends on the step's number alone."""
    for step in steps:
        generator = torch.Generator().manual_seed(step)
        for param in params:
            noise = torch.randn(param.shape, generator=generator)
            param.grad = 2 * (param.detach() - pull) + 0.1 * noise
        optimizer.step()
        optimizer.zero_grad()


def learning(name: str, **said) -> Learning:
    if name in OF_BITSANDBYTES:
        pytest.importorskip("bitsandbytes", reason="bitsandbytes is an extra")
    rates = {"learning_rate": 1e-2, "text_encoder_lr": 1e-2, "lr_scheduler": "constant"}
    return from_dict(Learning, {"optimizer": name, **rates, **said})


def two_groups(params, rate: float = 1e-2) -> list[dict]:
    return [
        {"name": "unet", "lr": rate, "params": params[:2]},
        {"name": "text", "lr": rate, "params": params[2:]},
    ]


def distance(params) -> float:
    """From where they are pulled to."""
    return sum(float((param.detach() - 1).square().sum()) for param in params)


@pytest.mark.parametrize(("warmup", "steps"), [(0.05, 10), (0.0, 0), (25.0, 25)])
def test_warmup_is_a_share_or_a_number(warmup, steps):
    assert warmup_steps(Learning(lr_warmup_steps=warmup), 200) == steps


def test_each_group_keeps_its_rate_and_the_file_names_the_class():
    config = Learning(weight_decay=0.1)
    made = make_optimizer(config, groups())
    assert type(made) is torch.optim.AdamW
    assert (made.param_groups[0]["lr"], made.param_groups[0]["weight_decay"]) == (1e-3, 0.1)
    assert in_words(config) == "torch.optim.adamw.AdamW(weight_decay=0.1)"


def test_a_missing_library_is_one_sentence(monkeypatch):
    row = table.OptimizerClass("no_such_library", "Lion", "x.Lion", "needs no_such_library")
    monkeypatch.setitem(table.OPTIMIZERS, "Lion", row)
    with pytest.raises(ValueError, match='^optimizer = "Lion" needs no_such_library$'):
        make_optimizer(Learning(optimizer="Lion"), groups())


@pytest.mark.filterwarnings("ignore:Paged optimizers")
@pytest.mark.parametrize("name", list(table.OPTIMIZERS))
def test_each_optimizer_learns_with_its_own_class_and_goes_on_exactly(name):
    """Its state passes through a file; the rest of the steps then have the same bits."""
    row, params = table.OPTIMIZERS[name], weights()
    rate, half = (1.0, 30) if row.adapts else (1e-2, 4)
    config = learning(name, learning_rate=rate, text_encoder_lr=rate)
    whole = make_optimizer(config, two_groups(params, rate))
    assert f"{type(whole).__module__}.{type(whole).__name__}" == row.in_file
    before = distance(params)
    learn(whole, params, range(half))
    file = io.BytesIO()
    torch.save(whole.state_dict(), file)
    file.seek(0)
    copies = [torch.nn.Parameter(param.detach().clone()) for param in params]
    taken_up = make_optimizer(config, two_groups(copies, rate))
    taken_up.load_state_dict(torch.load(file, weights_only=True))
    learn(whole, params, range(half, half + 8))
    learn(taken_up, copies, range(half, half + 8))
    assert all(torch.equal(one, other) for one, other in zip(params, copies, strict=True))
    assert distance(params) < before


def test_the_state_of_8_bits_is_in_8_bits():
    config, params = learning("AdamW8bit"), weights()
    made = make_optimizer(config, two_groups(params))
    learn(made, params, range(1))
    assert made.state[params[0]]["state1"].dtype is torch.uint8
    assert made.state[params[1]]["state1"].dtype is torch.float32, "bitsandbytes keeps small ones whole"


@pytest.mark.parametrize(
    ("spelt", "name"),
    [
        ("adamw8BIT", "AdamW8bit"),
        ("AdaFactor", "Adafactor"),
        ("DAdaptation", "DAdaptAdam"),
        ("dadaptadam", "DAdaptAdam"),
        ("prodigy", "Prodigy"),
        ("AdamWScheduleFree", "AdamWScheduleFree"),
        ("ScheduleFreeAdamW", "AdamWScheduleFree"),
        ("came", "CAME"),
        ("sgdnesterov", "SGDNesterov"),
        ("pagedadamw8bit", "PagedAdamW8bit"),
    ],
)
def test_every_spelling_of_a_name_is_understood(spelt, name):
    assert learning(spelt).optimizer == name


# What sd-scripts takes as optimizer_type and is not here under any name, and why.
NOT_HERE = {
    "DAdaptAdanIP": "pytorch_optimizer has not",
    "SGDNesterov8bit": "bitsandbytes' SGD8bit passes over nesterov",
}


def test_the_names_of_sd_scripts_are_known():
    names = [
        "AdamW",
        "AdamW8bit",
        "PagedAdamW",
        "PagedAdamW8bit",
        "PagedAdamW32bit",
        "Lion",
        "Lion8bit",
        "PagedLion8bit",
        "SGDNesterov",
        "DAdaptation",
        "DAdaptAdamPreprint",
        "DAdaptAdaGrad",
        "DAdaptAdam",
        "DAdaptAdan",
        "DAdaptLion",
        "DAdaptSGD",
        "Prodigy",
        "AdaFactor",
        "RAdamScheduleFree",
        "AdamWScheduleFree",
        "SGDScheduleFree",
    ]
    for name in names:
        assert learning(name).optimizer in table.OPTIMIZERS
    for name in ("DAdaptAdanIP", "SGDNesterov8bit"):
        assert NOT_HERE[name]
        with pytest.raises(ValueError, match="optimizer = .* is not usable: it must be one of AdamW, "):
            learning(name)


def test_nesterov_is_momentum_looking_ahead():
    made = make_optimizer(learning("SGDNesterov"), groups())
    assert (made.defaults["momentum"], made.defaults["nesterov"]) == (0.9, True)
    assert (
        in_words(learning("SGDNesterov"))
        == "torch.optim.sgd.SGD(weight_decay=0.01,momentum=0.9,nesterov=True)"
    )


# optimizer_args


def test_arguments_reach_the_class_and_the_file():
    config = learning("AdamW", optimizer_args=["betas=0.9,0.99", "weight_decay=0.1"])
    made = make_optimizer(config, groups())
    assert (made.defaults["betas"], made.defaults["weight_decay"]) == ((0.9, 0.99), 0.1)
    assert in_words(config) == "torch.optim.adamw.AdamW(weight_decay=0.1,betas=(0.9, 0.99))"
    try_out(config, 10)


def test_prodigys_arguments_are_understood_as_its_own_package_calls_them():
    texts = ["decouple=True", "d_coef=2", "use_bias_correction=True", "safeguard_warmup=True"]
    config = learning("Prodigy", optimizer_args=texts)
    try_out(config, 10)
    defaults = make_optimizer(config, groups()).defaults
    found = [defaults[name] for name in ("weight_decouple", "d_coef", "bias_correction", "safeguard_warmup")]
    assert found == [True, 2, True, True]


@pytest.mark.parametrize(
    ("name", "said", "says"),
    [
        ("AdamW", {"optimizer_args": ["beta=0.9,0.99"]}, 'AdamW has no beta; did you mean "betas"'),
        ("AdamW", {"optimizer_args": ["betas=0.9"]}, "must be 2 numbers"),
        ("AdamW", {"optimizer_args": ["lr=1"]}, "lr is the setting learning_rate"),
        ("AdamW", {"optimizer_args": ["betas=2,3"]}, "AdamW does not take these: .*beta"),
        ("CAME", {"optimizer_args": ["betas=2,3,4"]}, "CAME does not take these: .*beta"),
        (
            "AdamW",
            {"optimizer_args": ["weight_decay=0.1"], "weight_decay": 0.2},
            "weight_decay = 0.2, and 0.1 in optimizer_args: give it once",
        ),
        (
            "Adafactor",
            {"optimizer_args": ["relative_step=True"]},
            "relative_step = True with lr_scheduler = constant: .* lr_scheduler = adafactor",
        ),
        ("AdamW", {"lr_scheduler_args": ["power=2"]}, "get_constant_schedule has no power"),
        (
            "AdamW",
            {"lr_scheduler": "polynomial", "lr_scheduler_args": ["power=2"]},
            "power is the setting lr_scheduler_power",
        ),
        ("AdamW", {"lr_scheduler": "piecewise_constant"}, "piecewise_constant needs step_rules"),
        (
            "AdamW",
            {"lr_scheduler": "piecewise_constant", "lr_scheduler_args": ["step_rules=fast"]},
            "does not take these",
        ),
        (
            "AdamW",
            {"lr_scheduler": "warmup_stable_decay", "lr_warmup_steps": 60.0, "lr_decay_steps": 60.0},
            r"lr_warmup_steps \(60 steps\) and lr_decay_steps \(60\) are more than the 100 steps",
        ),
    ],
)
def test_what_a_library_does_not_take_is_one_sentence_before_anything_is_loaded(name, said, says):
    config = learning(name, **said)
    with pytest.raises(ValueError, match=says) as wrong:
        try_out(config, 100)
    assert "\n" not in str(wrong.value)


# one rate for all


@pytest.mark.parametrize("name", [name for name, row in table.OPTIMIZERS.items() if row.adapts])
def test_an_optimizer_that_finds_its_rate_has_one_for_all(name):
    with pytest.raises(ValueError, match=f"optimizer = {name} finds one rate for all .*set both to 1"):
        learning(name, learning_rate=1.0, text_encoder_lr=0.5)
    assert learning(name, learning_rate=1.0, text_encoder_lr=0.0).advice(10) == []
    (advice,) = learning(name, learning_rate=5e-4, text_encoder_lr=5e-4).advice(10)
    assert "1 is usual, with 0.0005 next to nothing is learnt" in advice
    parts = [
        {"name": f"unet/{n}", "lr": n, "params": [torch.nn.Parameter(torch.ones(2))]} for n in (1.0, 16.0)
    ]
    with pytest.raises(ValueError, match="unet/1.0 1, unet/16.0 16"):
        make_optimizer(learning(name, learning_rate=1.0, text_encoder_lr=1.0), parts)


def test_prodigys_d_is_that_of_its_paper():
    """Algorithm 4 of Mishchenko, Defazio (2023), with d0 = 1e-6, on a vector."""
    config = learning("Prodigy", learning_rate=1.0, text_encoder_lr=1.0, weight_decay=0.0)
    x = torch.nn.Parameter(torch.tensor([3.0, -2.0]))
    made = make_optimizer(config, [{"name": "unet", "lr": 1.0, "params": [x]}])
    beta1, beta2, d, r, eps = 0.9, 0.999, 1e-6, 0.0, 1e-8
    x0 = y = torch.tensor([3.0, -2.0])
    m = v = s = torch.zeros(2)
    for step in range(30):
        g = torch.tensor([1.0, -0.5]) * (1 + 0.1 * step)
        m = beta1 * m + (1 - beta1) * d * g
        v = beta2 * v + (1 - beta2) * d**2 * g**2
        r = math.sqrt(beta2) * r + (1 - math.sqrt(beta2)) * d**2 * float(g @ (x0 - y))
        s = math.sqrt(beta2) * s + (1 - math.sqrt(beta2)) * d**2 * g
        d_next = max(d, r / float(s.abs().sum()))
        x.grad = g.clone()
        y = y - d * m / (v.sqrt() + d_next * eps)
        made.step()
        d = d_next
        assert made.param_groups[0]["d"] == pytest.approx(d, rel=1e-3)
    assert d > 1e-5 and torch.allclose(x, y, rtol=1e-3)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"lr_scheduler": "adafactor"}, "lr_scheduler = adafactor is the optimizer Adafactor's own"),
        ({"lr_scheduler": "cosine_with_min_lr"}, "give lr_scheduler_min_lr_ratio, e.g. 0.1"),
        ({"lr_decay_steps": 1.5}, "lr_decay_steps = 1.5 is neither"),
        ({"stop_text_encoder_training": 2.5}, "stop_text_encoder_training = 2.5 is neither"),
        ({"stop_text_encoder_training": 5.0, "text_encoder_lr": 0.0}, "is not trained at all"),
        (
            {"optimizer": "SGDScheduleFree", "ema_decay": 0.9},
            "averages the weights itself; set ema_decay = 0",
        ),
        ({"learning_rate": 0.0, "text_encoder_lr": 0.0}, "nothing would be trained"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(said, says):
    with pytest.raises(ValueError, match=says):
        settings.make(Learning, **said)


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"optimizer": "Lion"}, "Lion: its steps are as long as the rate says"),
        ({"optimizer": "SGDNesterov"}, "far higher learning rates are usual"),
        ({"optimizer": "AdamWScheduleFree"}, "lr_scheduler = constant is usual"),
        ({"optimizer": "Adafactor", "lr_scheduler": "adafactor"}, "say what is trained"),
        (
            {"stop_text_encoder_training": 50.0},
            "has no effect: step 50 is not before the end of the run, which has 50",
        ),
    ],
)
def test_what_is_unusual_is_told(said, says):
    (advice,) = Learning(**said).advice(50)
    assert says in advice
    assert Learning().advice(50) == Learning(optimizer="Lion", learning_rate=1e-4).advice(50) == []


# schedules


def test_the_rate_rises_for_the_warmup_and_ends_at_nothing():
    config = Learning(lr_scheduler="linear", lr_warmup_steps=0.5)
    optimizer = make_optimizer(config, groups())
    scheduler, rates = make_scheduler(config, 4, optimizer), []
    for _ in range(4):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step()
    assert rates == [0.0, 5e-4, 1e-3, 5e-4]
    assert optimizer.param_groups[0]["lr"] == 0


def rates_of(optimizer, schedule, steps: int = 12) -> list[float]:
    found = []
    for _ in range(steps):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return found


RULES = {"lr_scheduler_args": ("step_rules=1:4,0.5:7,0.1",)}
OF_DIFFUSERS = [
    name for name, row in table.SCHEDULES.items() if row.module == table.DIFFUSERS and name != table.RELATIVE
]


@pytest.mark.parametrize("name", OF_DIFFUSERS)
def test_each_schedule_is_the_one_diffusers_knows_by_its_name(name):
    more = RULES if name == "piecewise_constant" else {}
    config = Learning(
        lr_scheduler=name, lr_warmup_steps=2.0, lr_scheduler_num_cycles=2, lr_scheduler_power=0.5, **more
    )
    ours, theirs = (make_optimizer(config, groups()) for _ in range(2))
    said = {"num_warmup_steps": 2, "num_training_steps": 9, "num_cycles": 2, "power": 0.5}
    schedule = get_scheduler(name, theirs, step_rules="1:4,0.5:7,0.1", **said)
    assert rates_of(ours, make_scheduler(config, 9, ours), 9) == rates_of(theirs, schedule, 9)


@pytest.mark.parametrize(
    ("name", "ours", "theirs"),
    [
        ("inverse_sqrt", {}, {}),
        ("inverse_sqrt", {"lr_scheduler_timescale": 5}, {"timescale": 5}),
        ("cosine_with_min_lr", {"lr_scheduler_min_lr_ratio": 0.1}, {"min_lr_rate": 0.1}),
        (
            "cosine_with_min_lr",
            {"lr_scheduler_min_lr_ratio": 0.1, "lr_scheduler_args": ("num_cycles=1.5",)},
            {"min_lr_rate": 0.1, "num_cycles": 1.5},
        ),
        ("warmup_stable_decay", {"lr_decay_steps": 0.5}, {"num_decay_steps": 5}),
        (
            "warmup_stable_decay",
            {
                "lr_decay_steps": 4.0,
                "lr_scheduler_min_lr_ratio": 0.2,
                "lr_scheduler_args": ("decay_type=linear",),
            },
            {"num_decay_steps": 4, "min_lr_ratio": 0.2, "decay_type": "linear"},
        ),
    ],
    ids=str,
)
def test_each_schedule_is_the_one_transformers_knows_by_its_name(name, ours, theirs):
    config = Learning(lr_scheduler=name, lr_warmup_steps=2.0, **ours)
    mine, other = (make_optimizer(config, groups()) for _ in range(2))
    schedule = get_scheduler_of_transformers(
        name, other, num_warmup_steps=2, num_training_steps=10, scheduler_specific_kwargs=theirs
    )
    found = rates_of(mine, make_scheduler(config, 10, mine))
    assert found == rates_of(other, schedule) and len(set(found)) > 3


def test_the_end_of_each_schedule_is_the_share_that_was_asked_for():
    for name in ("cosine_with_min_lr", "warmup_stable_decay", "rex"):
        config = Learning(lr_scheduler=name, lr_scheduler_min_lr_ratio=0.25)
        optimizer = make_optimizer(config, groups())
        assert rates_of(optimizer, make_scheduler(config, 11, optimizer))[11] == pytest.approx(0.25e-3), name


@pytest.mark.parametrize("name", [name for name in table.SCHEDULES if name != table.RELATIVE])
def test_each_schedule_goes_on_exactly(name):
    more = RULES if name == "piecewise_constant" else {"lr_scheduler_min_lr_ratio": 0.1}
    config = Learning(lr_scheduler=name, lr_warmup_steps=2.0, **more)
    whole, other = (make_optimizer(config, groups()) for _ in range(2))
    schedule, taken_up = (make_scheduler(config, 12, optimizer) for optimizer in (whole, other))
    rates_of(whole, schedule, 5)
    other.load_state_dict(whole.state_dict())
    taken_up.load_state_dict(schedule.state_dict())
    assert rates_of(whole, schedule, 7) == rates_of(other, taken_up, 7)


@pytest.mark.parametrize(
    "said",
    [
        {"lr_scheduler": "inverse_sqrt", "lr_scheduler_timescale": 3},
        {"lr_scheduler": "warmup_stable_decay", "lr_decay_steps": 0.5},
        {"lr_scheduler": "rex", "lr_scheduler_min_lr_ratio": 0.5},
        {"lr_scheduler": "rex", "lr_scheduler_args": ("d=0.9",)},
        {"lr_scheduler": "polynomial", "lr_scheduler_power": 3.0},
        {"lr_scheduler": "cosine_with_restarts", "lr_scheduler_num_cycles": 1},
        {"lr_scheduler": "cosine", "lr_warmup_steps": 0.4},
    ],
    ids=str,
)
def test_no_setting_of_a_schedule_is_in_vain(said):
    other, plain = Learning(**said), Learning(lr_scheduler=said["lr_scheduler"])
    found = []
    for config in (other, plain):
        optimizer = make_optimizer(config, groups())
        found.append(rates_of(optimizer, make_scheduler(config, 12, optimizer)))
    assert found[0] != found[1]
    assert settings.without_effect(other) == []


def test_a_setting_of_another_schedule_is_told():
    config = Learning(lr_scheduler_timescale=3, lr_decay_steps=0.4, lr_scheduler_min_lr_ratio=0.1)
    assert [text.split(" has no effect with")[0] for text in settings.without_effect(config)] == [
        "lr_decay_steps",
        "lr_scheduler_min_lr_ratio",
        "lr_scheduler_timescale",
    ]


def test_adafactor_finds_its_own_rate_where_the_schedule_says_so():
    """Shazeer, Stern (2018): min(1e-2, 1 / sqrt(t)) times the weights' own size; the learning rate counts for nothing."""
    found = []
    for rate in (1e-3, 1e-1):
        config = learning("Adafactor", lr_scheduler="adafactor", learning_rate=rate, text_encoder_lr=rate)
        try_out(config, 10)
        params = weights()
        made = make_optimizer(config, two_groups(params))
        schedule = make_scheduler(config, 10, made)
        learn(made, params, range(3))
        schedule.step()
        found.append(params[0].detach())
        assert made.defaults["lr"] is None and made.defaults["scale_parameter"] is True
    assert torch.equal(*found)
    config = learning("Adafactor", learning_rate=1e-3)
    assert [
        make_optimizer(config, groups()).defaults[name] for name in ("relative_step", "scale_parameter")
    ] == [False, False]


def test_a_guest_schedule_is_a_row(monkeypatch):
    row = table.ScheduleFunction("transformers.optimization", "get_inverse_sqrt_schedule", (table.WARMUP,))
    monkeypatch.setitem(table.SCHEDULES, "guest", row)
    config = from_dict(Learning, {"lr_scheduler": "guest", "lr_warmup_steps": 1.0})
    optimizer = make_optimizer(config, groups())
    make_scheduler(config, 4, optimizer)
    assert optimizer.param_groups[0]["lr"] == 0.0


def test_every_row_leads_to_a_class_or_a_function():
    for name, row in {**table.OPTIMIZERS, **table.SCHEDULES}.items():
        if name not in OF_BITSANDBYTES:
            assert callable(getattr(importlib.import_module(row.module), row.name)), name
