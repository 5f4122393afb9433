"""The loss of a batch: what the update is to say of the pictures, and what it is to leave as it was.

Shapes: B batch, C channels, h w latents, T tokens, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lora_nb.bases import process
from lora_nb.bases.base import Base, Condition, Framing, join
from lora_nb.bases.weighted_text import Text, read_captions
from lora_nb.bases.weights import placed
from lora_nb.config.examples import Captions
from lora_nb.config.loss import Loss
from lora_nb.dataset.captions import replace_trigger
from lora_nb.lora import inject
from lora_nb.training.batches import Batch


@dataclass(frozen=True)
class Losses:
    """(B,) of each picture: what is minimised, and the plain mean squared error, which no setting weighs."""

    minimised: Tensor
    plain: Tensor


class Objective:
    """The loss of a run."""

    def __init__(self, loss: Loss, captions: Captions, learns_text: bool, base: Base, device: torch.device):
        """Take a base that holds the update, on `device`; `learns_text` where what reads text learns."""
        self.loss, self.captions, self.learns_text = loss, captions, learns_text
        self.base, self.device = base, device
        self.known: dict[tuple[Text, int], Condition] = {}

    def losses(self, batch: Batch) -> Losses:
        """The losses of each picture."""
        latents, noise, times = (
            part.to(self.device) for part in (batch.latents, batch.noise, batch.timesteps)
        )
        way = self.base.process
        noisy = way.mix(latents, noise, times).to(placed(self.base.denoiser)[1])
        prediction = self.predict(noisy, times, batch.captions, batch.framings)
        weights = way.weights(times, self.loss)
        errors = process.errors(prediction, way.target(latents, noise, times))
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
            framings = [batch.framings[row] for row in rows]
            seen = noisy[rows], batch.timesteps[rows].to(self.device), [plain[row] for row in rows], framings
            with torch.no_grad(), inject.switched_off(self.base.parts):
                wanted = self.predict(*seen)
            losses[rows] = process.losses(self.predict(*seen), wanted, weights[rows])
        return losses / self.loss.diff_output_preservation_share

    def predict(
        self, noisy: Tensor, times: Tensor, captions: Sequence[str], framings: Sequence[Framing]
    ) -> Tensor:
        """(B, C, h, w) what the denoiser makes of noisy latents."""
        return self.base.predict(noisy, times, self.encode(captions), framings)

    def encode(self, captions: Sequence[str]) -> Condition:
        """The captions as the denoiser is told of them; kept for reuse when neither they nor their models change.

        They are as long as the longest needs and no longer: padded further, as sd-scripts does, the denoiser would
        learn from states that it never meets when somebody draws with a short prompt.
        """
        config, (_, dtype) = self.captions, placed(self.base.denoiser)
        captions = read_captions(captions, config.weighted_captions)
        length = self.base.text_length(captions, config.max_token_length)
        if self.learns_text or config.shuffle_caption:
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.learns_text):
                return self.base.encode(captions, config.clip_skip, length).to(dtype)
        for caption in captions:
            if (caption, length) not in self.known:
                with torch.no_grad():
                    self.known[caption, length] = self.base.encode([caption], config.clip_skip, length).to(
                        dtype
                    )
        return join([self.known[caption, length] for caption in captions])
