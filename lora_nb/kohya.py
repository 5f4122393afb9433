"""Settings of sd-scripts that lora_nb does not have: what they are, and what here comes nearest.

Read from sd-scripts 48d368fa: train_network.py and what it calls, its dataset files, its tagger and captioner. Those
that are here under another name say so in config.py (`kohya=`).
"""

_WHY = {
    "it belongs into one of the subsets": "is_reg class_tokens image_dir conditioning_data_dir",
    "its parts are settings of their own here: network_type, conv_rank, block_dims and so on": """
        network_module network_args""",
    "dora is a network_type of its own here": "dora_wd",
    "magnitudes are of the inputs, which is what A1111 and ComfyUI compute exactly": "wd_on_output",
    "network_weights always gives the ranks too": "dim_from_weights",
    "a run begins from nothing, from a LoRA file (network_weights), or goes on with its own state (on_existing)": """
        resume resume_from_huggingface""",
    "initial_step says where to begin, and what comes before it is always passed over": """
        initial_epoch skip_until_initial_step""",
    "text_encoder_lr = 0 trains the U-Net alone": "network_train_unet_only",
    "learning_rate = 0 trains the text encoder alone": "network_train_text_encoder_only",
    "the state of a run is always kept; save_state_every_n_steps says how often": """
        save_state save_state_on_train_end save_last_n_epochs_state save_last_n_steps_state""",
    "files are always .safetensors": "save_model_as use_safetensors",
    "`push` puts the files of a run on the Hugging Face Hub when it is done": """
        huggingface_repo_id huggingface_repo_type huggingface_path_in_repo huggingface_token
        huggingface_repo_visibility save_state_to_huggingface async_upload""",
    "only the Stable Diffusion 1.5 family can be trained here": """
        v2 text_encoder_batch_size weighting_scheme
        logit_mean logit_std mode_scale blocks_to_swap""",
    'prediction_type = "v_prediction" says that the base predicts v': "v_parameterization",
    "the VAE is used in full precision": "no_half_vae",
    "every download is kept in Hugging Face's own cache": "tokenizer_cache_dir",
    "latents are encoded at the start and kept, in memory or with cache_latents_to_disk": """
        cache_latents skip_cache_check cache_info""",
    "cache_text_encoder_outputs keeps them in memory": "cache_text_encoder_outputs_to_disk",
    "optimizer names it": "use_8bit_adam use_lion_optimizer",
    "the gradients of an update are a few MB, so that stepping within the backward pass would save nothing": """
        fused_backward_pass""",
    "lr_scheduler is one of those listed there": "lr_scheduler_type",
    "attention is always PyTorch's own (sdpa)": "xformers sdpa mem_eff_attn",
    "models are not compiled": "torch_compile dynamo_backend",
    "the update itself is always float32: it is small, and in half precision small steps would round to none": """
        full_fp16 full_bf16""",
    "mixed_precision is the only choice of precision in training; gradient_checkpointing saves more memory": """
        fp8_base fp8_base_unet""",
    "the VAE leaves the GPU once the pictures are encoded; gradient_checkpointing saves more memory": """
        lowram highvram cpu_offload_checkpointing disable_mmap_load_safetensors""",
    "several GPUs are used by accelerate launch": """
        deepspeed zero_stage offload_optimizer_device offload_optimizer_nvme_path offload_param_device
        offload_param_nvme_path zero3_init_flag zero3_save_16bit_model fp16_master_weights_and_gradients ddp_timeout
        ddp_gradient_as_bucket_view ddp_static_graph""",
    "what libraries say is in the log of a job; --verbose shows it": """
        console_log_level console_log_file console_log_simple""",
    "workers stay as long as an epoch": "persistent_data_loader_workers",
    "figures lie in the run's folder, for TensorBoard; log_with sends them to wandb too": """
        logging_dir log_prefix log_tracker_config""",
    "a key belongs into the environment variable WANDB_API_KEY (on Colab: into Secrets, the key)": "wandb_api_key",
    "give the .toml file itself, without a flag": "config_file output_config",
    "the dataset is train_data_dir and its folders called N_name, subsets, or a dataset_config": """
        in_json dataset_class metadata_file dataset_repeats debug_dataset
        support_dreambooth support_finetuning support_controlnet support_dropout custom_attributes
        network_multiplier""",
    "it is train_batch_size here": "batch_size",
    "trigger_word goes into the file": "metadata_trigger_phrase",
    "a file is given title, author, description, license and tags (metadata_title and so on)": """
        metadata_usage_hint metadata_thumbnail metadata_merged_from metadata_preprocessor
        metadata_is_negative_embedding""",
    "there are two thresholds, general_threshold and character_threshold": """
        thresh meta_threshold model_threshold copyright_threshold artist_threshold""",
    'existing = "append" adds to the captions there are': "append_tags",
    "tagger names the model; it is downloaded once": "repo_id model_dir force_download onnx",
    "captions are written beside the pictures of train_data_dir": "output_path recursive frequency_tags",
    "rating = first or last writes it as a tag": "use_rating_tags use_rating_tags_as_last_tag",
    "other_kinds = quality writes them": "use_quality_tags use_quality_tags_as_last_tag",
    "replace_tags does this, written as a -> b": "tag_replacement",
    "captioner names the model, min_new_tokens and max_new_tokens the length, num_beams how it searches": """
        caption_weights beam_search top_p max_length min_length""",
}
ABSENT = {name: why for why, names in _WHY.items() for name in names.split()}
