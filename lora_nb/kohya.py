"""Settings of sd-scripts that lora_nb does not have: what they are, and what here comes nearest.

Read from sd-scripts 48d368fa: train_network.py and what it calls, its dataset files, its tagger and captioner. Those
that are here under another name say so in config.py (`kohya=`).
"""

_WHY = {
    "how much regularisation pictures count; diff_output_preservation keeps the base without any": """
        prior_loss_weight""",
    "it belongs into one of the subsets": "is_reg class_tokens image_dir conditioning_data_dir",
    "only plain LoRA is trained here, of rank and alpha": "network_module network_args conv_dim conv_alpha algo",
    "no part of the U-Net is treated apart from the others": """
        block_dims block_alphas conv_block_dims conv_block_alphas down_lr_weight mid_lr_weight up_lr_weight
        block_lr_zero_threshold""",
    "both factors of the update learn at the same rate": """
        loraplus_lr_ratio loraplus_unet_lr_ratio loraplus_text_encoder_lr_ratio""",
    "of the ways to leave parts of the update out there is dropout (network_dropout)": """
        rank_dropout module_dropout""",
    "the update is not limited; a lower learning_rate or max_grad_norm holds it back": "scale_weight_norms",
    "a run begins from nothing or goes on with its own state (on_existing)": """
        network_weights dim_from_weights base_weights base_weights_multiplier initial_epoch initial_step
        skip_until_initial_step resume resume_from_huggingface""",
    "text_encoder_lr = 0 trains the U-Net alone": "network_train_unet_only",
    "learning_rate = 0 trains the text encoder alone": "network_train_text_encoder_only",
    "the state of a run is always kept; save_state_every_n_steps says how often": """
        save_state save_state_on_train_end save_last_n_epochs_state save_last_n_steps_state""",
    "files are saved by epoch (save_every_n_epochs, save_last_n_epochs), or by the button": """
        save_every_n_steps save_last_n_steps save_n_epoch_ratio""",
    "files are always .safetensors": "save_model_as use_safetensors",
    "nothing is uploaded to the Hugging Face Hub": """
        huggingface_repo_id huggingface_repo_type huggingface_path_in_repo huggingface_token
        huggingface_repo_visibility save_state_to_huggingface async_upload""",
    "only the Stable Diffusion 1.5 family can be trained here": """
        v2 text_encoder_batch_size weighting_scheme
        logit_mean logit_std mode_scale blocks_to_swap""",
    'prediction_type = "v_prediction" says that the base predicts v': "v_parameterization",
    "the base's own VAE is used, in full precision": "vae no_half_vae",
    "every download is kept in Hugging Face's own cache": "tokenizer_cache_dir",
    "latents are encoded at the start and kept, in memory or with cache_latents_to_disk": """
        cache_latents skip_cache_check cache_info""",
    "cache_text_encoder_outputs keeps them in memory": "cache_text_encoder_outputs_to_disk",
    "optimizer is AdamW or AdamW8bit": "use_8bit_adam use_lion_optimizer fused_backward_pass",
    "of the optimizer's arguments there is weight_decay": "optimizer_args",
    "lr_scheduler is one of those listed there, with lr_scheduler_num_cycles and lr_scheduler_power": """
        lr_scheduler_type lr_scheduler_args lr_decay_steps lr_scheduler_timescale lr_scheduler_min_lr_ratio""",
    "attention is always PyTorch's own (sdpa)": "xformers sdpa mem_eff_attn",
    "models are not compiled": "torch_compile dynamo_backend",
    "mixed_precision is the only choice of precision in training; the update itself is float32": """
        full_fp16 full_bf16 fp8_base fp8_base_unet""",
    "the VAE leaves the GPU once the pictures are encoded; gradient_checkpointing saves more memory": """
        lowram highvram cpu_offload_checkpointing disable_mmap_load_safetensors""",
    "several GPUs are used by accelerate launch": """
        deepspeed zero_stage offload_optimizer_device offload_optimizer_nvme_path offload_param_device
        offload_param_nvme_path zero3_init_flag zero3_save_16bit_model fp16_master_weights_and_gradients ddp_timeout
        ddp_gradient_as_bucket_view ddp_static_graph""",
    "workers stay as long as an epoch": "persistent_data_loader_workers",
    "logs go to the project's logs folder, for TensorBoard": """
        logging_dir log_with log_prefix log_tracker_name log_tracker_config log_config wandb_run_name wandb_api_key""",
    "of the ways to change the noise there is noise_offset": """
        noise_offset_random_strength multires_noise_iterations multires_noise_discount adaptive_noise_scale
        ip_noise_gamma ip_noise_gamma_random_strength""",
    "timesteps are drawn from all there are": "min_timestep max_timestep",
    "the loss is the mean squared error, weighted by min_snr_gamma": """
        loss_type huber_schedule huber_c huber_scale scale_v_pred_loss_like_noise_pred v_pred_like_loss
        debiased_estimation_loss""",
    "no part of a picture counts more than another": "masked_loss",
    "a word has no weight in a caption": "weighted_captions",
    "samples are drawn at epochs (sample_every_n_epochs), or by the button": "sample_every_n_steps sample_at_first",
    "samples are drawn with DPM++ 2M Karras": "sample_sampler",
    "no pictures are held back to measure with": """
        validation_seed validation_split validate_every_n_steps validate_every_n_epochs max_validation_steps""",
    "give the .toml file itself, without a flag": "config_file output_config",
    "the dataset is train_data_dir and its folders called N_name, subsets, or a dataset_config": """
        in_json dataset_class metadata_file dataset_repeats debug_dataset
        support_dreambooth support_finetuning support_controlnet support_dropout custom_attributes
        network_multiplier""",
    "it is train_batch_size here": "batch_size",
    "of the ways to vary a picture there are flip_aug, color_aug and random_crop; Dataset Maker crops to faces": """
        face_crop_aug_range""",
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
