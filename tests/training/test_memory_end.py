"""Memory that runs out at a step: the sentence, the state, and the cheaper plan that is gone on with."""

from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from diffusers import UNet2DConditionModel
from safetensors.torch import load_file
from test_run import bytes_under, elsewhere, lines_of, project_of
from test_run import config as config  # a fixture

from lora_nb import events, settings
from lora_nb.config.training import TrainConfig
from lora_nb.training import memory_end, state
from lora_nb.training.train import train

FULL = "CUDA out of memory. Tried to allocate 2.00 GiB."


@contextmanager
def memory_for(pictures, after, error=None):
    """A U-Net that after some steps has no memory for more `pictures` at once than these; drawn samples count too."""
    seen = []

    def refuse(module, given, named):
        if isinstance(module, UNet2DConditionModel):
            seen.append(1)
            if len(seen) > after and len(given[0]) > pictures:
                raise error or torch.OutOfMemoryError(FULL)

    hook = torch.nn.modules.module.register_module_forward_pre_hook(
        lambda module, given: refuse(module, given, {})
    )
    try:
        yield seen
    finally:
        hook.remove()


def state_of(config):
    return state.load_state(project_of(config) / "runs" / "cat" / "cat.state")


def test_it_is_one_sentence_and_the_last_step_is_kept(config):
    config = settings.replace(config, lr_scheduler="constant")
    with memory_for(0, after=4), pytest.raises(ValueError) as caught:
        train(config)
    said = str(caught.value)
    assert (
        said.startswith("The GPU has too little memory for these settings; step 4 is kept")
        and "\n" not in said
    )
    assert "gradient_checkpointing = true" in said and 'on_out_of_memory = "cheaper"' in said
    assert state_of(config).step == 4
    whole = elsewhere(config, "whole")
    assert train(config).status == train(whole).status == "done"
    assert bytes_under(config, "output") == bytes_under(whole, "output"), "as if nothing had been"


def test_what_the_sentence_says_can_be_set_and_the_run_goes_on(config):
    with memory_for(0, after=4), pytest.raises(ValueError):
        train(config)
    told = []
    cheaper = settings.replace(
        config, gradient_checkpointing=True, train_batch_size=1, gradient_accumulation_steps=2
    )
    assert train(cheaper, told.append).status == "done"
    said = " ".join(event.text for event in told if isinstance(event, events.Notice))
    assert (
        "goes on with gradient_checkpointing = True, train_batch_size = 1, gradient_accumulation_steps = 2"
        in said
    )
    assert sum(isinstance(event, events.StepLog) for event in told) == 2
    with pytest.raises(ValueError, match="train_batch_size 1 -> 3"):
        train(settings.replace(cheaper, train_batch_size=3))


def test_with_leave_the_run_goes_on_from_the_last_step_with_as_many_pictures_in_a_step(config):
    config = settings.replace(
        config, lr_scheduler="constant", on_out_of_memory="cheaper", save_precision="fp32"
    )
    whole = elsewhere(config, "whole")
    train(whole)
    told = []
    with memory_for(1, after=4):
        done = train(config, told.append)
    assert done.status == "done" and "6 steps" in done.text
    said = [event.text for event in told if isinstance(event, events.Notice) and event.level == "warning"]
    assert "gradient_checkpointing = true" in " ".join(said) and "train_batch_size = 1" in said[-1]
    assert all("step 4 is kept, and the run goes on after it" in text for text in said)
    assert lines_of(config, "StepLog") == 6
    ours, theirs = (
        load_file(Path(project_of(each)) / "output" / "cat-02.safetensors") for each in (config, whole)
    )
    far = max((ours[name] - theirs[name]).abs().max().item() for name in ours)
    moved = max(tensor.abs().max().item() for tensor in theirs.values())
    assert far < 0.02 * moved, "the same pictures in each step, added up in another order"


def test_no_plan_is_left_for_one_picture(config):
    config = settings.replace(config, on_out_of_memory="cheaper")
    with (
        memory_for(0, after=0),
        pytest.raises(ValueError, match=r"none of the ways to take less is left.*nothing was"),
    ):
        train(config)
    assert not bytes_under(config, "output")
    assert train(config).status == "done"


def test_samples_that_do_not_fit_are_left_out_and_the_training_goes_on(config):
    config = settings.replace(
        config,
        train_batch_size=1,
        sample_every_n_epochs=1,
        sample_prompts=("ohwx --s 2",),
        max_train_epochs=1,
    )
    told = []
    with memory_for(1, after=0):  # with guidance a sample is two at once
        assert train(config, told.append).status == "done"
    said = [event.text for event in told if isinstance(event, events.Notice)]
    assert any(text.startswith("No samples after step 5: the GPU's memory is too small") for text in said)
    assert not any(isinstance(event, events.Drawn) for event in told)


def test_which_memory_is_told_apart():
    assert memory_end.kind_of(torch.OutOfMemoryError(FULL)) == "GPU"
    full = RuntimeError("[enforce fail at alloc_cpu.cpp:118] DefaultCPUAllocator: can't allocate memory")
    assert memory_end.kind_of(full) == memory_end.kind_of(MemoryError()) == "RAM"
    assert memory_end.kind_of(RuntimeError("size mismatch")) is None


def test_a_run_that_has_begun_keeps_its_optimizer():
    config = settings.make(TrainConfig, gradient_checkpointing=True, train_batch_size=1, vae_batch_size=1)
    assert memory_end._cheaper(config, "GPU", begun=True) is None
