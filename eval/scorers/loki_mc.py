"""Score LOKI's multiple-choice questions: which of two images or videos is the generated one, or the real one.

An unparsed answer is wrong. Pairs that share a medium are one cluster. Each pair is asked about both ways, so that
plain accuracy is the released evaluation's total too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.shares import shares
from eval.scorers import loki
from eval.scorers.base import Case, Metric, Scorer, graded, missing, parse
from swift_plugins.core.measures.fields import choice_probs
from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.loki_mc import GRAMMARS, TEXTS, Answer

METRICS = {"accuracy": Metric(), "first_position_rate": Metric(note="50 is unbiased", direction=0)}
POLICY = {
    "unparsed": "wrong, never dropped",
    "first_position_rate": "share of A among the parsed answers",
    "label": "what the question asks for",
}


@dataclass(frozen=True, slots=True)
class Choice(Case):
    """An answer; `gold` is the right one, p_right its probability among A and B, if known."""

    gold: str
    p_right: float | None

    @property
    def truth(self) -> str:
        return f"{self.gold} (asked {self.label})"

    @property
    def answered(self) -> str | None:
        return self.parsed.answer.choice if self.parsed.answer else None

    @property
    def right(self) -> bool:
        return self.answered == self.gold

    @property
    def quality(self) -> float:
        return graded(self.right, self.p_right)

    @property
    def measures(self) -> dict[str, float | None]:
        return {"p_right": self.p_right}


class MultipleChoice(Scorer[Choice]):
    metrics = METRICS
    slice_metrics = tuple(METRICS)
    answers = tuple(TEXTS)
    policy = POLICY
    baselines = ("always A",)
    dimensions = loki.DIMENSIONS
    no_table = loki.NO_TABLE

    def read_case(self, row: dict[str, Any], grammar: str) -> Choice:
        meta = row["meta"]
        loki.check_meta(meta)
        if meta.get("answer") not in self.answers:
            raise ValueError(f"meta.answer must be A or B, got {meta.get('answer')!r:.40}")
        probs = choice_probs(row, self.answers)
        return Choice(row, parse(GRAMMARS, row, grammar), meta["answer"], probs[meta["answer"]] if probs else None)

    def measure(self, cases: Sequence[Choice], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        right, parsed, first = (
            np.array(flags, float)
            for flags in zip(*((c.right, c.answered is not None, c.answered == "A") for c in cases), strict=True)
        )
        found = shares(
            {"accuracy": (100 * right, np.ones(len(cases))), "first_position_rate": (100 * first, parsed)},
            clusters,
            rows,
        )
        if not parsed.any():
            found |= missing(["first_position_rate"], 0, "no parsed answer")
        return found

    def simple_baselines(self, cases: Sequence[Choice]) -> dict[str, list[Choice]]:
        constant = Parsed(Answer("A"), "trained")
        return {self.baselines[0]: [replace(case, parsed=constant, p_right=None) for case in cases]}

    def describe(self, case: Choice, cases: Sequence[Choice]) -> dict[str, Any]:
        """Truth and answer; the page shows A on the left."""
        return {
            "verdict": f"the {case.label} one is {case.gold}, answered {case.said}",
            "facts": ["A is on the left", *([] if case.p_right is None else [f"P(right) {case.p_right:.3f}"])],
            "texts": [("answer", case.row.get("response") or "–")],
        }
