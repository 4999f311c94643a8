"""A row of which truncation would leave nothing to learn is refused; any other is cut."""

from __future__ import annotations

import pytest

pytest.importorskip("swift")

from swift_plugins import register  # noqa: F401

TURNS = [{"role": "user", "content": "Is it real?"}, {"role": "assistant", "content": "This is a fake image. " * 9}]


@pytest.fixture(scope="module")
def template(tmp_path_factory):
    from swift.model import get_processor
    from swift.template import get_template

    from swift_plugins.tiny_model import build

    folder = tmp_path_factory.mktemp("tiny")
    build(folder, ["This is a fake image."], vocab_size=400, architecture="llava1_5")
    found = get_template(
        get_processor(str(folder), model_type="llava1_5_hf"),
        template_type="forensic_llava1_5",
        truncation_strategy="right",
        max_length=80,
    )
    found.set_mode("train")
    return found


def encoded(template, max_length):
    from swift.template import TemplateInputs

    template.max_length = max_length
    return template.encode(TemplateInputs.from_dict({"messages": TURNS}))


def test_truncation_leaves_something_to_learn(template):
    whole = encoded(template, 4096)
    prompt = sum(label == -100 for label in whole["labels"])
    cut = encoded(template, prompt + 3)
    assert cut["input_ids"] == whole["input_ids"][: prompt + 3]
    assert sum(label != -100 for label in cut["labels"]) == 3
    with pytest.raises(ValueError, match=f"max_length keeps {prompt}, and none of the answer's is among them: raise"):
        encoded(template, prompt)
