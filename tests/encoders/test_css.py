"""CSS with a real small sentence encoder that comes as a package, against pooling by hand."""

import os
import shutil
import sys

import pytest

from eval.encoders.css import similarities
from tests.scorers.test_fakevlm import answered
from tests.scoring import dfj_row, refusal, score_rows

SMOOTH = "The fur is unnaturally smooth and lacks any texture."
PAIRS = [
    (SMOOTH, SMOOTH),
    (SMOOTH, "The animal's coat looks far too soft, without fine detail."),
    (SMOOTH, "Quarterly revenue of the bank rose in Asia."),
    ("", SMOOTH),
    (SMOOTH, "  "),
]


def cosines_by_hand(pairs, encoder):
    """The mean of the last layer's states of each text, without padding, one text at a time."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder).eval()

    def embed(text):
        with torch.no_grad():
            return model(**tokenizer(text, return_tensors="pt", truncation=True, max_length=256)).last_hidden_state[0]

    return [float(torch.cosine_similarity(embed(a).mean(0), embed(b).mean(0), dim=0)) for a, b in pairs]


@pytest.mark.slow
def test_values_are_those_of_mean_pooling_by_hand(encoder):
    found = similarities(PAIRS, encoder)
    assert found[0] == 1
    assert found[1] > 0.6 > 0.2 > found[2]
    assert found[3:] == [0, 0]
    assert found[:3] == pytest.approx([max(0, x) for x in cosines_by_hand(PAIRS[:3], encoder)], abs=1e-4)
    assert min(cosines_by_hand(PAIRS[:3], encoder)) < 0 == found[2]  # a negative cosine counts as 0


@pytest.mark.slow
def test_values_depend_on_neither_batches_nor_order_nor_other_rows(encoder):
    pairs = PAIRS + [(f"{SMOOTH} " * i, "A hand has six fingers.") for i in range(1, 9)]
    found = similarities(pairs, encoder, batch_size=64)
    assert similarities(pairs, encoder, batch_size=1) == pytest.approx(found, abs=1e-5)
    assert similarities(pairs[::-1], encoder)[::-1] == found
    assert similarities(pairs[1:2], encoder) == pytest.approx(found[1:2], abs=1e-5)


@pytest.mark.slow
def test_a_long_text_is_cut_to_what_the_encoder_reads(encoder):
    long = "shadow " * 400
    assert similarities([(long, f"{long} {SMOOTH}")], encoder) == pytest.approx([1], abs=1e-5)


@pytest.mark.slow
def test_the_report_holds_both_scores_and_what_computed_them(encoder, tmp_path):
    gold = "This is a fake image."
    rows = [
        answered("a", "fake", f"{gold} {SMOOTH}", gold=SMOOTH),
        answered("b", "fake", gold, gold=SMOOTH),
        answered("c", "fake", SMOOTH, gold=SMOOTH),
        answered("d", "real", gold, gold=""),
    ]
    report = score_rows(tmp_path, rows, "--css", encoder, "--out", tmp_path / "report")
    assert report["metrics"]["css"]["n"] == 3
    assert report["metrics"]["css"]["value"] == pytest.approx(100 / 3, abs=1e-4)  # none and unparsed count as 0
    whole = similarities([(row["response"], row["labels"]) for row in rows[:3]], encoder)
    assert report["metrics"]["css_answer"]["value"] == pytest.approx(100 * sum(whole) / 3, abs=1e-3)
    said = report["versions"]["css"]
    assert said.startswith(f"{encoder}, files ")
    assert ", float32, up to 256 tokens, sentence-transformers " in said
    assert report["baselines"]["majority verdict"]["css"]["reason"] == "no answer explains"
    assert "CSS 100.0" in (tmp_path / "report" / "report.html").read_text()


@pytest.mark.slow
def test_a_broken_encoder_and_one_with_code_of_its_own_are_refused(encoder, tmp_path):
    copy = shutil.copytree(encoder, tmp_path / "copy")
    (copy / "modules.json").write_text('[{"idx": 0, "name": "0", "path": "", "type": "os.system"}]')
    with pytest.raises(ValueError, match=r"cannot be loaded: .*not part of Sentence Transformers"):
        similarities(PAIRS, str(copy))
    shutil.copy(os.path.join(encoder, "modules.json"), copy)
    (copy / "model.safetensors").write_bytes(b"half")
    with pytest.raises(ValueError, match="cannot be loaded: "):
        similarities(PAIRS, str(copy))


def test_css_needs_a_task_that_has_it_and_its_library(tmp_path, capsys, monkeypatch):
    other = [dfj_row("dfj_detect", "a", "<answer>fake</answer>")]
    assert "these rows are dfj_detect" in refusal(tmp_path, capsys, other, "--css", "some/model")
    monkeypatch.setitem(sys.modules, "sentence_transformers", None)
    error = refusal(tmp_path, capsys, [answered("a", "fake", "Fake")], "--css", "some/model")
    assert "pip install -e '.[neural]'" in error
