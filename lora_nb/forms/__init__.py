"""The notebooks' forms: thin widgets over child processes."""

from lora_nb.forms.dataset_maker import DatasetMaker
from lora_nb.forms.lora_trainer import LoraTrainer

__all__ = ["DatasetMaker", "LoraTrainer"]
