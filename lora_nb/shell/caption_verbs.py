"""The subcommands that write captions: a config in, the work done, what came of it out."""

from lora_nb.captioning import bulk, medium, suggestions, triggers
from lora_nb.captioning.bulk import EditPlan
from lora_nb.captioning.triggers import Triggers
from lora_nb.config.captioning import CaptionConfig, EditTagsConfig, SuggestConfig, TagConfig
from lora_nb.config.dataset import RecodeConfig, TopTagsConfig, TriggerConfig
from lora_nb.dataset import captions, gate, handover
from lora_nb.dataset.images import scan
from lora_nb.events import Finished, Poll, Tell
from lora_nb.shell import outcomes
from lora_nb.shell.given import MOST_NAMED, check_filled, dataset_of, folders_of, name_some, with_pictures
from lora_nb.shell.verb import Verb
from lora_nb.wording import counted


def tag_pictures(config: TagConfig, tell: Tell, poll: Poll) -> Finished:
    """Write WD14 tags beside every picture."""
    check_filled(config)
    from lora_nb.captioning.tagger import tag_images

    return _captioned(config, tag_images(config, tell), ("tagged", "tags"), tell)


def caption_pictures(config: CaptionConfig, tell: Tell, poll: Poll) -> Finished:
    """Write a sentence beside every picture."""
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
    if not (config.trigger_word.strip() or config.remove_tags or config.subset_triggers):
        raise ValueError(
            'trigger_word is empty: give the word that shall call the LoRA, e.g. --trigger_word "ohwx cat"'
        )
    folders = folders_of(config)
    earlier, own = Triggers.read(folders, tell), triggers.own_words(config)
    note = {
        "trigger_word": earlier.common,
        "subset_triggers": {name: earlier.own.get(name, "") for name in own},
    }
    with gate.step(dataset_of(config), "trigger", note) as changes:
        found = scan(dataset_of(config), verify=False, tell=tell, caption_encoding=config.caption_encoding)
        images = with_pictures(found, config).items
        changed = triggers.apply_triggers(images, config, earlier, changes.write)
    if len(found.unsure) == len(images):
        raise ValueError(f"no caption was changed: of none of the {len(images)} it is sure what it says")
    _remember_words(config, own, tell)
    if not changed:
        return Finished(
            "nothing", f"0 of {counted(len(images), 'caption')} changed: they are as asked already."
        )
    return Finished("done", f"{changed} of {counted(len(images), 'caption')} changed.")


def _remember_words(config: TriggerConfig, own: dict[str, str], tell: Tell) -> None:
    folders = folders_of(config)
    if config.trigger_word.strip():
        handover.remember(folders, tell, trigger_word=config.trigger_word)
    else:
        handover.refresh(folders, tell)
    if own:
        handover.remember_subsets(folders, own, tell)


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


def edit_tags(config: EditTagsConfig, tell: Tell, poll: Poll) -> Finished:
    """Add, remove, replace, sort or clean tags in many captions; `--dry_run` only shows what would change."""
    check_filled(config)
    plan = bulk.plan_edit(config, tell) if config.dry_run else bulk.apply_edit(config, tell)
    name_some(
        tell, "Would change" if config.dry_run else "Changed", [_difference(each) for each in plan.changes]
    )
    if plan.changes and not config.dry_run:
        handover.refresh(folders_of(config), tell)
    return _edited(plan, config.dry_run)


def _difference(change: bulk.Change) -> tuple[str, str]:
    return change.name, f"{outcomes.excerpt(change.old)} -> {outcomes.excerpt(change.new)}"


def _edited(plan: EditPlan, dry_run: bool) -> Finished:
    if not plan.changes:
        return Finished("nothing", f"0 of {plan.seen} captions change: none holds what was asked for.")
    lines = [f"  {tag}: {before} -> {after}" for tag, (before, after) in plan.deltas.items()]
    more = [f"  ... and {len(lines) - MOST_NAMED} more tags"] if len(lines) > MOST_NAMED else []
    words = (
        "captions would change; nothing is written."
        if dry_run
        else "captions changed; `undo` brings them back."
    )
    return Finished(
        "done", "\n".join([f"{len(plan.changes)} of {plan.seen} {words}", *lines[:MOST_NAMED], *more])
    )


def suggest(config: SuggestConfig, tell: Tell, poll: Poll) -> Finished:
    """Say whether tags or sentences suit the pictures, and which tags the trigger word could stand for."""
    check_filled(config)
    items = scan(dataset_of(config), verify=False, tell=tell).items
    judged = medium.judge([item.path for item in items], tell)
    texts = [item.caption or "" for item in items]
    words = Triggers.read(folders_of(config)).all
    found = suggestions.to_bind(texts, words, config.share, config.features)
    lines = [f"  {each.tag}: {each.count} of {len(texts)} pictures" for each in found]
    bind = ["The trigger word could stand for these tags.", *lines, suggestions.MEANING] if found else []
    return Finished("done", "\n".join([judged.sentence, *bind]))


VERBS = {
    "tag": Verb(TagConfig, tag_pictures, loads=True),
    "caption": Verb(CaptionConfig, caption_pictures, loads=True),
    "trigger": Verb(TriggerConfig, put_trigger),
    "edit_tags": Verb(EditTagsConfig, edit_tags),
    "suggest": Verb(SuggestConfig, suggest),
    "recode": Verb(RecodeConfig, recode_captions),
    "top_tags": Verb(TopTagsConfig, list_tags),
}
