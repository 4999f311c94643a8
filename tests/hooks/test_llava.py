"""LLaVA's templates on a tiny LLaVA: the prompts of the release, and the forms in which one dataset is trained."""

from __future__ import annotations

import pytest
from PIL import Image

pytest.importorskip("swift")

from swift_plugins import register  # noqa: F401
from swift_plugins.core.settings import answer_form
from swift_plugins.core.tasks import fakevlm

ANSWER = "This is a fake image. The skin melts."
CHAT, BARE = "forensic_llava1_5", "forensic_llava1_5_bare"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    from swift_plugins.tiny_model import build

    folder = tmp_path_factory.mktemp("tiny") / "llava"
    assert build(folder, [ANSWER, fakevlm.QUESTION], vocab_size=500, architecture="llava1_5") < 2_000_000
    return str(folder)


@pytest.fixture(scope="module")
def image(tmp_path_factory):
    path = tmp_path_factory.mktemp("image") / "x.png"
    Image.new("RGB", (200, 120), "teal").save(path)
    return str(path)


@pytest.fixture
def encode(tiny, image, monkeypatch):
    """Encode a row with a template as training does, or without its answer as prediction does."""
    from swift.model import get_processor
    from swift.template import TemplateInputs, get_template

    monkeypatch.delenv("ANSWER_FORM", raising=False)

    def call(template=CHAT, answer=ANSWER, **options):
        processor = get_processor(tiny, model_type="llava1_5_hf", **options)
        found = get_template(processor, template_type=template)
        found.set_mode("train" if answer is not None else "transformers")
        messages = [{"role": "user", "content": fakevlm.QUESTION}]
        messages += [{"role": "assistant", "content": answer}] if answer is not None else []
        return found, found.encode(TemplateInputs.from_dict({"messages": messages, "images": [image]}))

    return call


def said(template, encoded):
    """The prompt, with one sign for all of an image's tokens, and the text that is learned."""
    ids, labels = encoded["input_ids"], encoded.get("labels") or [-100] * len(encoded["input_ids"])
    prompt = [i for i, label in zip(ids, labels, strict=True) if label == -100]
    image_token = template.image_token_index
    assert prompt.count(image_token) == 36  # 84 x 84 px in patches of 14
    first = prompt.index(image_token)
    prompt = prompt[: first + 1] + prompt[first + 36 :]
    return template.tokenizer.decode(prompt), template.tokenizer.decode([i for i in labels if i != -100])


def test_the_chat_is_the_one_the_release_trains_with(encode):
    prompt, learned = said(*encode())
    assert prompt == "<s>USER: <image>\nDoes the image looks real/fake? ASSISTANT:"
    assert learned == ANSWER + "</s>"


def test_the_bare_question_is_what_the_release_evaluates_with(encode):
    prompt, learned = said(*encode(BARE))
    assert prompt == "<s><image>Does the image looks real/fake?"
    assert learned == ANSWER + "</s>"


def test_prediction_asks_what_training_asked(encode):
    for name in (CHAT, BARE):
        assert said(*encode(name, None)) == (said(*encode(name))[0], "")


def test_the_image_processor_crops_what_the_model_sees(encode):
    assert tuple(encode()[1]["pixel_values"].shape[-2:]) == (84, 84)


@pytest.mark.parametrize(
    ("answer", "word"),
    [(ANSWER, "Fake"), ("This is a real image.", "Real"), ("The person's eyes look fake. They differ.", "Fake")],
)
def test_the_word_form_leaves_the_verdict(encode, monkeypatch, answer, word):
    monkeypatch.setenv("ANSWER_FORM", "word")
    prompt, learned = said(*encode(CHAT, answer))
    assert learned == word + "</s>"
    assert prompt.endswith("real/fake? ASSISTANT:")


@pytest.mark.parametrize(("answer", "label"), [(ANSWER, 1), ("This is a real image. All is well.", 0)])
def test_a_head_learns_the_class_and_never_sees_the_answer(encode, answer, label):
    template, encoded = encode(
        CHAT, answer, task_type="seq_cls", num_labels=2, problem_type="single_label_classification"
    )
    assert encoded["labels"] == label == fakevlm.VERDICTS.index(answer.split()[3])
    text = template.tokenizer.decode(encoded["input_ids"])
    assert text.endswith("real/fake? ASSISTANT:")
    assert answer not in text


