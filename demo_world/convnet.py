"""The small picture network of tagger and judge, its training pictures, and its ONNX file."""

import io
import random
from pathlib import Path

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from torch import Tensor, nn

from settings import SIZE
from shipped import INPUT
from vae import to_tensor

# B batch, C channels, H W pixels.


class Block(nn.Module):
    """Two convolutions with a way around them."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
        )

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.inner(x))


def _down(before: int, after: int, stride: int = 2) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU())


class ConvNet(nn.Module):
    """RGB pictures (B, 3, 64, 64) in -1..1 -> (B, outputs)."""

    def __init__(self, outputs: int, widths: tuple[int, int, int, int] = (16, 48, 96, 160)) -> None:
        super().__init__()
        first, second, third, fourth = widths
        self.body = nn.Sequential(
            _down(3, first, 1),
            _down(first, second),
            Block(second),
            _down(second, third),
            Block(third),
            _down(third, fourth),
            Block(fourth),
        )
        self.head = nn.Linear(2 * fourth, outputs)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x.contiguous(memory_format=torch.channels_last))
        return self.head(torch.cat([x.mean((2, 3)), x.amax((2, 3))], 1))


class FromWD14(nn.Module):
    """The network behind the WD14 input: (B, 448, 448, 3), BGR, 0..255; `unit`: vectors of length 1, else probabilities."""

    def __init__(self, net: ConvNet, unit: bool) -> None:
        super().__init__()
        self.net, self.unit = net, unit

    def forward(self, x: Tensor) -> Tensor:
        x = F.avg_pool2d(x.permute(0, 3, 1, 2), INPUT // SIZE).flip(1) / 127.5 - 1
        y = self.net(x)
        return F.normalize(y, dim=1) if self.unit else torch.sigmoid(y)


def _halved(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return the model with its large weights stored in 16 bits and cast when it is loaded."""
    kept, casts = [], []
    for weight in model.graph.initializer:
        values = numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < 512:
            kept.append(weight)
            continue
        kept.append(numpy_helper.from_array(values.astype(np.float16), weight.name + "_half"))
        casts.append(helper.make_node("Cast", [weight.name + "_half"], [weight.name], to=TensorProto.FLOAT))
    nodes = casts + list(model.graph.node)
    del model.graph.initializer[:], model.graph.node[:]
    model.graph.initializer.extend(kept)
    model.graph.node.extend(nodes)
    return model


def export(net: ConvNet, path: Path, unit: bool) -> None:
    """Write model.onnx with a free batch dimension."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.onnx.export(
        FromWD14(net.eval(), unit).eval(),
        (torch.zeros(1, INPUT, INPUT, 3),),
        buffer,
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": {0: "batch"}, "output": {0: "batch"}},
        dynamo=False,
        opset_version=17,
    )
    model = _halved(onnx.load_from_string(buffer.getvalue()))
    onnx.checker.check_model(model)
    temporary = path.with_suffix(".tmp")
    onnx.save(model, temporary)
    temporary.rename(path)


def _padded(image: Image.Image, rng: random.Random) -> Image.Image:
    """Return the picture on a white or black square, as taggers pad pictures that are not square."""
    side = SIZE + rng.randint(0, 16)
    paper = Image.new("RGB", (side, side), rng.choice(("white", "black")))
    paper.paste(image, ((side - SIZE) // 2, rng.choice((0, (side - SIZE) // 2))))
    return paper.resize((SIZE, SIZE), Image.Resampling.BICUBIC)


def worn(image: np.ndarray, rng: random.Random) -> np.ndarray:
    """Return uint8 (H, W, 3) at the training size with a random fate: crop, blur by resizing, JPEG, padding."""
    side = image.shape[0] * (1 - rng.uniform(0, 0.12))
    left, top = (rng.uniform(0, image.shape[0] - side) for _ in "xy")
    picture = Image.fromarray(image).resize(
        (SIZE, SIZE),
        rng.choice((Image.Resampling.LANCZOS, Image.Resampling.BOX)),
        (left, top, left + side, top + side),
    )
    fate = rng.random()
    if fate < 0.25:
        picture = picture.resize((rng.randint(40, 60),) * 2, Image.Resampling.BICUBIC).resize(
            (SIZE, SIZE), Image.Resampling.BICUBIC
        )
    elif fate < 0.4:
        buffer = io.BytesIO()
        picture.resize((128, 128)).save(buffer, "JPEG", quality=rng.randint(40, 90))
        picture = Image.open(buffer).resize((SIZE, SIZE), Image.Resampling.BOX)
    elif fate < 0.5:
        picture = _padded(picture, rng)
    return np.asarray(picture)


def worn_batch(images: np.ndarray, chosen: list[int], rng: random.Random) -> Tensor:
    """Return worn pictures (B, 3, H, W) in -1..1 with a little noise."""
    x = to_tensor(np.stack([worn(images[index], rng) for index in chosen]))
    return x + torch.randn_like(x) * 0.03 * torch.rand(len(x), 1, 1, 1)
