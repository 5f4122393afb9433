"""Pictures as vectors of a network, in which redrawn copies and odd ones are found."""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from lora_nb.dataset import images
from lora_nb.dataset.images import Broken
from lora_nb.events import Progress, Tell, silent
from lora_nb.pictures.looking import Look
from lora_nb.pictures.pairing import Distances, Paired, Pairing
from lora_nb.wording import first_line

BATCH = 16
SIDE = 256  # pixels a picture is read at, where its format allows less than all
BLOCK = 2048  # pictures compared at a time
BINS = 40

Network = Callable[[list[np.ndarray]], np.ndarray]  # RGB pictures -> (B, D)


def embed(
    paths: Sequence[Path], method: str, embedder: str, tell: Tell = silent
) -> tuple[tuple[Look, ...], np.ndarray, tuple[Broken, ...]]:
    """The readable pictures, their vectors of length 1, shape (pictures, D), and the broken ones."""
    network = load(method, embedder)
    looks: list[Look] = []
    broken: list[Broken] = []
    vectors = []
    for start in range(0, len(paths), BATCH):
        opened = list(_opened(paths[start : start + BATCH], looks, broken))
        if opened:
            vectors.append(network(opened))
        tell(Progress("Reading pictures by a network", min(start + BATCH, len(paths)), len(paths)))
    every = np.concatenate(vectors) if vectors else np.empty((0, 1), dtype=np.float32)
    return tuple(looks), every / np.linalg.norm(every, axis=1, keepdims=True), tuple(broken)


def _opened(paths: Sequence[Path], looks: list[Look], broken: list[Broken]) -> Iterator[np.ndarray]:
    for path in paths:
        try:
            picture, size = images.open_reduced(path, SIDE)
        except ValueError as error:
            broken.append(Broken(path, str(error).removeprefix(f"{path}: ")))
            continue
        looks.append(Look(path, *size, np.empty(0, dtype=np.uint64)))
        yield np.array(picture)


def find(vectors: np.ndarray, least: float) -> Paired:
    """The pairs whose vectors have a cosine of at least `least`."""
    pairings, counts = [], np.zeros(BINS, dtype=np.int64)
    for start in range(0, len(vectors), BLOCK):
        likeness = vectors[start : start + BLOCK] @ vectors[start:].T
        upper = np.triu_indices(*likeness.shape[:1], k=1, m=likeness.shape[1])
        counts += np.histogram(np.minimum(np.maximum(likeness[upper], 0), 1), BINS, (0, 1))[0]
        near = likeness[upper] >= least
        for i, j in zip(upper[0][near].tolist(), upper[1][near].tolist(), strict=True):
            pairings.append(Pairing(i + start, j + start, f"{likeness[i, j]:.2f} alike to a network"))
    label = "cosine of the network's vectors"
    return Paired(
        tuple(pairings), Distances(label, 0.0, 1.0, tuple(counts.tolist()), least, near_is_low=False)
    )


def load(method: str, embedder: str) -> Network:
    """imagededup's own network, or a vision model by its Hugging Face id. Raises ValueError when it cannot be had."""
    try:
        return _imagededups() if method == "cnn" else _transformers(embedder)
    except (OSError, ValueError) as error:
        name = "imagededup's network" if method == "cnn" else f'embedder "{embedder}"'
        raise ValueError(f"{name} cannot be loaded ({first_line(error)}): choose method = aligned") from error


def _imagededups() -> Network:
    from imagededup.methods import CNN

    network = CNN(verbose=False)
    return lambda pictures: np.concatenate([network.encode_image(image_array=one) for one in pictures])


def _transformers(embedder: str) -> Network:
    import torch
    from transformers import AutoImageProcessor, CLIPVisionModelWithProjection

    processor = AutoImageProcessor.from_pretrained(embedder)
    gpu = torch.cuda.is_available()
    model: Any = CLIPVisionModelWithProjection.from_pretrained(embedder, dtype=torch.float32)
    model = model.to("cuda" if gpu else "cpu").eval()

    def read(pictures: list[np.ndarray]) -> np.ndarray:
        with torch.inference_mode():
            inputs = processor(images=pictures, return_tensors="pt").to(model.device)
            return model(**inputs).image_embeds.float().cpu().numpy()

    return read
