"""A run that is done, for the tests of what is done with its files."""

import json
from pathlib import Path

import torch
from PIL import Image
from safetensors.torch import save_file

SETTINGS = {
    "pretrained_model_name_or_path": "runwayml/stable-diffusion-v1-5",
    "sample_prompts": ["ohwx cat in a hat --s 20 --d 3", "a dog"],
}
ABOUT = {
    "modelspec.title": "My cat", "modelspec.architecture": "stable-diffusion-v1/lora",
    "modelspec.trigger_phrase": "ohwx", "modelspec.license": "CC BY 4.0", "modelspec.author": "Anna",
    "modelspec.implementation_version": "lora_nb/1", "ss_sd_model_name": "runwayml/stable-diffusion-v1-5",
    "ss_network_dim": "4", "ss_network_alpha": "2.0", "ss_optimizer": "torch.optim.adamw.AdamW(weight_decay=0.01)",
    "ss_tag_frequency": json.dumps({"3_cat": {"ohwx": 5, "red": 2}, "1_more": {"ohwx": 1}}),
    "lora_nb_settings": json.dumps(SETTINGS),
}  # fmt: skip


def write_lora(path: Path, kernel: int = 1, **about: str) -> None:
    tensors = {
        "lora_unet_mid_block_proj_in.lora_down.weight": torch.ones(4, 8, kernel, kernel),
        "lora_unet_mid_block_proj_in.lora_up.weight": torch.ones(8, 4, 1, 1),
        "lora_unet_mid_block_proj_in.alpha": torch.tensor(2.0),
        "lora_te_text_model_q.lora_down.weight": torch.ones(4, 8),
        "lora_te_text_model_q.lora_up.weight": torch.ones(8, 4),
        "lora_te_text_model_q.alpha": torch.tensor(2.0),
    }
    save_file({name: tensor.half() for name, tensor in tensors.items()}, path, about)


def make_run(base: Path) -> Path:
    """The output folder of a run "cat" of two epochs in the project `base`."""
    output, own = base / "output", base / "runs" / "cat"
    (own / "samples").mkdir(parents=True)
    output.mkdir()
    for epoch in (1, 2):
        path = output / f"cat-0{epoch}.safetensors"
        write_lora(path, **ABOUT, ss_epoch=str(epoch), ss_steps=str(3 * epoch))
        path.with_suffix(".json").write_text('{"activation text": "ohwx"}')
    Image.new("RGB", (8, 8), "red").save(output / "cat-02.png")
    for number in (0, 1):
        for step in (3, 6):
            Image.new("RGB", (8, 8)).save(own / "samples" / f"cat_e{step // 3:02d}_s{step:06d}_0{number}.png")
    write_lora(output / "cat-step000004.safetensors", **ABOUT)
    write_lora(output / "dog-01.safetensors", **ABOUT)
    lines = [
        {"event": "StepLog", "step": 1, "loss": 0.9},
        {"event": "EpochLog", "epoch": 1, "step": 3, "loss": 0.25, "plain": 0.3},
        {"event": "Validated", "step": 3, "name": "probe", "loss": 0.125},
        {"event": "Validated", "step": 3, "name": "base", "loss": 0.5},
        {"event": "EpochLog", "epoch": 2, "step": 6, "loss": 0.2, "plain": 0.3},
    ]
    text = "\n".join([*map(json.dumps, lines), '{"event": "Epo', "[]"])
    (own / "metrics.jsonl").write_text(text)
    (own / "run.toml").write_text("# lora_nb run 1\n")
    return output
