"""The loss of a batch: what the update is to say of the pictures, and what it is to leave as it was.

Shapes: B batch, C channels, h w latents, T tokens, D width.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from lora_nb.bases.base import Base, Condition, Framing, join
from lora_nb.bases.weighted_text import Text, read_captions
from lora_nb.bases.weights import placed
from lora_nb.config.examples import Captions
from lora_nb.config.loss import HUBER, Loss
from lora_nb.dataset.captions import replace_trigger
from lora_nb.lora import inject
from lora_nb.training import distance
from lora_nb.training.batches import Batch


@dataclass(frozen=True)
class Losses:
    """(B,) of each picture: what is minimised, and the plain mean squared error, which no setting weighs."""

    minimised: Tensor
    plain: Tensor


class Objective:
    """The loss of a run."""

    def __init__(
        self, loss: Loss, captions: Captions, learns_text: bool, base: Base, device: torch.device,
        texts_vary: bool | None = None,
    ):  # fmt: skip
        """Take a base that holds the update, on `device`; `learns_text` where what reads text learns.

        Where `texts_vary`, as they do when shuffled, what is said of one is not kept.
        """
        self.texts_vary = captions.shuffle_caption if texts_vary is None else texts_vary
        self.loss, self.captions, self.learns_text = loss, captions, learns_text
        self.base, self.device = base, device
        self.known: dict[tuple[Text, int], Condition] = {}

    def losses(self, batch: Batch) -> Losses:
        """The losses of each picture."""
        latents, noise, times = (
            part.to(self.device) for part in (batch.latents, batch.noise, batch.timesteps)
        )
        way, mixed = self.base.process, noise if batch.mixed is None else batch.mixed.to(self.device)
        noisy = way.mix(latents, mixed, times).to(placed(self.base.denoiser)[1])
        prediction = self.predict(noisy, times, batch.captions, batch.framings)
        weights, wanted = way.weights(times, self.loss), way.target(latents, noise, times)
        losses = self.errors(prediction, wanted, times, batch) * weights
        if self.loss.diff_output_preservation:
            losses = losses + self.loss.diff_output_preservation * self.changes(batch, noisy, weights)
        if self.loss.blank_prompt_preservation:
            blank = self.blank_changes(batch, noisy, weights)
            losses = losses + self.loss.blank_prompt_preservation * blank
        return Losses(losses, distance.mean_squared(prediction, wanted).detach())

    def errors(self, prediction: Tensor, wanted: Tensor, times: Tensor, batch: Batch) -> Tensor:
        """(B,) what each picture's answer costs, times how much the picture counts; no noise level weighed yet."""
        kind = self.loss.distance.loss_type
        thresholds = self.base.process.thresholds(times, self.loss) if kind in HUBER else None
        each = distance.errors(prediction, wanted, kind, thresholds)
        found = distance.averaged(each, batch.masks, self.loss.masking)
        return found * torch.tensor(batch.counts, device=self.device) if batch.counts else found

    def changes(self, batch: Batch, noisy: Tensor, weights: Tensor) -> Tensor:
        """(B,) how far the update moves the prediction where the caption lacks its trigger word; 0 if it never had one.

        ai-toolkit's differential output preservation: what regularisation pictures are for, without any. Taken on the
        batch's preserved rows, which count for the others too.
        """
        trigger, class_word = self.captions.trigger_word, self.loss.diff_output_preservation_class
        plain = [replace_trigger(caption, trigger, class_word) for caption in batch.captions]
        moved = self._moved(batch, noisy, weights, plain, batch.preserved)
        return moved / self.loss.diff_output_preservation_share

    def blank_changes(self, batch: Batch, noisy: Tensor, weights: Tensor) -> Tensor:
        """(B,) how far the update moves the prediction without a prompt; 0 for a picture that is learnt without one.

        ai-toolkit's blank prompt preservation: guidance leads away from what is answered there.
        """
        return self._moved(batch, noisy, weights, [""] * len(batch.captions), range(len(batch.captions)))

    def _moved(
        self, batch: Batch, noisy: Tensor, weights: Tensor, instead: Sequence[str], among: Sequence[int]
    ) -> Tensor:
        """(B,) how far the update moves the answers to the captions `instead`, on those rows `among` that differ."""
        rows = [row for row in among if instead[row] != batch.captions[row]]
        losses = torch.zeros_like(weights)
        if rows:
            framings = [batch.framings[row] for row in rows]
            seen = (
                noisy[rows],
                batch.timesteps[rows].to(self.device),
                [instead[row] for row in rows],
                framings,
            )
            with torch.no_grad(), inject.switched_off(self.base.parts):
                wanted = self.predict(*seen)
            losses[rows] = distance.mean_squared(self.predict(*seen), wanted) * weights[rows]
        return losses

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
        if self.learns_text or self.texts_vary:
            with torch.set_grad_enabled(torch.is_grad_enabled() and self.learns_text):
                return self.base.encode(captions, config.clip_skip, length).to(dtype)
        for caption in captions:
            if (caption, length) not in self.known:
                with torch.no_grad():
                    self.known[caption, length] = self.base.encode([caption], config.clip_skip, length).to(
                        dtype
                    )
        return join([self.known[caption, length] for caption in captions])
