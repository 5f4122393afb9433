"""How many bytes the latents of a run take: what the VAE said of each picture, in each way it is shown."""

from lora_nb.training.run_plan import RunPlan


def latent_bytes(plan: RunPlan, factor: int) -> list[int]:
    """Of each example, what is kept of its views."""
    return [
        2 * 4 * 4 * (width // factor) * (height // factor) * views_of(each.source.pictures)
        for each in plan.examples
        for width, height in [each.placement.bucket]
    ]


def views_of(pictures: object) -> int:
    """In how many ways a picture is shown."""
    drawn = pictures.augmented_views if pictures.random_crop or pictures.color_aug else 1
    return drawn * (2 if pictures.flip_aug else 1)
