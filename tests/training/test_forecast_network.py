"""How many weights an update has, forecast: as many as the real one."""

import pytest
import torch

from lora_nb.bases.model_sizes import sizes_of
from lora_nb.bases.models import load_base
from lora_nb.config.training import TrainConfig
from lora_nb.settings import make
from lora_nb.training import prepare
from lora_nb.training.forecast_network import parameters

CASES = (
    {},
    {"rank": 4, "conv_rank": 3},
    {"text_encoder_lr": 0.0},
    {"learning_rate": 0.0},
    {"network_type": "dora"},
    {"network_type": "loha", "conv_rank": 4},
    {"network_type": "loha", "conv_rank": 4, "use_tucker": True},
    {"network_type": "lokr"},
    {"network_type": "lokr", "lokr_factor": 4, "rank": 2, "conv_rank": 2},
    {"network_type": "lokr", "decompose_both": True, "rank": 1},
    {"only_layers": "attn1"},
    {"skip_layers": "ff_net|mlp"},
)


@pytest.mark.parametrize(
    ("family", "values"),
    [("tiny_base", values) for values in CASES]
    + [("tiny_sdxl", {"conv_rank": 3}), ("tiny_sdxl", {"text_encoder_lr2": 0.0})],
)
def test_as_many_as_there_are(values, family, request):
    folder, config = str(request.getfixturevalue(family)), make(TrainConfig, **values)
    base = load_base(folder)
    groups = prepare.inject_lora(config.network, config.learning, 1, base, torch.device("cpu"))
    real = sum(parameter.numel() for group in groups for parameter in group["params"])
    assert parameters(config, sizes_of(folder)) == pytest.approx(real, rel=0.01)
