"""DoRA: peft's LoRA with a magnitude of each input, in the form that A1111, ComfyUI and LyCORIS read."""

from collections.abc import Mapping, Sequence

from peft import LoraConfig
from peft.tuners.lora import LoraLayer
from torch import nn

from lora_nb.lora import lora_kind
from lora_nb.lora.kind import ADAPTER, Kind, LoraSpec, copy
from lora_nb.lora.magnitude import Magnitude
from lora_nb.lora.updates import LoraModule, Update


def known(layer: nn.Module) -> bool:
    """Whether a layer is peft's with a magnitude."""
    return isinstance(layer, LoraLayer) and ADAPTER in layer.lora_magnitude_vector


def is_module(update: Update) -> bool:
    """Whether an update is of this kind."""
    return isinstance(update, LoraModule) and update.magnitude is not None


def fresh(targets: Sequence[str], spec: LoraSpec) -> LoraConfig:
    """peft's words for new layers at `targets`."""
    return lora_kind.fresh(targets, spec, use_dora=True)


def fitting(wanted: Mapping[str, LoraModule]) -> LoraConfig:
    """peft's words for layers that the updates fit in."""
    return lora_kind.fitting(wanted, use_dora=True)


def settle(layer: LoraLayer) -> None:
    """Put our magnitude in the place of peft's."""
    layer.lora_magnitude_vector[ADAPTER] = Magnitude.of(layer.get_base_layer())


def weights(layer: LoraLayer) -> tuple[nn.Parameter, ...]:
    """Down, up and magnitude."""
    return *lora_kind.weights(layer), layer.lora_magnitude_vector[ADAPTER].weight


def take(layer: LoraLayer) -> LoraModule:
    """The update as it stands, in the parameters' own memory."""
    down, up, magnitude = (each.detach() for each in weights(layer))
    return LoraModule(down, up, float(layer.lora_alpha[ADAPTER]), magnitude)


def give(name: str, layer: LoraLayer, module: LoraModule) -> None:
    """Replace the update, its magnitude by one of inputs or of outputs, as the other has it."""
    lora_kind.give(name, layer, module)
    weight, own = layer.get_base_layer().weight, layer.lora_magnitude_vector[ADAPTER]
    flat = [1] * (weight.dim() - 2)
    if module.magnitude.numel() not in weight.shape[:2]:
        raise ValueError(
            f"the LoRA does not fit this base: {name} has {module.magnitude.numel()} magnitudes, the model wants "
            f"{weight.shape[1]} or {weight.shape[0]}"
        )
    of_inputs = module.magnitude.shape[0] == 1
    shape = [1, weight.shape[1], *flat] if of_inputs else [weight.shape[0], 1, *flat]
    if own.weight.shape != tuple(shape):
        own.weight.data = own.weight.data.new_empty(shape)
    copy([(own.weight, module.magnitude.view(shape))])


def scale(layer: LoraLayer, strength: float) -> None:
    """Set the strength: of the whole change, as ComfyUI and A1111 have it, and not of the product within the norms."""
    lora_kind.scale(layer, 1.0)
    layer.lora_magnitude_vector[ADAPTER].strength = strength


DORA = Kind(
    known, is_module, fresh, fitting, settle, weights, lora_kind.raised, take, give, scale, lora_kind.drop
)
