"""Score a pointwise judge of DeepfakeJudge: its scores of 1..5 against the true ones.

Errors are in points of the score. An unparsed answer counts as the score farthest from the truth. The expected score is
the mean of 1..5 under the probabilities of the score's token, beside the score that was written.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from eval.estimates.agreement import CONSTANT, CONSTANT_TRUTH, agreement
from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.intervals import fisher, log
from eval.estimates.statistics import pearson, root_mean_squared_error
from eval.estimates.sums import sums
from eval.scorers import judges
from eval.scorers.base import Case, Figure, Metric, Scorer, lower, missing, parse
from eval.scorers.tables import may_be_of, no_table, published_table
from swift_plugins.core.judge_rows import text_at
from swift_plugins.core.measures.fields import choice_probs
from swift_plugins.core.measures.scores import closeness, counted_score
from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.dfj_pointwise import GRAMMARS, SCORES, Answer, expected_score

HUMAN = ("raw_agreement", "cohen_kappa", "mse")
METRICS = {
    "rmse": lower(0, 4, 3),
    "mae": lower(0, 4, 3),
    "mse": lower(0, 16, 3),
    "bias": Metric(-4, 4, 3, "answered minus true, 0 is best", direction=0),
    "pearson": Metric(-1, 1, 3),
    "spearman": Metric(-1, 1, 3),
    "qwk": Metric(-1, 1, 3, "quadratic-weighted kappa"),
    "cohen_kappa": Metric(-1, 1, 3),
    "within_one": Metric(),
    "raw_agreement": Metric(),
    "rmse_expected": lower(0, 4, 3),
    "pearson_expected": Metric(-1, 1, 3),
}
POLICY = {
    "unparsed": "the score farthest from the true one (1 for a true 3), never dropped",
    "bias": "mean of answered minus true score",
    "expected": "rmse_expected and pearson_expected take sum(k p(k)) / sum(p(k)) over the scores k, from choice_probs; "
    "for an unparsed answer the score that it counts as",
    "within_one": "share of answers at most one point off; raw_agreement: share of equal scores",
    "best_constant_score": "the one score with the least RMSE on these very rows",
    "human": "the first two single ratings of each row that has two or more",
}


@dataclass(frozen=True, slots=True)
class Judgement(Case):
    """A judged candidate: the true score, the one that counts as answered, and the expected one if it is known."""

    score: int
    counted: int
    expected: float | None
    ratings: tuple[int, ...]

    @property
    def truth(self) -> str:
        return str(self.score)

    @property
    def answered(self) -> str | None:
        return str(self.parsed.answer.score) if self.parsed.answer else None

    @property
    def right(self) -> bool:
        return self.counted == self.score

    @property
    def quality(self) -> float:
        return closeness(self.score, self.counted)

    @property
    def measures(self) -> dict[str, float | None]:
        answer = self.parsed.answer
        return {"true_score": self.score, "score": answer.score if answer else None, "expected_score": self.expected}


def judgement(row: dict[str, Any], parsed: Parsed, expected: float | None) -> Judgement:
    score = row["meta"]["score"]
    counted = counted_score(score, parsed.answer and parsed.answer.score)
    if parsed.answer is None:
        expected = float(counted)
    return Judgement(row, parsed, score, counted, expected, judges.ratings(row["meta"], range(1, 6)))


def measure_expected(cases: Sequence[Judgement], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
    """RMSE and Pearson's r of the expected scores."""
    names = ("rmse_expected", "pearson_expected")
    if unknown := sum(case.expected is None for case in cases):
        return missing(names, len(cases), f"{unknown} rows have no probabilities of the scores (choice_probs)")
    x, y = (np.array(scores, float) for scores in zip(*((c.score, c.expected) for c in cases), strict=True))
    parts = np.column_stack([np.ones(len(x)), x, y, x * x, y * y, x * y, (x - y) ** 2])
    squares, moments = (sums(parts, of, clusters, rows) for of in (rmse_of, pearson_of))
    error = Estimate(root_mean_squared_error(x, y), len(x), statistic=squares, interval=log)
    if constant := CONSTANT if np.ptp(y) == 0 else CONSTANT_TRUTH if np.ptp(x) == 0 else None:
        return {names[0]: error} | missing(names[1:], len(x), constant)
    return {names[0]: error, names[1]: Estimate(pearson(x, y), len(x), statistic=moments, interval=fisher)}


