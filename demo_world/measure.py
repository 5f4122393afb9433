"""The figures of the base model: asked tags found again, seeds, guidance, the empty prompt, speed; and the contact sheet."""

import json
import time
from pathlib import Path

import numpy as np
import torch
from diffusers import StableDiffusionPipeline

import judge
import tagger as tagger_stage
import text as text_stage
from base import FOLDER, drawn
from groups import GROUPS, group_scores
from lora_nb.bases import sd15_files
from render import draw, sample, sheet
from settings import SCRATCH, UNET_STYLES
from styles import STYLES

COMBINATIONS = 200
HERE = Path(__file__).parent


def combinations() -> list:
    """Return the avatars whose tags are asked for: COMBINATIONS of them, none of them in the training set."""
    trained = {frozenset(avatar.tags) for avatar in sample("base", 24000)}
    drawable = [avatar for avatar in sample("measure", 3 * COMBINATIONS) if avatar.style in UNET_STYLES]
    fresh = [avatar for avatar in drawable if frozenset(avatar.tags) not in trained]
    return fresh[:COMBINATIONS]


def asked(tags: tuple[str, ...], with_style: bool) -> str:
    """Return the prompt: person, the five groups, and the style's word if wanted."""
    members = set().union(
        *GROUPS.values(),
        {"1girl", "1boy"},
        {style.word for style in STYLES.values()} if with_style else set(),
    )
    return ", ".join(tag for tag in tags if tag in members)


def difference(first: np.ndarray, second: np.ndarray) -> float:
    """Return the mean absolute difference of two sets of pictures, 0..255."""
    return round(float(np.abs(first.astype(float) - second.astype(float)).mean()), 2)


def seconds_a_picture(pipe: StableDiffusionPipeline) -> float:
    """Return the seconds for one picture at 16 steps with guidance, the median of five."""
    times = []
    for seed in range(5):
        begin = time.time()
        drawn(pipe, ["1girl, red hair, smile"], seed=seed)
        times.append(time.time() - begin)
    return round(sorted(times)[2], 2)


def skipped(pipe: StableDiffusionPipeline, prompts: list[str]) -> np.ndarray:
    """Return pictures drawn from the text encoder's layer before the last.

    diffusers 0.42 asks for a part of CLIPTextModel that transformers 5 has renamed, so its own clip_skip fails."""
    with torch.no_grad():
        wanted, empty = (
            text_stage.encode(pipe.text_encoder, text_stage.tokens(pipe.tokenizer, texts), clip_skip=True)
            for texts in (prompts, [""] * len(prompts))
        )
    return drawn(pipe, [None] * len(prompts), prompt_embeds=wanted, negative_prompt_embeds=empty)


def behaviour(pipe: StableDiffusionPipeline) -> dict:
    """Return how seeds, guidance, negative prompts, clip_skip and the empty prompt act on eight pictures."""
    prompts = ["1girl, red hair, long hair, blue background"] * 8
    plain = drawn(pipe, prompts)
    weak, empty = drawn(pipe, prompts, guidance=1.0), drawn(pipe, [""] * 8)
    negative = drawn(pipe, prompts, negative_prompt=["glasses, open mouth"] * 8)
    sheet(np.concatenate([plain, weak, empty, negative]), 8, SCRATCH / "behaviour.png")
    return {
        "between seeds": difference(plain[:-1], plain[1:]),
        "guidance 5 to 1": difference(plain, weak),
        "prompt to empty": difference(plain, empty),
        "negative prompt": difference(plain, negative),
        "clip_skip 1": difference(plain, skipped(pipe, prompts)),
        "same seed again": difference(plain, drawn(pipe, prompts)),
        "contrast at guidance 1": round(float(weak.std()), 1),
        "contrast of the empty prompt": round(float(empty.std()), 1),
    }


def measure() -> dict:
    """Return all figures; also writes figures.json and contact_sheet.png beside this file."""
    tokenizer = text_stage.CLIPTokenizer.from_pretrained(sd15_files.tokenizer_folder(FOLDER))
    pipe = StableDiffusionPipeline.from_pretrained(FOLDER, tokenizer=tokenizer, safety_checker=None)
    tagger = tagger_stage.Tagger()
    avatars = combinations()
    truth = draw(avatars)
    names = tagger.names[4:]
    wanted = tagger_stage.targets(truth, names)[:, 4:].numpy() > 0.5
    figures: dict = {"tagger": tagger_stage.report(), "judge": judge.report()}
    for label, with_style in (("asked, without a style word", False), ("asked, with the style's word", True)):
        prompts = [asked(avatar.tags, with_style) for avatar in avatars]
        images = np.concatenate(
            [drawn(pipe, prompts[part : part + 20], seed=part) for part in range(0, len(prompts), 20)]
        )
        figures[label] = group_scores(tagger.probabilities(images)[:, 4:] > 0.35, wanted, names)
        np.savez(SCRATCH / f"measured-{with_style}.npz", images=images, prompts=prompts)
    figures["true renders (the tagger's ceiling)"] = group_scores(
        tagger.probabilities(truth.images)[:, 4:] > 0.35, wanted, names
    )
    sheet(images[:48], 16, HERE / "contact_sheet.png", zoom=1)
    figures |= {
        "behaviour": behaviour(pipe),
        "seconds a picture, 16 steps": seconds_a_picture(pipe),
        "threads": torch.get_num_threads(),
    }
    (HERE / "figures.json").write_text(json.dumps(figures, indent=2) + "\n")
    return figures


if __name__ == "__main__":
    print(json.dumps(measure(), indent=2))
