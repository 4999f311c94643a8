"""Score DeepTraceReward answers: the metrics of section 3.1 of the paper, their slices and their baselines.

All values are 0..100. A row that is not parsed is wrong; a fake row answered without a box or onset, or with REAL, has
IoU 0 and distances of 100, as the tables of the paper count them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.shares import Column, ratio, share, shares
from eval.scorers import deeptrace_page, deeptrace_tables, explanations, verdicts
from eval.scorers.base import Figure, Metric, lower, most_frequent, parse
from eval.scorers.deeptrace_constant import best_constant, scaled
from eval.scorers.deeptrace_tables import OVERALL_PARTS, overall_of
from eval.scorers.verdicts import Verdict, VerdictScorer
from swift_plugins.core import boxes
from swift_plugins.core.measures import traces
from swift_plugins.core.measures.texts import rouge_l
from swift_plugins.core.measures.traces import Gold
from swift_plugins.core.tasks import Parsed, deeptrace
from swift_plugins.core.tasks.deeptrace_answer import Answer
from swift_plugins.core.tasks.deeptrace_zero_shot import ZERO_SHOT_QUESTION

STRICT = "explanation, unscored as 0"
_NOTHING_TO_MEASURE = {
    "fake_accuracy": "no fake row",
    "real_accuracy": "no real row",
    **dict.fromkeys(("explanation", STRICT), "no fake row with a written explanation"),
    "rouge_l": "no fake row with a written explanation",
    "bbox_iou": "no fake row with a true box",
    "bbox_distance": "no fake row with a true box",
    "time_distance": "no fake row with a true onset",
    "category_accuracy": "no fake row with a category",
    "whole_frame_rate": "no fake row is answered with a box",
    "no_onset_rate": "no fake row with a true onset is answered FAKE",
    "real_rate": "no parsed answer",
}
METRICS = {
    "accuracy": Metric(),
    "fake_accuracy": Metric(),
    "real_accuracy": Metric(),
    "accuracy_by_video": Metric(),
    "explanation": Metric(),
    "bbox_iou": Metric(),
    "bbox_distance": lower(),
    "time_distance": lower(),
    "overall": Metric(),
    "rouge_l": Metric(),
    "category_accuracy": Metric(),
    "whole_frame_rate": lower(note="answered boxes that are the whole frame"),
    "no_onset_rate": lower(note="answers FAKE without an onset"),
    "real_rate": Metric(note="answers REAL", direction=0),
    **verdicts.DEPLOYED,
}
WHOLE = 0.99  # of the frame
POLICY = verdicts.DEPLOYED_POLICY | {
    "unparsed": "wrong in every metric, with a P(fake) of 1 or 0 for the opposite of the truth, never dropped",
    "missing_or_broken_box": "IoU 0, distance 100",
    "missing_or_broken_onset": "distance 100",
    "real_answer_to_a_fake_row": "IoU 0, distances 100, explanation 0",
    "box_space": "that of the row's meta, pixels of the source where it names none",
    "boxes": "compared as ratios of the frame, not clipped; distances are capped at 100",
    "explanation": f"{explanations.POLICY}; of fake rows alone",
    "category_accuracy": "the explanation names a category of the trace and no other",
    "accuracy_by_video": "each video counts once, with the mean of its rows",
    "failures": "whole_frame_rate (section 3.3): of the boxes answered to fake rows those of 99 % of the frame; "
    "no_onset_rate: of the answers FAKE to fake rows with a true onset those without a usable one; real_rate: of the "
    "parsed answers those of REAL, beside the share of the real rows",
}


@dataclass(frozen=True, slots=True)
class Case(Verdict):
    """A scored row. `bbox` is the answer's box in ratios of the frame; iou and rouge_l are 0..1, distances 0..100."""

    gold: Gold
    bbox: boxes.Box | None
    iou: float
    bbox_distance: float
    time_distance: float
    rouge_l: float
    names_category: bool

    @property
    def written(self) -> str:
        return self.gold.explanation if self.gold.label == "fake" else ""

    @property
    def explanation(self) -> str:
        return (self.parsed.answer.explanation if self.parsed.answer else None) or ""

    @property
    def quality(self) -> float:
        """0..1, to rank cases by: the verdict alone for a real row, verdict, IoU and onset for a fake one."""
        if self.gold.label == "real":
            return float(self.right)
        return (self.right + self.iou + 1 - self.time_distance / 100) / 3

    @property
    def measures(self) -> dict[str, float | None]:
        boxed, timed = self.gold.bbox is not None, self.gold.start is not None
        return {
            "bbox_iou": 100 * self.iou if boxed else None,
            "bbox_distance": self.bbox_distance if boxed else None,
            "time_distance": self.time_distance if timed else None,
            "rouge_l": 100 * self.rouge_l if self.gold.label == "fake" and self.gold.explanation else None,
            "explanation_score": self.row.get("explanation_score"),
            "p_fake": self.row.get("p_fake"),
        }


