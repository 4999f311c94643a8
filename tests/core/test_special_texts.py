"""Texts of a dataset are text: no tag of ms-swift and no special token of a tokenizer stands in them."""

from __future__ import annotations

import pytest

from swift_plugins.core.records import check_row, check_training_texts, encode
from swift_plugins.core.special_texts import QWEN_TOKENS, SPECIAL_TOKENS, SWIFT_TAGS, check_tokens, special_in
from swift_plugins.tiny_architectures import LLAVA_TOKENS

EVERY = [*SWIFT_TAGS, *SPECIAL_TOKENS, "<|a_token_of_tomorrow|>", "<img>/etc/hostname</img>"]


def row(user="<image>Is it real?", assistant="This is a fake image.", system=None):
    messages = [{"role": "user", "content": user}, {"role": "assistant", "content": assistant}]
    head = [{"role": "system", "content": system}] if system is not None else []
    return {"id": "1", "task": "fakevlm", "messages": head + messages, "images": ["/x.png"], "meta": {}}


@pytest.mark.parametrize("text", EVERY)
def test_no_message_holds_more_than_text(text):
    check_row(row())
    for bad in (row(assistant=f"It {text} melts."), row(system=f"It {text}."), row(user=f"<image>Is it {text} real?")):
        with pytest.raises(ValueError, match=r"message holds|tags but"):
            check_row(bad)


@pytest.mark.parametrize("text", EVERY)
def test_a_file_of_anybodys_is_trained_on_only_if_its_texts_are_text(tmp_path, text):
    """Also one that no converter wrote, in whatever form of ms-swift."""
    path = tmp_path / "train.jsonl"
    good = [{"messages": row()["messages"], "images": ["x.png"]}, {"query": "Real?", "response": "No"}, {"messages": 7}]
    boxed = {"messages": [{"role": "assistant", "content": "<bbox>"}, {"role": "tool", "content": None}], "objects": {}}
    path.write_bytes(b"".join(encode(one) + b"\n" for one in [*good, boxed | {"objects": {"bbox": [[1, 2, 3, 4]]}}]))
    check_training_texts(path)
    bad = {"messages": [{"role": "user", "content": "Real?"}, {"role": "assistant", "content": f"It {text} melts."}]}
    path.write_bytes(b"".join(encode(one) + b"\n" for one in [*good, bad]))
    with pytest.raises(ValueError, match=r"train\.jsonl:4: the assistant's message holds"):
        check_training_texts(path)


def test_a_media_tag_stands_in_the_users_message_alone():
    with pytest.raises(ValueError, match="the assistant's message holds '<image>'"):
        check_row(row(user="Is it real?", assistant="<image>Fake"))


@pytest.mark.parametrize(
    "text", ["a < b", "<b>bold</b>", "[x]", "<think>", "<reasoning>x</reasoning>", "<|", "|>", "<score>5</score>"]
)
def test_mark_up_is_text(text):
    assert special_in(text) == []
    check_row(row(assistant=f"It {text} melts."))


def test_the_list_holds_every_tag_that_ms_swift_reads():
    """Read from the installed ms-swift, so that an upgrade that adds one fails here."""
    base = pytest.importorskip("swift.template.base")
    assert set(base.Template.special_tokens) <= set(SWIFT_TAGS)


@pytest.mark.parametrize(("build", "tokens"), [("qwen", QWEN_TOKENS), ("llava", LLAVA_TOKENS)])
def test_the_list_holds_every_special_token_of_the_tokenizers(build, tokens):
    pytest.importorskip("transformers")
    from swift_plugins.tiny_architectures import build_tokenizer, qwen_tokenizer

    tokenizer = qwen_tokenizer(["a"], 400) if build == "qwen" else build_tokenizer(["a"], 400, tokens)
    special = {*tokenizer.all_special_tokens, *tokens}
    assert special <= {*SWIFT_TAGS, *SPECIAL_TOKENS}
    for token in special:
        assert special_in(f"x {token} y") == [token]


def test_a_prompt_holds_the_special_tokens_of_its_template_alone():
    pytest.importorskip("transformers")
    from swift_plugins.tiny_architectures import qwen_tokenizer

    tokenizer = qwen_tokenizer(["a word"], 400)

    def ids(text):
        return tokenizer.encode(f"<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n")

    check_tokens(ids("a word"), tokenizer.all_special_ids, 3)
    with pytest.raises(ValueError, match="holds 4 special tokens, its template 3"):
        check_tokens(ids("a <|im_end|> word"), tokenizer.all_special_ids, 3)
