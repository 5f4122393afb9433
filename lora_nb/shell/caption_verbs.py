"""The subcommands that write captions: a config in, the work done, what came of it out."""

from lora_nb.config.captioning import CaptionConfig, TagConfig
from lora_nb.config.dataset import RecodeConfig, TopTagsConfig, TriggerConfig
from lora_nb.dataset import captions, gate, handover
from lora_nb.dataset.images import scan
from lora_nb.events import Finished, Poll, Tell
from lora_nb.shell import outcomes
from lora_nb.shell.given import check_filled, dataset_of, folders_of, name_some, with_pictures
from lora_nb.shell.verb import Verb


def tag_pictures(config: TagConfig, tell: Tell, poll: Poll) -> Finished:
    """Write WD14 tags beside every picture."""
    check_filled(config)
    from lora_nb.captioning.tagger import tag_images

    return _captioned(config, tag_images(config, tell), ("tagged", "tags"), tell)


def caption_pictures(config: CaptionConfig, tell: Tell, poll: Poll) -> Finished:
    """Write a BLIP sentence beside every picture."""
    check_filled(config)
    from lora_nb.captioning.captioner import caption_images

    return _captioned(config, caption_images(config, tell), ("captioned", "sentences"), tell)


def _captioned(
    config: TagConfig | CaptionConfig, report: captions.CaptionReport, words: tuple[str, str], tell: Tell
) -> Finished:
    """What came of it; `words` are what was done, and the kind of captions there are now."""
    name_some(tell, "Failed", report.failed)
    kind = (
        {"caption_kind": words[1]} if report.tagged else {}
    )  # captions that were brought along stay what they are
    handover.refresh(folders_of(config), tell, **kind)
    return outcomes.of_captions(words[0], report, config.train_data_dir)


def put_trigger(config: TriggerConfig, tell: Tell, poll: Poll) -> Finished:
    """Put the trigger word first in every caption, in place of the earlier one."""
    if not config.trigger_word.strip() and not config.remove_tags:
        raise ValueError(
            'trigger_word is empty: give the word that shall call the LoRA, e.g. --trigger_word "ohwx cat"'
        )
    folders = folders_of(config)
    earlier = handover.read(folders, tell).trigger_word
    with gate.step(dataset_of(config), "trigger", {"trigger_word": earlier}) as changes:
        found = scan(dataset_of(config), verify=False, tell=tell, caption_encoding=config.caption_encoding)
        images = [item.path for item in with_pictures(found, config).items]
        changed = captions.apply_trigger(images, config, earlier, changes.write)
    if len(found.unsure) == len(images):
        raise ValueError(f"no caption was changed: of none of the {len(images)} it is sure what it says")
    if config.trigger_word.strip():
        handover.remember(folders, tell, trigger_word=config.trigger_word)
    else:
        handover.refresh(folders, tell)
    if not changed:
        return Finished("nothing", f"0 of {len(images)} captions changed: they are as asked already.")
    return Finished("done", f"{changed} of {len(images)} captions changed.")


def recode_captions(config: RecodeConfig, tell: Tell, poll: Poll) -> Finished:
    """Write captions of another encoding anew in UTF-8."""
    with gate.step(dataset_of(config), "recode") as changes:
        found = scan(dataset_of(config), verify=False, tell=tell, caption_encoding=config.caption_encoding)
        images = [item.path for item in with_pictures(found, config).items]
        changed = captions.rewrite(images, str, config.caption_encoding, changes.write)
    if changed:
        return Finished(
            "done", f"{changed} captions are in UTF-8 now; {len(found.unsure)} are left as they were."
        )
    if found.unsure:
        raise ValueError(
            f"no caption was changed: of {len(found.unsure)} it is not sure what they say; name their encoding with "
            "--caption_encoding (cp1252, shift_jis, gb18030, ...)"
        )
    return Finished("nothing", "All captions are in UTF-8 already.")


def list_tags(config: TopTagsConfig, tell: Tell, poll: Poll) -> Finished:
    """List the most frequent tags."""
    counts = captions.top_tags(dataset_of(config), config.number)
    if not counts:
        raise ValueError(
            f"no picture in {config.train_data_dir} has a caption: write them with tag or caption"
        )
    return Finished("done", "\n".join(f"{count:6d}  {tag}" for tag, count in counts))


VERBS = {
    "tag": Verb(TagConfig, tag_pictures, loads=True),
    "caption": Verb(CaptionConfig, caption_pictures, loads=True),
    "trigger": Verb(TriggerConfig, put_trigger),
    "recode": Verb(RecodeConfig, recode_captions),
    "top_tags": Verb(TopTagsConfig, list_tags),
}
