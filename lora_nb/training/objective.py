"""The loss of a batch: what the update is to say of the pictures, and what it is to leave as it was.

Shapes: B batch, C channels, h w latents, T tokens, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lora_nb.bases import process
from lora_nb.bases.models import BaseModel, encode_prompts, fitting_length
from lora_nb.config.training import Captions, Loss
from lora_nb.dataset.captions import replace_trigger
from lora_nb.lora import inject
from lora_nb.training.batches import Batch


@dataclass(frozen=True)
class Losses:
    """(B,) of each picture: what is minimised, and the plain mean squared error, which no setting weighs."""

    minimised: Tensor
    plain: Tensor


class Objective:
    """The loss of a run. `signal` (timesteps,) is the share of the picture left at each timestep."""

    def __init__(
        self, loss: Loss, captions: Captions, learns_text: bool, base: BaseModel, device: torch.device
    ):
        """Take a base that holds the update, on `device`; `learns_text` where its text encoder does."""
        self.loss, self.captions, self.learns_text = loss, captions, learns_text
        self.base, self.device = base, device
        self.signal = process.alphas_cumprod(base.scheduler_config).to(device)
        self.text_cache: dict[tuple[str, int], Tensor] = {}

    def losses(self, batch: Batch) -> Losses:
        """The losses of each picture."""
        latents, noise = batch.latents.to(self.device), batch.noise.to(self.device)
        signal, kind = self.signal[batch.timesteps], self.base.prediction_type
        noisy = process.add_noise(latents, noise, signal).to(self.base.unet.dtype)
        prediction = self.predict(noisy, batch.timesteps, batch.captions)
        weights = process.snr_weights(signal, self.loss.min_snr_gamma, kind)
        errors = process.errors(prediction, process.target(latents, noise, signal, kind))
        losses = errors * weights
        if self.loss.diff_output_preservation:
            losses = losses + self.loss.diff_output_preservation * self.changes(batch, noisy, weights)
        return Losses(losses, errors.detach())

    def changes(self, batch: Batch, noisy: Tensor, weights: Tensor) -> Tensor:
        """(B,) how far the update moves the prediction where the caption lacks its trigger word; 0 if it never had one.

        ai-toolkit's differential output preservation: what regularisation pictures are for, without any. Taken on the
        batch's preserved rows, which count for the others too.
        """
        trigger, class_word = self.captions.trigger_word, self.loss.diff_output_preservation_class
        plain = [replace_trigger(caption, trigger, class_word) for caption in batch.captions]
        rows = [row for row in batch.preserved if plain[row] != batch.captions[row]]
        losses = torch.zeros_like(weights)
        if rows:
            seen = noisy[rows], batch.timesteps[rows], [plain[row] for row in rows]
            with torch.no_grad(), inject.switched_off(self.base.unet, self.base.text_encoder):
                wanted = self.predict(*seen)
            losses[rows] = process.losses(self.predict(*seen), wanted, weights[rows])
        return losses / self.loss.diff_output_preservation_share

    def predict(self, noisy: Tensor, timesteps: Tensor, captions: Sequence[str]) -> Tensor:
        """(B, C, h, w) what the U-Net makes of noisy latents."""
        return self.base.unet(noisy, timesteps.to(self.device), self.encode(captions)).sample

    def encode(self, captions: Sequence[str]) -> Tensor:
        """(B, T, D) the captions as the U-Net reads them; kept for reuse when neither they nor the encoder change.

        T is what the longest needs and no more: padded further, as sd-scripts does, the U-Net would learn from
        states that it never meets when somebody draws with a short prompt.
        """
        config, dtype = self.captions, self.base.unet.dtype
        length = min(config.max_token_length, fitting_length(self.base.tokenizer, captions))
        if self.learns_text or config.shuffle_caption:
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.learns_text):
                return encode_prompts(self.base, captions, config.clip_skip, length).to(dtype)
        for caption in captions:
            if (caption, length) not in self.text_cache:
                with torch.no_grad():
                    hidden = encode_prompts(self.base, [caption], config.clip_skip, length)
                self.text_cache[caption, length] = hidden.to(dtype)
        return torch.cat([self.text_cache[caption, length] for caption in captions])
