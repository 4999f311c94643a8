"""Score a pairwise judge of DeepfakeJudge: which of two candidates reasons better.

A pair can be judged twice, as published (order AB) and with the candidates exchanged (order BA, predict.py --swap):
only then it shows whether a judge goes by what a candidate says or by where it stands. An unparsed answer is wrong and
makes its pair inconsistent. Values but the kappa are 0..100.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.estimates.agreement import agreement
from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.shares import Column, shares
from eval.scorers import judges
from eval.scorers.base import Case, Figure, Metric, Scorer, graded, missing, parse
from eval.scorers.tables import may_be_of, no_table, published_table
from swift_plugins.core.judge_rows import text_at
from swift_plugins.core.measures.fields import choice_probs
from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.dfj_pairwise import GRAMMARS, OTHER, Answer

HUMAN = ("raw_agreement", "cohen_kappa")
ONE_ORDER = "only one order was run: predict with --swap"
METRICS = {
    "accuracy": Metric(note="order AB, as published"),
    "accuracy_swapped": Metric(note="order BA"),
    "consistency": Metric(),
    "consistent_accuracy": Metric(),
    "first_position_rate": Metric(note="50 is unbiased", direction=0),
    "cohen_kappa": Metric(-1, 1, 3),
}
POLICY = {
    "unparsed": "wrong, and its pair is inconsistent; never dropped",
    "accuracy": "rows in the published order (AB); accuracy_swapped: rows with the candidates exchanged (BA)",
    "consistency": "share of the pairs run in both orders for which both answers prefer the same candidate",
    "consistent_accuracy": "share of right answers among the consistent pairs",
    "first_position_rate": "share of A among the parsed answers of the pairs run in both orders",
    "cohen_kappa": "answers with the truth, order AB; an unparsed answer counts as the other choice",
    "human": "the first two single ratings of each pair that has two or more",
}


@dataclass(frozen=True, slots=True)
class Comparison(Case):
    """A judged pair in one order. `better` is the true choice; p_better its probability among A and B, if known."""

    better: str
    order: str
    pair: str
    p_better: float | None
    ratings: tuple[str, ...]

    @property
    def truth(self) -> str:
        return f"{self.better} (order {self.order})"

    @property
    def answered(self) -> str | None:
        return self.parsed.answer.better if self.parsed.answer else None

    @property
    def right(self) -> bool:
        return self.answered == self.better

    @property
    def in_accuracy(self) -> bool:
        return self.order == "AB"

    @property
    def quality(self) -> float:
        return graded(self.right, self.p_better)

    @property
    def measures(self) -> dict[str, float | None]:
        return {"p_better": self.p_better}

    @property
    def preferred(self) -> str | None:
        """The preferred candidate by its name in the published order."""
        return self.answered if self.order == "AB" or self.answered is None else OTHER[self.answered]


def comparison(row: dict[str, Any], parsed: Parsed, p_better: float | None) -> Comparison:
    meta = row["meta"]
    people = judges.ratings(meta, tuple(OTHER))
    return Comparison(row, parsed, meta["answer"], meta["order"], meta["pair"], p_better, people)


def orders_of(cases: Sequence[Comparison]) -> dict[str, dict[str, int]]:
    """pair -> order -> its place in `cases`; ValueError for rows that do not fit together."""
    found: dict[str, dict[str, int]] = {}
    for i, case in enumerate(cases):
        orders = found.setdefault(case.pair, {})
        if case.order in orders:
            first = cases[orders[case.order]].row["id"]
            raise ValueError(f"rows {first!r} and {case.row['id']!r} are both order {case.order} of pair {case.pair!r}")
        orders[case.order] = i
        other = cases[next(iter(orders.values()))]
        if len(orders) == 2 and (other.better == case.better or other.media_id != case.media_id):
            raise ValueError(
                f"rows {other.row['id']!r} and {case.row['id']!r} must be one pair in two orders: one "
                "media_id, and answers that are exchanged"
            )
    return found


def columns(cases: Sequence[Comparison]) -> dict[str, Column]:
    """metric -> (numerators, denominators), one entry a row; a pair run in both orders stands at its row AB."""
    right = 100 * np.array([case.right for case in cases], float)
    published = np.array([case.in_accuracy for case in cases], float)
    paired, twice, consistent = (np.zeros(len(cases)) for _ in range(3))
    for orders in orders_of(cases).values():
        if len(orders) == 2:
            ab, ba = orders["AB"], orders["BA"]
            paired[ab], twice[[ab, ba]] = 1, 1
            consistent[ab] = cases[ab].preferred is not None and cases[ab].preferred == cases[ba].preferred
    parsed = twice * np.array([case.answered is not None for case in cases])
    first = 100 * parsed * np.array([case.answered == "A" for case in cases])
    return {
        "accuracy": (right * published, published),
        "accuracy_swapped": (right * (1 - published), 1 - published),
        "consistency": (100 * consistent, paired),
        "consistent_accuracy": (right * consistent, consistent),
        "first_position_rate": (first, parsed),
    }


class Pairwise(Scorer[Comparison]):
    metrics = METRICS
    slice_metrics = ("accuracy", "accuracy_swapped", "consistency", "consistent_accuracy")
    answers = tuple(OTHER)
    policy = POLICY
    baselines = ("always A",)
    libraries = ("numpy",)

    def read_case(self, row: dict[str, Any], grammar: str) -> Comparison:
        meta = row["meta"]
        judges.check_label(meta)
        if meta.get("answer") not in self.answers:
            raise ValueError(f"meta.answer must be A or B, got {meta.get('answer')!r:.40}")
        if meta.get("order") not in ("AB", "BA"):
            raise ValueError(f"meta.order must be AB or BA, got {meta.get('order')!r:.40}")
        if not isinstance(meta.get("pair"), str):
            raise ValueError(f"meta.pair must be a text, got {meta.get('pair')!r:.40}")
        for key in ("response_a", "response_b"):
            text_at(row, key)
        probs = choice_probs(row, self.answers)
        return comparison(row, parse(GRAMMARS, row, grammar), probs[meta["answer"]] if probs else None)

    def measure(self, cases: Sequence[Comparison], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        found = shares(columns(cases), clusters, rows)
        as_published = np.array([case.in_accuracy for case in cases])
        if as_published.any():
            some = [case for case in cases if case.in_accuracy]
            truth = [1 + (case.better == "B") for case in some]
            counted = [t if case.right else 3 - t for t, case in zip(truth, some, strict=True)]
            found["cohen_kappa"] = agreement(truth, counted, 2, rows[as_published], clusters)["cohen_kappa"]
        else:
            found |= missing(["accuracy", "cohen_kappa"], 0, "no row is in the published order AB")
        if not (0 < as_published.sum() < len(cases)):
            found |= missing(
                ["accuracy_swapped", "consistency", "first_position_rate", "consistent_accuracy"], 0, ONE_ORDER
            )
        reasons = {"consistent_accuracy": "no pair is consistent", "first_position_rate": "no parsed answer"}
        for name, reason in reasons.items():
            if found[name].n == 0 and found[name].reason != ONE_ORDER:
                found[name] = Estimate(None, 0, reason)
        return {name: found[name] for name in self.metrics}

    def slices(self, case: Comparison) -> dict[str, Sequence[str]]:
        return judges.slices(case.row["meta"])

    def simple_baselines(self, cases: Sequence[Comparison]) -> dict[str, list[Comparison]]:
        return {self.baselines[0]: [comparison(case.row, Parsed(Answer("A"), "trained"), None) for case in cases]}

    def published(self, cases: Sequence[Comparison]) -> dict[str, Any]:
        if not may_be_of(cases, judges.DATASET, ("human",) if judges.all_of_people(cases) else ("test",)):
            return no_table(judges.PAPER)
        name, rows = ("meta-human", 88) if judges.all_of_people(cases) else ("meta", 2000)
        title = f"DeepfakeJudge, pairwise evaluation on {name}, test, {rows:,} rows"
        return published_table("deepfakejudge_pairwise.csv", title, rows, set=name)

    def extras(self, cases: Sequence[Comparison], clusters: Clusters, metrics: dict[str, Any]) -> dict[str, Any]:
        """How two people agree, where their single ratings are known."""
        rows = np.array([i for i, case in enumerate(cases) if len(case.ratings) > 1 and case.in_accuracy], int)
        pairs = [(1 + (cases[i].ratings[0] == "B"), 1 + (cases[i].ratings[1] == "B")) for i in rows]
        return judges.human(pairs, 2, HUMAN, rows, clusters)

    def figures(self, cases: Sequence[Comparison]) -> list[Figure]:
        """How often the first place is answered and is the better one, in each order that was run."""
        bars: list[tuple[float, float, float, str]] = []
        ticks: list[tuple[float, str]] = []
        for order in sorted({case.order for case in cases}):
            some = [case for case in cases if case.order == order]
            for what, chosen in (("answered", [c.answered for c in some]), ("true", [c.better for c in some])):
                at, share = 0.05 + 0.25 * len(bars), chosen.count("A") / len(some)
                bars.append((at, at + 0.15, share, f"order {order}, {what}: {share:.3f} of {len(some)} rows"))
                ticks.append((at + 0.075, f"{order} {what}"))
        y = "share of the first place (A)"
        return [Figure("Position bias", "order, and whose choice", y, bars=bars, diagonal=False, x_ticks=ticks)]

    def describe(self, case: Comparison, cases: Sequence[Comparison]) -> dict[str, Any]:
        """The pair as published, with the answers of both orders where both were run."""
        both = sorted((other for other in cases if other.pair == case.pair), key=lambda other: other.order)
        texts = [
            (f"candidate {name}", text_at(both[0].row, key)) for name, key in (("A", "response_a"), ("B", "response_b"))
        ]
        verdicts = [f"order {one.order}: better is {one.better}, answered {one.said}" for one in both]
        facts = [f"the image is {case.label}"]
        if len(both) == 2:
            same = both[0].preferred is not None and both[0].preferred == both[1].preferred
            facts.append("both orders prefer the same candidate" if same else "the two orders contradict each other")
        if both[0].ratings:
            facts.append("people chose " + ", ".join(both[0].ratings))
        texts += [(f"judge, order {one.order}", said) for one in both if (said := judges.reasoning(one))]
        return {"verdict": "; ".join(verdicts), "facts": facts, "texts": texts}
