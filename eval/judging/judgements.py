"""What a judge said of a candidate or a pair."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import ModuleType

from swift_plugins.answering.asking import Item, Result, error_text
from swift_plugins.core.records import Row
from swift_plugins.core.tasks import dfj_pairwise, dfj_pointwise


def judgement(item: Item, results: Sequence[Result], task: ModuleType) -> Row:
    """What the judge said of one item: the fields that its row gains."""
    if item.problem:
        return _nothing(task) | {"judge_unparsed": item.problem}
    for result in results:
        if not isinstance(result, dict):
            return _nothing(task) | {"error": f"judge: {error_text(result)}"}
    answers = [result for result in results if isinstance(result, dict)]
    parsed = [task.GRAMMARS["trained"](answer["response"]) for answer in answers]
    said = {"judge_response": [a["response"] for a in answers] if len(answers) > 1 else answers[0]["response"]}
    why = next((p.reason for p in parsed if p.answer is None), None)
    if why is not None:
        return _nothing(task) | said | {"judge_unparsed": why}
    if task is dfj_pointwise:
        score, probabilities = parsed[0].answer, answers[0].get("choice_probs")
        expected = round(dfj_pointwise.expected_score(probabilities), 4) if probabilities else None
        return {"judge_score": score.score, "judge_expected": expected, "judge_reasoning": score.reasoning, **said}
    better = [p.answer.better if i == 0 else dfj_pairwise.OTHER[p.answer.better] for i, p in enumerate(parsed)]
    agreed = len(set(better)) == 1
    return {
        "judge_better": better[0] if agreed else None,
        "judge_consistent": agreed if len(better) > 1 else None,
        "judge_prob_a": probability_of_a([a.get("choice_probs") for a in answers]),
        **said,
    }


def _nothing(task: ModuleType) -> Row:
    if task is dfj_pointwise:
        return {"judge_score": None, "judge_expected": None, "judge_reasoning": None}
    return {"judge_better": None, "judge_consistent": None, "judge_prob_a": None}


def probability_of_a(orders: Sequence[Mapping[str, float] | None]) -> float | None:
    """P(the first candidate is better), the mean of the orders asked."""
    found = [probs["A" if i == 0 else "B"] for i, probs in enumerate(orders) if probs]
    return round(sum(found) / len(found), 6) if found else None
