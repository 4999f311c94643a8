"""BERTScore with a tiny random encoder in a local folder, against the matching done by hand."""

import pytest

from eval.encoders.bertscore import layer_of, similarities
from tests.scorers.test_dfj_reason import reasoned
from tests.scoring import score_rows

LAYER = 1
PAIRS = [
    ("a b c", "a b d c"),
    ("d", "d e"),
    ("e f", "h"),
    ("g h f e d c b a", "g h f e d c b a"),
    ("", "a b"),
    ("a", ""),
]


def test_the_layer_is_known_of_some_encoders_and_asked_for_else():
    assert layer_of("roberta-large", None) == 17
    assert layer_of("microsoft/deberta-xlarge-mnli", None) == 40
    assert layer_of("roberta-large", 3) == 3
    with pytest.raises(ValueError, match="name the layer with --bertscore-layer"):
        layer_of("some/model", None)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    torch = pytest.importorskip("torch")
    pytest.importorskip("torchmetrics")
    from transformers import BertConfig, BertModel, BertTokenizerFast

    folder = tmp_path_factory.mktemp("encoder")
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *"abcdefgh"]
    (folder / "vocab.txt").write_text("\n".join(words))
    BertTokenizerFast(vocab=str(folder / "vocab.txt"), model_max_length=32).save_pretrained(folder)
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=len(words),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=32,
    )
    BertModel(config).save_pretrained(folder)
    return str(folder)


def f1_by_hand(text, reference, encoder):
    """Greedy matching of cosines (Zhang et al. 2020): each token with its nearest in the other text."""
    import torch
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder).eval()

    def embed(words):
        with torch.no_grad():
            states = model(**tokenizer(words, return_tensors="pt"), output_hidden_states=True).hidden_states[LAYER]
        return torch.nn.functional.normalize(states[0, 1:-1], dim=-1)  # without [CLS] and [SEP]

    cosines = embed(text) @ embed(reference).T
    precision, recall = cosines.max(1).values.mean(), cosines.max(0).values.mean()
    return float(2 * precision * recall / (precision + recall))


@pytest.mark.slow
def test_f1_is_that_of_the_matching_by_hand(encoder):
    found = similarities(PAIRS, encoder, LAYER)
    assert found[:3] == pytest.approx([f1_by_hand(*pair, encoder) for pair in PAIRS[:3]], abs=1e-5)
    assert found[3:] == pytest.approx([1.0, 0.0, 0.0], abs=1e-5)


@pytest.mark.slow
def test_a_long_text_is_cut_to_what_the_encoder_reads(encoder):
    assert similarities([("a b " * 100, "a b " * 100)], encoder, LAYER) == pytest.approx([1.0], abs=1e-5)


@pytest.mark.slow
def test_what_cannot_be_loaded_or_has_no_such_layer_is_one_clear_line(encoder, tmp_path):
    with pytest.raises(ValueError, match="has 2 layers"):
        similarities(PAIRS, encoder, 3)
    with pytest.raises(ValueError, match="neither a folder nor to be had"):
        similarities(PAIRS, str(tmp_path / "none"), 1)


@pytest.mark.slow
def test_the_report_records_encoder_and_layer(encoder, tmp_path):
    rows = [reasoned("a", "a b c", "a b c"), reasoned("b", None, "a b"), reasoned("c", "d", "")]
    report = score_rows(tmp_path, rows, "--bertscore", encoder, "--bertscore-layer", "1")
    assert report["metrics"]["bertscore"]["value"] == pytest.approx(0.5, abs=1e-4)
    assert report["metrics"]["bertscore"]["n"] == 2
    assert report["versions"]["bertscore"].startswith(f"{encoder}, layer 1, torchmetrics ")
    assert report["baselines"]["majority verdict"]["bertscore"]["value"] == 0
