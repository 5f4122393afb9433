"""Every config class that is declared."""

import dataclasses
import importlib
import pkgutil

import lora_nb.config
from lora_nb.config.optimizers import OptimizerClass, ScheduleFunction
from lora_nb.config.samplers import SamplerClass

MODULES = [
    importlib.import_module(f"lora_nb.config.{each.name}")
    for each in pkgutil.iter_modules(lora_nb.config.__path__)
]
CONFIGS = [
    kind
    for module in MODULES
    for kind in vars(module).values()
    if dataclasses.is_dataclass(kind)
    and kind not in (OptimizerClass, SamplerClass, ScheduleFunction)
    and kind.__module__ == module.__name__
]
