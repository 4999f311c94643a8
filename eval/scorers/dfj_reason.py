"""Score verdicts with a rationale on the images of DeepfakeJudge-Reason: the verdict, and the rationale's text.

To the metrics of detection come BLEU-3, ROUGE-L and, when asked for, BERTScore of the rationale against the written
one, and the mean score that a trained pointwise judge gave it (the paper's DFJ score). An answer without a rationale,
or one that is not parsed, has an empty one and the judge's lowest score, 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from eval.encoders.bertscore import ENCODERS
from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.intervals import plain
from eval.estimates.shares import mean, shares
from eval.estimates.sums import sums
from eval.scorers import bleu, explanations, judges, verdicts
from eval.scorers.base import AddScores, Metric, Similarities, missing, most_frequent, parse, percents
from eval.scorers.tables import may_be_of, no_table, published_table
from eval.scorers.verdicts import Verdict, VerdictScorer
from swift_plugins.core.measures.fields import explanation_scores
from swift_plugins.core.measures.scores import LOWEST
from swift_plugins.core.measures.texts import rouge_l
from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.dfj_detect import Answer
from swift_plugins.core.tasks.dfj_reason import GRAMMARS
from swift_plugins.core.tasks.verdicts import FOLD

TEXT_METRICS = {
    "bleu_3": Metric(0, 1, 3),
    "rouge_l": Metric(),
    "bertscore": Metric(0, 1, 3),
    "judge_score": judges.SCORE,
}
USUAL, *OTHERS = ENCODERS  # that of most papers, and those of a wider scale
LAYER, UNLIKE = ENCODERS[USUAL]
BERTSCORE_NOTE = (
    "bertscore: the paper states neither encoder, layer nor rescaling; its 0.35 to 0.62 cannot be "
    f"{USUAL}, layer {LAYER}, as it is, where texts that have nothing in common have {UNLIKE}, but can be that "
    f"rescaled, (F - {UNLIKE}) / (1 - {UNLIKE}), or, all but the 0.35, an encoder of a wider scale: "
    + " or ".join(f"--bertscore {name} (layer {ENCODERS[name][0]}, {ENCODERS[name][1]})" for name in OTHERS)
)
METRICS = verdicts.METRICS | TEXT_METRICS | {"explanation": explanations.METRIC}
POLICY = verdicts.POLICY | {
    "rationale": "the answer's reasoning; where there is none, or no parsed answer, an empty text",
    "bleu_3": "corpus BLEU of sacrebleu up to 3-grams, 0..1, on rows with a written rationale",
    "rouge_l": "mean F1, 0..100, on rows with a written rationale",
    "bertscore": "mean F1, 0..1, no idf, no baseline rescaling; 0 for an empty rationale",
    "judge_score": judges.SCORE_POLICY,
    "explanation": explanations.POLICY,
}


@dataclass(frozen=True, slots=True)
class Reasoned(Verdict):
    """A verdict with its rationale's measures: rouge_l and bertscore (None: not asked for) 0..1, judge_score 1..5."""

    gold: str
    rouge_l: float
    judge_score: float | None
    bertscore: float | None = None
    bleu: list[int] = field(default_factory=list)  # what it adds to the corpus' BLEU, once all are read

    @property
    def written(self) -> str:
        return self.gold

    @property
    def explanation(self) -> str:
        return _rationale(self.parsed)

    @property
    def quality(self) -> float:
        return (self.right + self.rouge_l) / 2

    @property
    def measures(self) -> dict[str, float | None]:
        texts = {"bertscore": self.bertscore, "judge_score": self.judge_score}
        return {"p_fake": self.row.get("p_fake")} | percents({"rouge_l": self.rouge_l if self.gold else None}) | texts


def _rationale(parsed: Parsed) -> str:
    return (parsed.answer.reasoning if parsed.answer else None) or ""


def add_bertscore(cases: Sequence[Reasoned], similarities: Similarities) -> list[Reasoned]:
    """The cases with the BERTScore of their rationales."""
    scores = similarities([(case.explanation, case.gold) for case in cases])
    return [replace(case, bertscore=score) for case, score in zip(cases, scores, strict=True)]