def rmse_of(totals: np.ndarray) -> np.ndarray:
    """RMSE of sums (..., 7) of 1, x, y, x^2, y^2, xy and (x - y)^2."""
    return np.sqrt(totals[..., 6] / totals[..., 0])


def pearson_of(totals: np.ndarray) -> np.ndarray:
    """Pearson's r of the same sums; nan where x or y does not vary."""
    mx, my, xx, yy, xy = (totals[..., i] / totals[..., 0] for i in range(1, 6))
    spread = (xx - mx**2) * (yy - my**2)
    return (xy - mx * my) / np.sqrt(np.where(spread > 1e-12, spread, np.nan))


class Pointwise(Scorer[Judgement]):
    metrics = METRICS
    slice_metrics = ("rmse", "mae", "bias", "within_one", "pearson")
    answers = SCORES
    policy = POLICY
    unparsed = "the score farthest from the truth"
    baselines = ("best constant score",)
    libraries = ("numpy",)

    def read_case(self, row: dict[str, Any], grammar: str) -> Judgement:
        meta = row["meta"]
        judges.check_label(meta)
        if type(meta.get("score")) is not int or str(meta["score"]) not in SCORES:
            raise ValueError(f"meta.score must be a whole number of 1..5, got {meta.get('score')!r:.40}")
        text_at(row, "candidate")
        probs = choice_probs(row, SCORES)
        expected = expected_score(probs) if probs else None
        return judgement(row, parse(GRAMMARS, row, grammar), expected)

    def measure(self, cases: Sequence[Judgement], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        truth = [case.score for case in cases]
        found = agreement(truth, [case.counted for case in cases], 5, rows, clusters) | measure_expected(
            cases, rows, clusters
        )
        return {name: found[name] for name in self.metrics}

    def slices(self, case: Judgement) -> dict[str, Sequence[str]]:
        return {"true score": (case.truth,), **judges.slices(case.row["meta"])}

    def simple_baselines(self, cases: Sequence[Judgement]) -> dict[str, list[Judgement]]:
        truth = np.array([case.score for case in cases])
        best = min(range(1, 6), key=lambda score: float(((truth - score) ** 2).sum()))
        return {self.baselines[0]: [judgement(case.row, Parsed(Answer(best), "trained"), None) for case in cases]}

    def published(self, cases: Sequence[Judgement]) -> dict[str, Any]:
        if not may_be_of(cases, judges.DATASET, ("human",) if judges.all_of_people(cases) else ("test",)):
            return no_table(judges.PAPER)
        name, rows = ("meta-human", 67) if judges.all_of_people(cases) else ("meta", 1000)
        title = f"DeepfakeJudge, pointwise evaluation on {name}, test, {rows:,} rows"
        return published_table("deepfakejudge_pointwise.csv", title, rows, set=name)

    def extras(self, cases: Sequence[Judgement], clusters: Clusters, metrics: dict[str, Any]) -> dict[str, Any]:
        """How two people agree, where their single ratings are known."""
        rows = np.array([i for i, case in enumerate(cases) if len(case.ratings) > 1], int)
        pairs = [(cases[i].ratings[0], cases[i].ratings[1]) for i in rows]
        return judges.human(pairs, 5, HUMAN, rows, clusters)

    def describe(self, case: Judgement, cases: Sequence[Judgement]) -> dict[str, Any]:
        facts = [f"the image is {case.label}"]
        if case.expected is not None and case.parsed.answer is not None:
            facts.append(f"expected score {case.expected:.2f}")
        if case.ratings:
            facts.append("people gave " + ", ".join(map(str, case.ratings)))
        return {
            "verdict": f"true score {case.score}, answered {case.said}",
            "facts": facts,
            "texts": [("candidate", text_at(case.row, "candidate")), ("judge", judges.reasoning(case) or "–")],
        }

    def figures(self, cases: Sequence[Judgement]) -> list[Figure]:
        """The expected against the true score; points are moved aside by up to a sixth of a score, by their id."""
        points = []
        for case in cases:
            if case.expected is not None:
                aside = (zlib.crc32(case.row["id"].encode()) / 2**32 - 0.5) / 3
                title = f"{case.row['id']}: true {case.score}, expected {case.expected:.2f}"
                points.append(((case.score + aside - 0.5) / 5, (case.expected - 0.5) / 5, 4.0, title))
        ticks = [((score - 0.5) / 5, str(score)) for score in range(1, 6)]
        figure = Figure(
            "Expected score against the true one", "true score (spread out)", "expected score", points, ticks
        )
        return [figure] if points else []