def measure_row(row: dict[str, Any], gold: Gold, parsed: Parsed, p_fake: float | None = None) -> Case:
    """Compare one answer, and the P(fake) that counts for it, with the truth."""
    answer = parsed.answer or Answer("real")  # an unparsed answer claims nothing; it is not right either way
    bbox, explanation = traces.answered_box(answer.bbox, row["meta"]), answer.explanation or ""
    if problems := traces.space_problem(answer.bbox, bbox, row["meta"]):
        parsed = replace(parsed, problems=parsed.problems + problems)
    return Case(
        row,
        parsed,
        p_fake,
        gold,
        bbox,
        iou=traces.bbox_iou(gold.bbox, bbox),
        bbox_distance=traces.bbox_distance(gold.bbox, bbox),
        time_distance=traces.time_distance(gold.start, answer.start, gold.duration),
        rouge_l=rouge_l(gold.explanation, explanation) if gold.label == "fake" and explanation else 0.0,
        names_category=traces.names_category(explanation, gold.categories),
    )


def columns(cases: Sequence[Case]) -> dict[str, Column]:
    """metric -> (numerators, denominators), one entry a row; the metric is 100 * sum / sum."""
    right = np.array([case.right for case in cases], float)
    fake = np.array([case.gold.label == "fake" for case in cases], float)
    boxed = np.array([case.gold.bbox is not None for case in cases], float)
    timed = np.array([case.gold.start is not None for case in cases], float)
    explained = np.array([bool(case.written) for case in cases], float)
    named = fake * np.array([bool(case.gold.categories) for case in cases])
    rows_of = Counter(case.media_id for case in cases)
    share = np.array([1 / rows_of[case.media_id] for case in cases])
    answers = [case.parsed.answer for case in cases]
    drawn = fake * np.array([case.bbox is not None for case in cases])
    dated = fake * timed * np.array([answer is not None and answer.verdict == "fake" for answer in answers])
    found = {
        "accuracy": (right, np.ones_like(right)),
        "fake_accuracy": (right, fake),
        "real_accuracy": (right, 1 - fake),
        "accuracy_by_video": (right * share, share),
        "explanation": explanations.column(cases),
        STRICT: explanations.column(cases, strict=True),
        "bbox_iou": (np.array([c.iou for c in cases]), boxed),
        "bbox_distance": (np.array([c.bbox_distance for c in cases]) / 100, boxed),
        "time_distance": (np.array([c.time_distance for c in cases]) / 100, timed),
        "rouge_l": (np.array([c.rouge_l for c in cases]), explained),
        "category_accuracy": (np.array([c.names_category for c in cases], float), named),
        "whole_frame_rate": (np.array([_is_whole(c.bbox) for c in cases], float), drawn),
        "no_onset_rate": (np.array([answer is None or answer.start is None for answer in answers], float), dated),
        "real_rate": (
            np.array([c.answered == "real" for c in cases], float),
            np.array([answer is not None for answer in answers], float),
        ),
    }
    return {name: (100 * up * (down > 0), down) for name, (up, down) in found.items()}


def _is_whole(box: boxes.Box | None) -> bool:
    """Whether a box in ratios covers the whole frame, or as good as that."""
    if box is None:
        return False
    x0, y0, x1, y1 = (min(max(side, 0.0), 1.0) for side in box)
    return (x1 - x0) * (y1 - y0) >= WHOLE


def with_reasons(found: dict[str, Estimate], unjudged: str | None) -> dict[str, Estimate]:
    """The estimates, and for those without a value why: nothing to measure, or no judge's score of explanations."""
    found = {
        name: Estimate(None, 0, _NOTHING_TO_MEASURE[name]) if part.n == 0 else part for name, part in found.items()
    }
    if unjudged:
        found["explanation"] = Estimate(None, found[STRICT].n, unjudged)
    return found


def overall_column(columns: Mapping[str, Column]) -> Column:
    """Overall as one mean over rows, which weigh by what is measured on them; nothing where a part has no row."""
    parts = [columns[name] for name in OVERALL_PARTS]
    up, down = parts[-1]
    parts[-1] = 100 * down - up, down
    if not all(down.any() for _, down in parts):
        return np.zeros(len(up)), np.zeros(len(up))
    of_rows = (sum(part[i] / part[1].sum() for part in parts) for i in (0, 1))
    return tuple(of_rows)