def text_metrics(cases: Sequence[Reasoned], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
    """bleu_3, rouge_l and bertscore of rows that have a written rationale."""
    scored = 100 * np.array([case.rouge_l for case in cases])
    found = shares({"rouge_l": (scored, np.ones(len(cases)))}, clusters, rows)
    parts = np.array([case.bleu for case in cases], float)
    statistic, interval = sums(parts, bleu.bleu, clusters, rows), partial(plain, low=0.0, high=1.0)
    found["bleu_3"] = Estimate(float(bleu.bleu(parts.sum(0))), len(cases), statistic=statistic, interval=interval)
    if any(case.bertscore is None for case in cases):
        found["bertscore"] = Estimate(None, len(cases), "not asked for: score with --bertscore")
    else:
        found["bertscore"] = mean(np.array([case.bertscore for case in cases]), clusters, rows, 0.0, 1.0)
    return found


class Reason(VerdictScorer[Reasoned]):
    metrics = METRICS
    slice_metrics = ("accuracy", *TEXT_METRICS)
    policy = POLICY
    libraries = ("numpy", "sacrebleu")
    encoders: Mapping[str, AddScores] = {"bertscore": add_bertscore}

    def read_case(self, row: dict[str, Any], grammar: str) -> Reasoned:
        judges.check_label(row["meta"])
        if not isinstance(row["meta"].get("reasoning"), str):
            raise ValueError(f"meta.reasoning must be a text, got {row['meta'].get('reasoning')!r:.80}")
        explanation_scores(row)
        parsed, judged = parse(GRAMMARS, row, grammar), judges.score_of(row)
        gold = row["meta"]["reasoning"].strip()
        rationale = _rationale(parsed)
        score = judged if rationale else float(LOWEST)
        p_fake = verdicts.p_fake_of(row, parsed)
        return Reasoned(row, parsed, p_fake, gold, rouge_l(gold, rationale), score)

    def read_together(self, cases: Sequence[Reasoned]) -> None:
        parts = bleu.parts([(case.explanation, case.gold) for case in cases]).tolist()
        for case, part in zip(cases, parts, strict=True):
            case.bleu[:] = part

    def measure(self, cases: Sequence[Reasoned], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        found = self.measured(cases, rows, clusters)
        written = np.array([bool(case.gold) for case in cases])
        if written.any():
            some = [case for case in cases if case.gold]
            found |= text_metrics(some, rows[written], clusters)
        else:
            found |= missing(("bleu_3", "rouge_l", "bertscore"), 0, "no row with a written rationale")
        found |= explanations.metric(cases, rows, clusters, self.judging)
        found["judge_score"] = judges.score_metric(cases, rows, clusters)
        return {name: found[name] for name in self.metrics if name in found}

    def slices(self, case: Reasoned) -> dict[str, Sequence[str]]:
        return judges.slices(case.row["meta"])

    def simple_baselines(self, cases: Sequence[Reasoned]) -> dict[str, list[Reasoned]]:
        constant = Parsed(Answer(most_frequent(FOLD[case.label] for case in cases)), "trained")
        nothing: dict[str, Any] = {"parsed": constant, "p_fake": None, "rouge_l": 0.0, "judge_score": float(LOWEST)}
        return {
            self.baselines[0]: [
                replace(
                    case,
                    **nothing,
                    bertscore=None if case.bertscore is None else 0.0,
                    bleu=bleu.without_hypothesis(case.bleu),
                )
                for case in cases
            ]
        }

    def published(self, cases: Sequence[Reasoned]) -> dict[str, Any]:
        if not may_be_of(cases, judges.DATASET, ("test",)):
            return no_table(judges.PAPER)
        title = f"DeepfakeJudge-Reason, all 924 images; judge_score by DeepfakeJudge-3B; {BERTSCORE_NOTE}"
        return published_table("deepfakejudge_reason.csv", title, 924)

    def extras(self, cases: Sequence[Reasoned], clusters: Clusters, metrics: dict[str, Any]) -> dict[str, Any]:
        """The check of the verdicts' metrics, how BLEU was computed, and what the judge failed on."""
        found = explanations.extras(cases, clusters, metrics)
        remarks = found["remarks"] + judges.failed_judgements(cases, metrics)
        found |= verdicts.checked(metrics)
        remarks = found["remarks"] + remarks
        remarks += [] if metrics["bertscore"]["value"] is None else [BERTSCORE_NOTE]
        return found | {"remarks": remarks, "policy": {"bleu_signature": bleu.signature()}}

    def describe(self, case: Reasoned, cases: Sequence[Reasoned]) -> dict[str, Any]:
        shown = super().describe(case, cases)
        shown["facts"] += [f"ROUGE-L {100 * case.rouge_l:.1f}", *explanations.facts(case)]
        if case.bertscore is not None:
            shown["facts"].append(f"BERTScore {case.bertscore:.3f}")
        if case.judge_score is not None:
            shown["facts"].append(f"judge's score {case.judge_score:g}")
        return shown | {"texts": [("written", case.gold or "–"), ("answer", case.row.get("response") or "–")]}
