"""The loss that knows what digits mean: by hand, its gradient, neutral, and the same however a step is cut up."""

import math
from types import SimpleNamespace

import pytest

from swift_plugins.core.tasks import deeptrace, dfj_pointwise

torch = pytest.importorskip("torch")

FAKE = deeptrace.render(
    deeptrace.Answer("fake", bbox=(100, 4, 520, 61), start=1.5, explanation="2 of 3 hands — naïve — melt.")
)
JUDGED = dfj_pointwise.render(dfj_pointwise.Answer(4, "It has 2 flaws."))


@pytest.fixture(scope="module")
def auxiliary():
    import swift_plugins.register  # noqa: F401
    from swift_plugins.hooks import auxiliary

    return auxiliary


@pytest.fixture(scope="module")
def tokenizer():
    """One token a byte, as the released tokenizers write digits."""
    return tokenizer_of()


def tokenizer_of(*merges):
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    letters = [*sorted(pre_tokenizers.ByteLevel.alphabet()), *("".join(pair) for pair in merges)]
    made = Tokenizer(models.BPE({letter: i for i, letter in enumerate(letters)}, list(merges)))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    return PreTrainedTokenizerFast(tokenizer_object=made, eos_token="<|im_end|>")


@pytest.fixture
def loss_of(auxiliary, tokenizer, monkeypatch):
    """The loss with WEIGHT_NUMBERS and SMOOTH_SCORES as given."""

    def make(numbers=0, scores=0, tokenizer=tokenizer, sequence_parallel_size=1):
        monkeypatch.setenv("WEIGHT_NUMBERS", str(numbers))
        monkeypatch.setenv("SMOOTH_SCORES", str(scores))
        template = SimpleNamespace(tokenizer=tokenizer, sequence_parallel_size=sequence_parallel_size)
        return auxiliary.ForensicLoss(None, SimpleNamespace(template=template))

    return make


def labels_of(tokenizer, answer, before=3):
    tokens = tokenizer.encode(answer, add_special_tokens=False)
    return [-100] * before + tokens + [tokenizer.eos_token_id]


def batch(tokenizer, *answers):
    """(logits, labels) of a padded batch: random logits, the same for an answer wherever it stands."""
    rows = [labels_of(tokenizer, answer) for answer in answers]
    length = max(map(len, rows))
    logits = torch.zeros(len(rows), length, len(tokenizer))
    for row, tokens in enumerate(rows):
        drawn = torch.Generator().manual_seed(len(tokens))
        logits[row, : len(tokens)] = 4 * torch.randn(len(tokens), len(tokenizer), generator=drawn)
    return logits, torch.tensor([tokens + [-100] * (length - len(tokens)) for tokens in rows])


def value(loss, logits, labels, **options):
    return loss(SimpleNamespace(logits=logits, loss=None), labels, **options)


def test_a_digit_costs_what_its_place_is_worth_in_boxes_and_times_alone(auxiliary):
    box = [0.1, 0.01, 0.001, 0.001, 0.1, 0.01, 0.001, 0.01, 0.001]
    assert auxiliary.digit_costs(FAKE) == pytest.approx([*box, 0.1, 0.01, 0, 0])
    assert auxiliary.digit_costs(deeptrace.REAL_ANSWER) == []
    assert auxiliary.digit_costs(JUDGED) == [0, 0]
    assert auxiliary.score_digits(JUDGED) == [0, 1]
    assert auxiliary.score_digits(FAKE) == [0] * 13


def sure(digits):
    logits = torch.full((len(digits), 10), -100.0)
    for row, shares in enumerate(digits):
        for digit, share in shares.items():
            logits[row, digit] = math.log(share)
    return logits


@pytest.mark.parametrize(
    ("said", "costs"),
    [
        ([{1: 1}, {0: 1}, {0: 1}], 0),  # 100 for 100
        ([{1: 1}, {0: 1}, {1: 1}], 0.001),
        ([{9: 1}, {0: 1}, {0: 1}], 0.8),
        ([{1: 1}, {0: 1}, {0: 0.5, 4: 0.5}], 0.002),
    ],
)
def test_the_expected_distance_is_the_cost(auxiliary, said, costs):
    true, places = torch.tensor([1, 0, 0]), torch.tensor([0.1, 0.01, 0.001])
    assert auxiliary.digit_cost(sure(said), true, places).item() == pytest.approx(costs, abs=1e-6)


def test_half_of_one_less_and_half_of_one_more_is_not_free(auxiliary):
    cost = auxiliary.digit_cost(sure([{4: 0.5, 6: 0.5}]), torch.tensor([5]), torch.tensor([0.1]))
    assert cost.item() == pytest.approx(0.1)


