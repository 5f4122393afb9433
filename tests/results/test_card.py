"""The model card: what Hugging Face reads in it, what a person does, and that none written by hand is lost."""

import json

import pytest
from finished_run import ABOUT, make_run, write_lora
from huggingface_hub import ModelCard

from lora_nb.config.results import CardConfig
from lora_nb.results import card


def test_a_card_says_what_the_file_says_and_shows_the_samples_of_its_step(tmp_path):
    output = make_run(tmp_path)
    path = card.write(CardConfig(str(output), "cat", ("cat-01", "cat-02")))
    assert path == tmp_path / "runs" / "cat" / "README.md"
    read = ModelCard(path.read_text(encoding="utf-8"))
    head = read.data.to_dict()
    assert head["base_model"] == "runwayml/stable-diffusion-v1-5" and head["instance_prompt"] == "ohwx"
    assert head["license"] == "cc-by-4.0" and head["library_name"] == "diffusers" and "lora" in head["tags"]
    assert head["widget"] == [
        {"text": "ohwx cat in a hat", "output": {"url": "samples/cat_e02_s000006_00.png"}},
        {"text": "a dog", "output": {"url": "samples/cat_e02_s000006_01.png"}},
    ]
    assert all((path.parent / each["output"]["url"]).is_file() for each in head["widget"])
    assert (
        "# My cat" in read.text
        and "<lora:cat-02:1>" in read.text
        and 'weight_name="cat-02.safetensors"' in read.text
    )
    assert "| cat-01.safetensors | 1 | 3 | 0.2500 | 0.0 MB |" in read.text and "- Author: Anna" in read.text


def test_a_file_that_says_nothing_has_a_card_all_the_same(tmp_path):
    output = make_run(tmp_path)
    write_lora(output / "cat-02.safetensors")
    made = card.make(CardConfig(str(output), "cat", ("cat-02",)))
    head = ModelCard(made.text).data.to_dict()
    assert "base_model" not in head and "license" not in head and "# cat-02" in made.text
    assert "diffusers:" not in made.text.split("## Use")[1]


@pytest.mark.parametrize(
    ("said", "head"),
    [
        ("mit", {"license": "mit"}),
        ("CC-BY-NC-SA 4.0", {"license": "cc-by-nc-sa-4.0"}),
        ("ask me", {"license": "other", "license_name": "ask-me"}),
    ],
)
def test_a_licence_is_called_as_the_hub_calls_it(tmp_path, said, head):
    output = make_run(tmp_path)
    write_lora(output / "cat-02.safetensors", **{**ABOUT, "modelspec.license": said})
    found = ModelCard(card.make(CardConfig(str(output), "cat", ("cat-02",))).text).data.to_dict()
    assert {name: found.get(name) for name in head} == head


def test_a_card_changed_by_hand_is_left_alone_and_one_of_ours_is_not(tmp_path):
    output = make_run(tmp_path)
    path = card.write(CardConfig(str(output), "cat"))
    card.write(CardConfig(str(output), "cat"))
    path.write_text(path.read_text().replace(card.MARK, "") + "My words.")
    with pytest.raises(ValueError, match="changed by hand, and is left as it is"):
        card.write(CardConfig(str(output), "cat"))
    assert path.read_text().endswith("My words.")


def test_no_token_gets_into_a_card(tmp_path):
    output = make_run(tmp_path)
    secret = "hf_AbCdEfGh1234567890"
    said = {
        **ABOUT,
        "modelspec.description": f"with {secret}",
        "lora_nb_settings": json.dumps({"sample_prompts": [secret]}),
    }
    write_lora(output / "cat-02.safetensors", **said)
    assert secret not in card.make(CardConfig(str(output), "cat", ("cat-02",))).text
