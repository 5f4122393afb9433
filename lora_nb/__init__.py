"""LoRA training for Stable Diffusion, from a folder of pictures to the checkpoint to use."""

__version__ = "0.1.0"
