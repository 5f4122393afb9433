"""The subcommands by their names."""

from lora_nb.shell import (
    base_verbs,
    caption_verbs,
    compare_verbs,
    dataset_verbs,
    figure_verbs,
    gallery_verbs,
    intake_verbs,
    picture_verbs,
    queue_verbs,
    report_verbs,
    result_verbs,
    run_verbs,
    settings_verbs,
    version_verbs,
)

VERBS = {
    **intake_verbs.VERBS,
    **picture_verbs.VERBS,
    **caption_verbs.VERBS,
    **dataset_verbs.VERBS,
    **gallery_verbs.VERBS,
    **version_verbs.VERBS,
    **report_verbs.VERBS,
    **run_verbs.VERBS,
    **queue_verbs.VERBS,
    **figure_verbs.VERBS,
    **result_verbs.VERBS,
    **compare_verbs.VERBS,
    **settings_verbs.VERBS,
    **base_verbs.VERBS,
}
