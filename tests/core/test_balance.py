"""The weights that make each verdict count the same, from the rows themselves."""

import json

import pytest

from swift_plugins.core.balance import balanced, count_verdicts, verdict_of
from swift_plugins.core.tasks import deeptrace, dfj_detect, dfj_pairwise, dfj_pointwise, fakevlm

FAKE = deeptrace.render(deeptrace.Answer("fake", bbox=(1, 2, 3, 4), start=1.5, explanation="A real hand is gone."))


@pytest.mark.parametrize(
    ("task", "answer", "verdict"),
    [
        (deeptrace, FAKE, "fake"),
        (deeptrace, deeptrace.REAL_ANSWER, "real"),
        (fakevlm, "This is a fake image. The real face is blurred.", "fake"),
        (fakevlm, "Real", "real"),
        (dfj_detect, dfj_detect.render(dfj_detect.Answer("edited", "A real lamp.")), "edited"),
        (dfj_pairwise, dfj_pairwise.render(dfj_pairwise.Answer("A", "The real one.")), None),
        (dfj_pointwise, dfj_pointwise.render(dfj_pointwise.Answer(4, "real")), None),
    ],
)
def test_the_verdict_of_an_answer_is_what_it_decides(task, answer, verdict):
    assert verdict_of(task, answer) == verdict


def rows(path, verdicts):
    answers = {"real": "This is a real image. It fits.", "fake": "This is a fake image. It is bent."}
    lines = ({"task": "fakevlm", "messages": [{"role": "assistant", "content": answers[v]}]} for v in verdicts)
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return str(path)


def test_verdicts_are_counted_over_a_mixture_and_of_a_sample_its_share(tmp_path):
    one, two = rows(tmp_path / "a.jsonl", ["fake"] * 6 + ["real"] * 3), rows(tmp_path / "b.jsonl", ["real"] * 4)
    assert count_verdicts([one, two]) == {"fake": 6, "real": 7}
    assert count_verdicts([f"{one}#3", two]) == {"fake": 2, "real": 5}


def test_balanced_verdicts_weigh_the_same_together_and_one_a_row_on_average():
    weights = balanced({"fake": 200, "real": 100, "edited": 0})
    assert weights == {"fake": 0.75, "real": 1.5}
    assert 200 * weights["fake"] == 100 * weights["real"] == 300 / 2


@pytest.mark.parametrize("counts", [{}, {"fake": 3}, {"fake": 3, "real": 0}])
def test_without_two_verdicts_there_is_nothing_to_balance(counts):
    with pytest.raises(ValueError, match="nothing to balance"):
        balanced(counts)