def overall(found: Mapping[str, Estimate], of_rows: Estimate) -> Estimate:
    """(accuracy + explanation + IoU + 100 - time distance) / 4, or the reason why there is none."""
    estimates = [found[name] for name in OVERALL_PARTS]
    parts = {name: part.as_json()["value"] for name, part in zip(OVERALL_PARTS, estimates, strict=True)}
    if missing := next((part.reason for part in estimates if part.value is None), None):
        reason = f"one of its four parts has no value: {missing}"
        return Estimate(None, estimates[0].n, reason, parts=parts)
    value = float(overall_of(*np.array([part.value for part in estimates], float)))
    of_parts = [part.statistic for part in estimates]
    statistic = replace(of_parts[0], parts=np.hstack([of.parts for of in of_parts]), of=overall_of_totals)
    return replace(of_rows, value=value, n=estimates[0].n, statistic=statistic, parts=parts)


def overall_of_totals(totals: np.ndarray) -> np.ndarray:
    """Overall from the numerators and denominators of its four parts, (..., 8)."""
    return overall_of(*(ratio(totals[..., i : i + 2]) for i in (0, 2, 4, 6)))


class DeepTrace(VerdictScorer[Case]):
    metrics = METRICS
    slice_metrics = (
        "accuracy",
        "explanation",
        "bbox_iou",
        "bbox_distance",
        "time_distance",
        "rouge_l",
        "category_accuracy",
        "auc",
        "tpr_at_1",
    )
    answers = ("fake", "real")
    policy = POLICY
    baselines = ("majority answer", "best constant box")

    def grammar_of(self, rows: Iterable[dict[str, Any]]) -> str:
        """The grammar in which the rows were asked to answer: tags if all hold the zero-shot question, else trained."""
        asked = {
            str(m.get("content"))
            for row in rows
            for m in row.get("messages") or ()
            if isinstance(m, dict) and m.get("role") == "user"
        }
        return "tags" if asked == {ZERO_SHOT_QUESTION} else "trained"

    def read_case(self, row: dict[str, Any], grammar: str) -> Case:
        """Parse and measure a row."""
        gold, parsed = traces.read_gold(row), parse(deeptrace.GRAMMARS, row, grammar)
        return measure_row(row, gold, parsed, verdicts.p_fake_of(row, parsed))

    def measure(self, cases: Sequence[Case], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        """Every metric on these cases, `rows` of the file."""
        of_rows = columns(cases)
        found = with_reasons(shares(of_rows, clusters, rows), explanations.lacking(cases, self.judging))
        strict = {"explanation": found[STRICT]}
        found["overall"] = overall(found, share(overall_column(of_rows), clusters, rows))
        of_rows |= {"explanation": of_rows[STRICT]}
        strict["overall"] = overall(found | strict, share(overall_column(of_rows), clusters, rows))
        found |= {name: explanations.with_strict(found[name], strict[name], cases) for name in strict}
        found = self.measured(cases, rows, clusters) | found
        return {name: found[name] for name in self.metrics}

    def extras(self, cases: Sequence[Case], clusters: Clusters, metrics: dict[str, Any]) -> dict[str, Any]:
        """What is to be known of the judge of explanations."""
        return explanations.extras(cases, clusters, metrics)

    def slices(self, case: Case) -> dict[str, Sequence[str]]:
        """By source, category of the trace (figure 5 of the paper) and split."""
        meta = case.row["meta"]
        categories = case.gold.categories if case.label == "fake" else ()
        return {"source": (str(meta.get("source")),), "category": categories, "split": (str(meta.get("split")),)}

    def simple_baselines(self, cases: Sequence[Case]) -> dict[str, list[Case]]:
        """The majority answer (the more frequent verdict, nothing else), and the best constant box, always FAKE."""
        majority = Parsed(Answer(most_frequent(case.gold.label for case in cases)), "trained")
        found = {self.baselines[0]: [measure_row(c.row, c.gold, majority) for c in cases]}
        constant = best_constant([c.gold for c in cases])
        if constant is not None:
            found[self.baselines[1]] = [measure_row(c.row, c.gold, scaled(constant, c)) for c in cases]
        return found

    def published(self, cases: Sequence[Case]) -> dict[str, Any]:
        return deeptrace_tables.published(cases)

    def describe(self, case: Case, cases: Sequence[Case]) -> dict[str, Any]:
        return deeptrace_page.describe(case)

    def figures(self, cases: Sequence[Case]) -> list[Figure]:
        return deeptrace_page.figures(cases)
