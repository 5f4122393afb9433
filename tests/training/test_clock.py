import itertools

import torch

from lora_nb.training.clock import Clock, most_memory


def test_each_second_is_counted_where_it_was_spent():
    clock = Clock(now=itertools.count().__next__)
    with clock.spent("step"):
        pass
    assert list(clock.each("data", "ab")) == ["a", "b"]
    assert clock.take() == {"step": 1, "data": 3}
    assert clock.take() == {}


def test_what_fails_is_counted_too():
    clock = Clock(now=itertools.count().__next__)
    try:
        with clock.spent("saving"):
            raise OSError
    except OSError:
        pass
    assert clock.take() == {"saving": 1}


def test_memory_is_that_of_this_process():
    held = torch.ones(30_000_000)
    assert most_memory(torch.device("cpu")) > held.nbytes
