"""What every training loop shares: the learning rate's course, workers, checkpoints that resume, an average of the weights, a log."""

import json
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn

from settings import SCRATCH


def course(step: int, steps: int, warmup: int = 150) -> float:
    """Return the factor of the learning rate: warm-up, flat, then down to a fiftieth over the second half."""
    if step < warmup:
        return (step + 1) / warmup
    late = max(0.0, (step / steps - 0.5) * 2)
    return 1 - 0.98 * min(late, 1.0)


def side_by_side(train: Callable[[], None], workers: int = 2) -> None:
    """Run `train` (a module's function) in processes of one thread each that share their gradients: faster than threads."""
    meeting = SCRATCH / "meeting"
    meeting.unlink(missing_ok=True)
    torch.multiprocessing.spawn(_work, (train, workers, str(meeting)), nprocs=workers)


def _work(number: int, train: Callable[[], None], workers: int, meeting: str) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    dist.init_process_group(
        "gloo",
        init_method=f"file://{meeting}",
        rank=number,
        world_size=workers,
        timeout=timedelta(minutes=30),
    )
    train()
    dist.barrier()
    dist.destroy_process_group()


def share_gradients(weights: list[nn.Parameter]) -> None:
    """Replace each worker's gradients by their mean; nothing happens in a run of one worker."""
    if not dist.is_initialized():
        return
    gradients = [weight.grad for weight in weights if weight.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    dist.all_reduce(flat)
    flat /= dist.get_world_size()
    for gradient, part in zip(
        gradients, flat.split([gradient.numel() for gradient in gradients]), strict=True
    ):
        gradient.copy_(part.view_as(gradient))


def rank() -> int:
    """Return this worker's number; 0 writes the files."""
    return dist.get_rank() if dist.is_initialized() else 0


class Average:
    """An exponential moving average of a model's weights, short-sighted in the beginning."""

    def __init__(self, model: nn.Module, decay: float = 0.999) -> None:
        self.decay = decay
        self.count = 0
        self.state = {key: value.detach().clone().float() for key, value in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Move the average towards the model."""
        self.count += 1
        decay = min(self.decay, (1 + self.count) / (10 + self.count))
        for key, value in model.state_dict().items():
            if value.is_floating_point():
                self.state[key].lerp_(value.float(), 1 - decay)
            else:
                self.state[key] = value.clone()


class Run:
    """A named training run: its checkpoint, its log and its learning rate.

    `modules` are trained and averaged together; `run.step` says where to go on."""

    def __init__(self, name: str, modules: nn.ModuleDict, steps: int, rate: float, every: int = 200) -> None:
        self.modules, self.steps, self.rate, self.every = modules, steps, rate, every
        self.folder = SCRATCH / "runs" / name
        self.folder.mkdir(parents=True, exist_ok=True)
        self.weights = [weight for weight in modules.parameters() if weight.requires_grad]
        self.optimizer = torch.optim.AdamW(
            self.weights, lr=rate, weight_decay=0.01, betas=(0.9, 0.99), fused=True
        )
        self.average = Average(modules)
        self.step, self.began = 0, time.time()
        self.seconds = 0.0
        self.recent: dict[str, list[float]] = {}
        if self.checkpoint.exists():
            self._load()
        torch.manual_seed(1000 + self.step + 7919 * rank())

    @property
    def checkpoint(self) -> Path:
        """Return the file the run goes on from."""
        return self.folder / "last.pt"

    def _load(self) -> None:
        stored = torch.load(self.checkpoint, weights_only=False)
        self.modules.load_state_dict(stored["modules"])
        self.optimizer.load_state_dict(stored["optimizer"])
        self.average.state, self.average.count = stored["average"], stored["count"]
        self.step, self.seconds = stored["step"], stored["seconds"]

    def save(self) -> None:
        """Write the checkpoint."""
        stored = {
            "modules": self.modules.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.state,
            "count": self.average.count,
            "step": self.step,
            "seconds": self.seconds + time.time() - self.began,
        }
        temporary = self.checkpoint.with_suffix(".tmp")
        torch.save(stored, temporary)
        temporary.rename(self.checkpoint)

    def update(self, loss: torch.Tensor, **watched: float) -> bool:
        """Take one optimiser step; return whether this step is one to look at results."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate * course(self.step, self.steps)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        share_gradients(self.weights)
        torch.nn.utils.clip_grad_norm_(self.weights, 1.0)
        self.optimizer.step()
        self.average.update(self.modules)
        self.step += 1
        for key, value in ({"loss": float(loss.detach())} | watched).items():
            self.recent.setdefault(key, []).append(value)
        due = rank() == 0 and (self.step % self.every == 0 or self.step == self.steps)
        if due:
            self._log()
            self.save()
        return due

    def _log(self) -> None:
        means = {key: round(sum(values) / len(values), 5) for key, values in self.recent.items()}
        line = {"step": self.step, "seconds": round(self.seconds + time.time() - self.began)} | means
        with (self.folder / "log.jsonl").open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(self.folder.name, line, flush=True)
        self.recent = {}

    def averaged(self, modules: nn.ModuleDict) -> nn.ModuleDict:
        """Return `modules` (of the same shape) filled with the average."""
        modules.load_state_dict(self.average.state)
        return modules.eval()