def test_soft_labels_are_the_cross_entropy_against_them(auxiliary):
    log_p = torch.tensor([[0.1, 0.2, 0.3, 0.25, 0.15]]).log()
    near, far = math.exp(-1), math.exp(-2)
    total = 1 + 2 * near + far + math.exp(-3)
    soft = [math.exp(-3) / total, far / total, near / total, 1 / total, near / total]
    expected = -sum(q * math.log(p) for q, p in zip(soft, [0.1, 0.2, 0.3, 0.25, 0.15], strict=True)) + math.log(0.25)
    found = auxiliary.soft_labels(log_p, torch.tensor([3]), torch.tensor([1.0]), 1.0)
    assert found.item() == pytest.approx(expected, rel=1e-5)
    assert auxiliary.soft_labels(log_p, torch.tensor([3]), torch.tensor([1.0]), 1e-3).item() == pytest.approx(0)


def test_the_gradients_are_those_of_the_values(auxiliary):
    true = torch.tensor([3, 0, 4])
    logits = torch.randn(3, 10, dtype=torch.double, requires_grad=True)
    costs = torch.tensor([0.1, 0.01, 1.0], dtype=torch.double)
    assert torch.autograd.gradcheck(lambda x: auxiliary.digit_cost(x, true, costs), logits)
    scores = torch.randn(3, 5, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda x: auxiliary.soft_labels(x.log_softmax(-1), true, costs, 0.7), scores)


def test_neutral_it_is_the_cross_entropy(loss_of, tokenizer):
    logits, labels = batch(tokenizer, FAKE, JUDGED)
    plain = torch.nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=-100)
    assert value(loss_of(), logits, labels).item() == pytest.approx(plain.item(), rel=1e-6)


@pytest.mark.parametrize("settings", [{"numbers": 5}, {"scores": 1}, {"numbers": 2, "scores": 0.5}])
def test_how_a_step_is_cut_up_does_not_matter(loss_of, tokenizer, settings):
    loss, answers = loss_of(**settings), [FAKE, JUDGED, deeptrace.REAL_ANSWER]
    logits, labels = batch(tokenizer, *answers)
    items = int((labels[:, 1:] != -100).sum())
    whole = value(loss, logits, labels, num_items_in_batch=items)
    assert abs(whole - value(loss_of(), logits, labels, num_items_in_batch=items)) * items > 0.05
    assert value(loss, logits, labels).item() == pytest.approx(whole.item())  # an evaluation counts for itself

    single = [value(loss, *batch(tokenizer, answer), num_items_in_batch=items) for answer in answers]
    assert sum(single).item() == pytest.approx(whole.item(), rel=1e-5)  # accumulated, or on several ranks

    flat = torch.cat([labels[i][: len(labels_of(tokenizer, a))] for i, a in enumerate(answers)])[None]
    joined = torch.cat([logits[i][: len(labels_of(tokenizer, a))] for i, a in enumerate(answers)])[None]
    assert value(loss, joined, flat, num_items_in_batch=items).item() == pytest.approx(whole.item(), rel=1e-5)

    # Kept logits: of each answer's tokens those before them, joined without a gap behind one position without a label.
    kept = labels != -100
    own = torch.cat([torch.tensor([-100]), labels[kept]])[None]
    before = logits[kept.roll(-1, dims=1)]
    near = torch.cat([before, before[-1:]])[None]
    assert value(loss, near, own, num_items_in_batch=items).item() == pytest.approx(whole.item(), rel=1e-5)


def test_a_loss_scale_weighs_the_soft_scores_as_their_cross_entropy(loss_of, tokenizer):
    logits, labels = batch(tokenizer, JUDGED)
    from swift.trainers import per_token_loss_func

    each = per_token_loss_func(SimpleNamespace(logits=logits), labels)
    outputs = SimpleNamespace(logits=logits, loss=each * 3)
    weighted = loss_of(scores=1)(outputs, labels, num_items_in_batch=1, loss_scale=torch.full_like(each, 3))
    plain = value(loss_of(scores=1), logits, labels, num_items_in_batch=1)
    assert weighted.item() == pytest.approx(3 * plain.item(), rel=1e-5)


def test_a_batch_without_digits_trains_as_ever(loss_of, tokenizer):
    logits, labels = batch(tokenizer, deeptrace.REAL_ANSWER)
    assert value(loss_of(numbers=5, scores=1), logits, labels) == value(loss_of(), logits, labels)


def test_a_tokenizer_that_joins_digits_is_refused(loss_of):
    joining = tokenizer_of(("1", "0"))
    logits, labels = batch(joining, FAKE)
    with pytest.raises(ValueError, match=r"digit by digit, and this model's tokenizer joins them"):
        value(loss_of(numbers=1, tokenizer=joining), logits, labels)


def test_answers_in_parts_on_several_devices_are_refused(loss_of):
    with pytest.raises(ValueError, match="without --sequence_parallel_size"):
        loss_of(sequence_parallel_size=2)


def test_a_rows_channel_is_its_dataset(auxiliary):
    from swift.dataset import MessagesPreprocessor

    turns = [{"role": "user", "content": "?"}, {"role": "assistant", "content": "!"}]
    made = MessagesPreprocessor().preprocess({"messages": turns, "meta": {"dataset": "fakeclue"}})
    assert made["channel"] == "fakeclue"
    assert "channel" not in MessagesPreprocessor().preprocess({"messages": turns})
