"""No setting of the loss is in vain: each changes what is drawn for a picture or what its answer costs."""

from dataclasses import replace

import pytest
import torch

from lora_nb import events
from lora_nb.bases.base import Framing
from lora_nb.bases.models import load_base
from lora_nb.bases.sd15_parts import unet_targets
from lora_nb.config.examples import Captions
from lora_nb.config.loss import Loss
from lora_nb.config.training import TrainConfig
from lora_nb.declare import settings_of
from lora_nb.lora import inject
from lora_nb.settings import make
from lora_nb.training.batches import Batch, EpochDataset
from lora_nb.training.latents import encode_pictures
from lora_nb.training.objective import Objective
from lora_nb.training.plan import plan_run

HUBER = {"loss_type": "huber"}
KEPT = {"diff_output_preservation": 1.0}
# Each setting's other value, and what must be on for it to have one.
OTHER = {
    "min_snr_gamma": (1.0, {}),
    "noise_offset": (0.2, {}),
    "noise_offset_random_strength": (True, {"noise_offset": 0.2}),
    "adaptive_noise_scale": (0.2, {"noise_offset": 0.2}),
    "multires_noise_iterations": (6, {}),
    "multires_noise_discount": (0.5, {"multires_noise_iterations": 6}),
    "ip_noise_gamma": (0.2, {}),
    "ip_noise_gamma_random_strength": (True, {"ip_noise_gamma": 0.2}),
    "min_timestep": (700, {}),
    "max_timestep": (100, {}),
    "timestep_distribution": ("cos_map", {}),
    "noising_weight": (50.0, {"timestep_distribution": "sigmoid"}),
    "noising_bias": (2.0, {"timestep_distribution": "logit_normal"}),
    "timestep_shift": (4.0, {}),
    "debiased_estimation_loss": (True, {}),
    "scale_v_pred_loss_like_noise_pred": (True, {"prediction": "v_prediction"}),
    "v_pred_like_loss": (0.5, {}),
    "loss_type": ("l1", {}),
    "huber_schedule": ("constant", HUBER),
    "huber_c": (0.5, HUBER),
    "huber_scale": (3.0, HUBER | {"huber_schedule": "constant"}),
    "unmasked_weight": (0.5, {}),
    "normalize_masked_area_loss": (True, {}),
    "blank_prompt_preservation": (1.0, {}),
    "diff_output_preservation": (1.0, {}),
    "diff_output_preservation_class": ("person", KEPT),
    "diff_output_preservation_share": (0.5, KEPT),
}
DRAWN = {
    "noise_offset",
    "noise_offset_random_strength",
    "adaptive_noise_scale",
    "multires_noise_iterations",
    "ip_noise_gamma",
    "ip_noise_gamma_random_strength",
    "timestep_distribution",
    "timestep_shift",
}
ELSEWHERE = {"masked_loss", "prior_loss_weight"}  # in the masks and counts that batches are given


@pytest.fixture(scope="module")
def bases(tiny_base):
    """A base of each kind of prediction whose update has learnt something."""
    return {
        kind: updated(load_base(str(tiny_base), prediction_type=kind)) for kind in ("epsilon", "v_prediction")
    }


def updated(base):
    for parameter in inject.inject(base.unet, unet_targets(base.unet), inject.LoraSpec(4, 4.0), 1):
        parameter.data += 0.2 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
    return base


@torch.no_grad()
def losses(base, **options) -> torch.Tensor:
    """The losses of four pictures that are drawn and learnt with these settings of the loss."""
    loss = make(Loss, **options)
    latents = torch.randn(4, 4, 16, 16, generator=torch.Generator().manual_seed(1)) + 0.5
    drawn = [
        base.process.draw(each, loss, torch.Generator().manual_seed(number))
        for number, each in enumerate(latents)
    ]
    masks = torch.ones(4, 1, 16, 16)
    masks[:, :, 4:] = 0
    batch = Batch(
        latents,
        torch.stack([each.noise for each in drawn]),
        torch.stack([each.time for each in drawn]),
        ("ohwx circle",) * 4,
        (),
        (0, 1, 2, 3),
        (Framing((64, 64), (0, 0), (64, 64)),) * 4,
        masks,
        mixed=torch.stack([each.mixed for each in drawn]),
    )
    captions = replace(Captions(), trigger_word="ohwx", shuffle_caption=False)
    return Objective(loss, captions, False, base, torch.device("cpu")).losses(batch).minimised


@pytest.mark.parametrize("name", OTHER)
def test_it_changes_what_is_learnt(bases, name):
    value, on = OTHER[name]
    on = dict(on)
    base = bases[on.pop("prediction", "epsilon")]
    assert not torch.allclose(losses(base, **on), losses(base, **on, **{name: value}), rtol=1e-3)


def test_every_setting_is_tried():
    assert {each.name for each in settings_of(Loss)} == set(OTHER) | ELSEWHERE


def drawn_in_batches_of(size, tiny_base, folder, **options):
    """What is drawn for each sample of an epoch in batches of `size`, by sample."""
    config = make(
        TrainConfig,
        pretrained_model_name_or_path=str(tiny_base),
        train_data_dir=str(folder),
        train_batch_size=size,
        num_repeats=2,
        **options,
    )
    plan, base = plan_run(config), load_base(str(tiny_base))
    epoch = EpochDataset(plan, encode_pictures(plan, base, events.silent), base.scale, base.process, 1)
    return {
        sample: (batch.noise[row], batch.mixed[row], batch.timesteps[row])
        for batch in (epoch[at] for at in range(len(epoch)))
        for row, sample in enumerate(batch.samples)
    }


def test_what_is_drawn_for_a_sample_does_not_hang_on_its_batch(tiny_base, make_pictures, tmp_path):
    """Where sd-scripts divides multires noise by the deviation of the batch."""
    make_pictures(tmp_path / "dataset", 4)
    options = {name: value for name, (value, _) in OTHER.items() if name in DRAWN}
    one, four = (drawn_in_batches_of(n, tiny_base, tmp_path / "dataset", **options) for n in (1, 4))
    assert one.keys() == four.keys() and len(one) == 8
    for sample, alone in one.items():
        assert all(torch.equal(mine, among) for mine, among in zip(alone, four[sample], strict=True))
    assert len({float(time) for _, _, time in one.values()}) > 4