def test_an_answer_of_another_task_has_no_other_form(encode, monkeypatch):
    monkeypatch.setenv("ANSWER_FORM", "word")
    with pytest.raises(ValueError, match="only answers of the task fakevlm have other forms"):
        encode(CHAT, "<score>4</score>")


def test_a_form_that_is_not_known_is_named(monkeypatch):
    monkeypatch.setenv("ANSWER_FORM", "words")
    with pytest.raises(ValueError, match="unknown ANSWER_FORM 'words'; did you mean 'word'"):
        answer_form()


def test_the_tiny_llava_loads_with_plain_transformers_and_answers_about_an_image(tiny, image):
    from transformers import AutoModelForImageTextToText, AutoProcessor

    processor, model = AutoProcessor.from_pretrained(tiny), AutoModelForImageTextToText.from_pretrained(tiny)
    inputs = processor(text="USER: <image>\nReal? ASSISTANT:", images=Image.open(image), return_tensors="pt")
    assert int((inputs["input_ids"] == model.config.image_token_id).sum()) == 36
    out = model.generate(**inputs, max_new_tokens=4, do_sample=False)
    assert out.shape[1] > inputs["input_ids"].shape[1]
    assert processor.tokenizer.decode(processor.tokenizer(ANSWER)["input_ids"]) == ANSWER


def test_a_probe_reads_the_same_features_beside_a_head(tiny, image):
    """The mean of the last layer's states of an image's 36 tokens, here taken from plain transformers."""
    import torch
    from transformers import AutoModelForImageTextToText, AutoProcessor

    from swift_plugins.answering.engine import Engine

    model = {"model": tiny, "adapter": None, "model_type": "llava1_5_hf", "template": CHAT, "torch_dtype": "float32"}
    rows = [
        {"messages": [{"role": "user", "content": text}], "images": [image]}
        for text in (fakevlm.QUESTION, f"{fakevlm.QUESTION} Look closely.")
    ]
    alone, head = (Engine(model | {"task_type": kind}, 2, 1).features(rows) for kind in ("causal_lm", "seq_cls"))
    processor, network = AutoProcessor.from_pretrained(tiny), AutoModelForImageTextToText.from_pretrained(tiny)
    inputs = processor(
        text="<s>USER: <image>\nDoes the image looks real/fake? ASSISTANT:",
        images=Image.open(image),
        return_tensors="pt",
    )
    with torch.no_grad():
        states = network(**inputs, output_hidden_states=True).hidden_states[-1][0]
    wanted = states[inputs["input_ids"][0] == network.config.image_token_id].mean(0)
    for found in (alone, head):
        assert found.shape == (2, 128)
        assert found[0] == pytest.approx(wanted.numpy(), abs=1e-4)
    assert alone[1] == pytest.approx(alone[0], abs=1e-4)  # what stands behind the image is not seen, nor is padding


def test_a_batch_without_images_runs_the_tower_and_learns_nothing_there(tiny):
    """Ranks of one step that see other media, or none, must not wait for each other."""
    import torch
    from swift.model import get_model_processor
    from swift.template import TemplateInputs, get_template

    model, processor = get_model_processor(tiny, model_type="llava1_5_hf", torch_dtype=torch.float32, device_map="cpu")
    template = get_template(processor, template_type=CHAT)
    template.set_mode("train")
    messages = [{"role": "user", "content": "Is it?"}, {"role": "assistant", "content": ANSWER}]
    batch = template.data_collator([template.encode(TemplateInputs.from_dict({"messages": messages}))])
    with torch.no_grad():
        plain = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
    template.register_post_encode_hook([model])
    logits = model(**{key: value for key, value in batch.items() if value is not None}).logits
    assert torch.allclose(logits, plain, atol=1e-6)
    logits.sum().backward()
    ran = [*model.model.vision_tower.parameters()], [*model.model.multi_modal_projector.parameters()]
    assert [any(one.grad is not None for one in part) for part in ran] == [True, True]
    assert not any(one.grad is not None and one.grad.any() for part in ran for one in part)
