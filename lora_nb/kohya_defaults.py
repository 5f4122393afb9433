"""What sd-scripts takes where nothing is said, and what its GUI calls its settings.

Read from sd-scripts 48d368fa (train_network.py) and the settings that kohya_ss saves as .json.
"""

from typing import Any

# Ours by name, where what sd-scripts takes by itself is another value than ours.
DEFAULTS: dict[str, Any] = {
    "learning_rate": 2e-6,
    "text_encoder_lr": 2e-6,
    "lr_scheduler": "constant",
    "lr_scheduler_num_cycles": 1,
    "lr_warmup_steps": 0.0,
    "optimizer": "AdamW",
    "max_train_steps": 1600,
    "train_batch_size": 1,
    "num_repeats": 1,
    "seed": -1,
    "rank": 4,
    "alpha": 1.0,
    "enable_bucket": False,
    "shuffle_caption": False,
    "keep_tokens": 0,
    "caption_extension": ".caption",
    "max_token_length": 75,
    "min_snr_gamma": None,
    "mixed_precision": "no",
    "save_precision": "fp32",
    "save_last_n_epochs": 0,
    "sample_every_n_epochs": 0,
}

# The GUI's name for a setting of sd-scripts.
OF_THE_GUI = {
    "optimizer": "optimizer_type",
    "max_resolution": "resolution",
    "lora_network_weights": "network_weights",
    "sdxl_cache_text_encoder_outputs": "cache_text_encoder_outputs",
    "sdxl_no_half_vae": "no_half_vae",
    "use_cp": "use_tucker",
}
KINDS = {
    "Standard": "lora",
    "Kohya LoCon": "locon",
    "LyCORIS/LoCon": "locon",
    "LyCORIS/LoHa": "loha",
    "LyCORIS/LoKr": "lokr",
    "LyCORIS/iA3": "ia3",
    "Kohya DyLoRA": "dylora",
}
# Numbers that the GUI keeps though they are of other kinds.
OF_KINDS = {
    "factor": ("lokr",),
    "decompose_both": ("lokr",),
    "use_tucker": ("loha", "lokr"),
}
CONVOLUTIONS = ("conv_dim", "conv_alpha", "conv_block_dims", "conv_block_alphas")

# What only the GUI has, or what there is no other value for.
_ONLY_GUI = {
    "it says how the GUI starts its program, not what is learnt": """
        num_cpu_threads_per_process num_processes num_machines multi_gpu gpu_ids main_process_port dynamo_mode
        dynamo_use_fullgraph dynamo_use_dynamic extra_accelerate_launch_args accelerate_launch headless""",
    "the family is known from the base's own files": "sdxl v2 model_list sd3_checkbox flux1_checkbox",
    "it is a setting of another kind of network than the one that is chosen": """
        LyCORIS_preset factor use_tucker use_scalar decompose_both train_on_input train_norm rescaled unit
        constrain bypass_mode rank_dropout_scale""",
    "captions are as long as they need to be": "no_token_padding",
    "tags have commas between them": "caption_separator",
    "the words are in the captions, or in trigger_word": "instance_prompt class_prompt",
}
ONLY_GUI = {name: why for why, names in _ONLY_GUI.items() for name in names.split()}
