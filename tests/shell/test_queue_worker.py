import pytest

from lora_nb.shell import queue_worker


@pytest.mark.parametrize(
    ("visible", "devices", "together"),
    [("0,1", ["0", "1"], 2), ("3", ["3"], 1), ("", ["cpu"], 1), ("GPU-1a, GPU-2b", ["GPU-1a", "GPU-2b"], 2)],
)
def test_a_worker_for_each_gpu_that_may_be_used(visible, devices, together, monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    assert queue_worker.devices() == devices
    assert queue_worker.processes_on("all") == together
    assert queue_worker.processes_on(devices[0]) == 1


def test_a_run_sees_its_own_gpu_alone():
    assert queue_worker.seen_by("1") == {"CUDA_VISIBLE_DEVICES": "1"}
    assert queue_worker.seen_by("all") == queue_worker.seen_by("cpu") == {}
