"""Rows without a truth: what was answered, how often, and how sure the model was; nothing is right or wrong."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.shares import mean, shares
from eval.scorers.base import Case, Figure, Metric, Scorer, missing, parse
from eval.scorers.deeptrace_page import percent
from eval.scorers.figures import distribution
from swift_plugins.core.measures.fields import number_within
from swift_plugins.core.measures.traces import answered_box
from swift_plugins.core.tasks import Parsed, Task

TRUTHS = ("label", "score", "answer", "explanation", "reasoning")  # keys of meta by one of which a task scores
NOT_KNOWN = "not known"
FREE_TEXT = "explained"  # what is answered where there is nothing to decide
REMARK = "no row states a truth: the shares are of the answers, and tell nothing of how many of them are right"


def are_unlabelled(rows: Sequence[tuple[str, dict[str, Any]]]) -> bool:
    """Whether no row, each with its "file:line", states any truth."""
    return not any(row["meta"].get(key) not in (None, "") for _, row in rows for key in TRUTHS)


def said_of(answer: Any) -> str:
    """What an answer of any task decides."""
    fields = ("verdict", "choice", "better", "score")
    return next((str(getattr(answer, field)) for field in fields if hasattr(answer, field)), FREE_TEXT)


@dataclass(frozen=True, slots=True)
class Answered(Case):
    """A row of which only the answer is known; `p_fake` is None where the back end gave none."""

    p_fake: float | None

    @property
    def label(self) -> str:
        return NOT_KNOWN

    @property
    def answered(self) -> str | None:
        return said_of(self.parsed.answer) if self.parsed.answer else None

    @property
    def right(self) -> bool:
        """Whether there is an answer at all: the page calls none right or wrong."""
        return self.parsed.answer is not None

    @property
    def quality(self) -> float:
        return float(self.right)

    @property
    def measures(self) -> dict[str, float | None]:
        return {"p_fake": self.p_fake}


class Unlabelled(Scorer[Answered]):
    """The answers of a task whose own scorer is `labelled`."""

    policy: Mapping[str, Any] = {"truth": "none is stated", "unparsed": "an answer of its own, never dropped"}
    unparsed = "an answer of its own"
    dimensions = ("source", "split", "dataset")
    no_table = "no table compares with rows without a truth"

    def __init__(self, task: Task, labelled: Scorer[Any]):
        self.task, self.labelled = task, labelled
        self.answers = (*task.CHOICES.words,) or (FREE_TEXT,)
        self.rates = {f"{answer}_rate": answer for answer in self.answers} | {"unparsed_rate": None}
        self.metrics = {name: Metric(note="% of all answers") for name in self.rates}
        self.metrics["mean_p_fake"] = Metric(0, 1, 3)
        self.slice_metrics = tuple(self.metrics)

    def grammar_of(self, rows: Iterable[dict[str, Any]]) -> str:
        return self.labelled.grammar_of(rows)

    def read_case(self, row: dict[str, Any], grammar: str) -> Answered:
        parsed: Parsed = parse(self.task.GRAMMARS, row, grammar)
        return Answered(row, parsed, number_within(row, "p_fake", 0, 1))

    def measure(self, cases: Sequence[Answered], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        said, ones = [case.answered for case in cases], np.ones(len(cases))
        columns = {name: (100.0 * np.array([x == answer for x in said]), ones) for name, answer in self.rates.items()}
        found = shares(columns, clusters, rows)
        if unknown := sum(case.p_fake is None for case in cases):
            return found | missing(["mean_p_fake"], len(cases), f"{unknown} rows have no P(fake) (p_fake)")
        return found | {"mean_p_fake": mean(np.array([case.p_fake for case in cases], float), clusters, rows, 0, 1)}

    def extras(self, cases: Sequence[Answered], clusters: Clusters, metrics: dict[str, Any]) -> dict[str, Any]:
        return {"remarks": [REMARK]}

    def describe(self, case: Answered, cases: Sequence[Answered]) -> dict[str, Any]:
        answer = case.parsed.answer
        box = answered_box(getattr(answer, "bbox", None), case.row["meta"])
        start = getattr(answer, "start", None)
        return {
            "verdict": f"answered {case.said}",
            "right": None,
            "facts": [] if case.p_fake is None else [f"P(fake) {case.p_fake:.3f}"],
            "texts": [("answer", case.row.get("response") or "–")],
            "boxes": [("pred", *percent(box))] if box else [],
            "second": start or 0.0,
            "onsets": {} if start is None else {"pred": start},
        }

    def figures(self, cases: Sequence[Answered]) -> list[Figure]:
        return distribution("P(fake)", "P(fake)", [case.p_fake for case in cases if case.p_fake is not None], 1)
