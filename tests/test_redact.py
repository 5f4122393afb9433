import json

import pytest

from lora_nb.redact import holds_secret, redact

SECRET = "hf_AbCdEfGh1234567890"
WITH_SECRET = [
    (f"https://user:{SECRET}@huggingface.co/a/b", "https://***@huggingface.co/a/b"),
    (f"https://{SECRET}@huggingface.co/a/b", "https://***@huggingface.co/a/b"),
    ("ftp://me:p@ss@host/x.zip?raw=1", "ftp://***@host/x.zip?raw=1"),
    (f"https://civitai.com/m/1?type=Model&token={32 * 'a'}&x=1", "https://civitai.com/m/1?type=Model&token=***&x=1"),
    ("https://x/y?api_key=SECRET#top", "https://x/y?api_key=***"),
    ("https://x/y?APIKEY=SECRET", "https://x/y?APIKEY=***"),
    ("https://s3/x?X-Amz-Signature=0123abcd", "https://s3/x?X-Amz-Signature=***"),
    ("https://drive.google.com/uc?id=1&key=AIza12", "https://drive.google.com/uc?id=1&key=***"),
    ("Authorization: Bearer abcDEF123", "Authorization: Bearer ***"),
    ("Authorization: Basic dXNlcjpwYXNz", "Authorization: Basic ***"),
    ("authorization: abcDEF123", "authorization: ***"),
    (f"HF_TOKEN={SECRET} python", "HF_TOKEN=*** python"),
    ("--token=abcdEFGH", "--token=***"),
    (f"ohwx, {SECRET}, cat", "ohwx, hf_***, cat"),
    ("hf_" + 34 * "x", "hf_***"),
    ("ghp_" + 36 * "x", "ghp_***"),
    (json.dumps({"api_key": "0123abcd", "n": 1}), '{"api_key": "***", "n": 1}'),
]  # fmt: skip


@pytest.mark.parametrize(("text", "left"), WITH_SECRET)
def test_what_is_secret_goes_and_the_rest_stays(text, left):
    assert redact(text) == left == redact(left)
    assert holds_secret(text) and holds_secret(left)


@pytest.mark.parametrize(
    "text",
    [
        "masterpiece, 1girl, token, (secret:1.25), (password:1.3)",
        "max_token_length = 75",
        "longest caption in tokens: 225",
        "hf_portrait",
        "a bearer of bad news, basic shapes",
        "https://host/a@b/c.zip?id=3&confirm=yes",
        "owner/name, me@mail.com, a *** b",
        "/content/drive/MyDrive/sk-my_tokens/key=1.zip",
        "keep_tokens = 1",
        "https://huggingface.co/stable-diffusion-v1-5/stable-diffusion-v1-5",
    ],
)
def test_words_are_left_alone(text):
    assert redact(text) == text and not holds_secret(text)
