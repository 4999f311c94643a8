"""Score LOKI's open-ended questions: what in a fake image shows that it is one, against what people wrote of it.

An empty answer, or none, counts as 0. The dataset's descriptions were translated by an assistant and some still hold
its own words ("The text translates to: …"), which no answer can match: the slices set their images apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.shares import shares
from eval.scorers import loki
from eval.scorers.base import AddScores, Case, Metric, Scorer, Similarities, missing, parse, percents
from swift_plugins.core.measures.texts import rouge_l
from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.loki_open import GRAMMARS, Answer

EXPLAINED = "explained"  # the one column of the confusion table
METRICS = {"rouge_l": Metric(), "css": Metric()}
POLICY = {
    "unparsed": "0, never dropped",
    "gold": "the global description, then the regional ones, kept to the letter",
    "rouge_l": "mean F1 with the gold explanation, 0..100",
    "css": "cosine similarity of sentence embeddings x 100; a negative one counts as 0",
}


@dataclass(frozen=True, slots=True)
class Explained(Case):
    """An explanation with its measures, 0..1; css is None if it was not asked for."""

    rouge_l: float
    css: float | None = None

    @property
    def gold(self) -> str:
        return self.row["meta"]["explanation"]

    @property
    def explanation(self) -> str:
        return self.parsed.answer.explanation if self.parsed.answer else ""

    @property
    def answered(self) -> str | None:
        return EXPLAINED if self.parsed.answer else None

    @property
    def right(self) -> bool:
        """Whether there is an explanation at all: the page calls none right or wrong."""
        return self.parsed.answer is not None

    @property
    def quality(self) -> float:
        return self.rouge_l

    @property
    def measures(self) -> dict[str, float | None]:
        return percents({"rouge_l": self.rouge_l, "css": self.css})


def explained(row: dict[str, Any], parsed: Parsed) -> Explained:
    case = Explained(row, parsed, 0.0)
    return replace(case, rouge_l=rouge_l(case.gold, case.explanation))


def add_css(cases: Sequence[Explained], similarities: Similarities) -> list[Explained]:
    """The cases with the CSS of their explanations."""
    scores = similarities([(case.explanation, case.gold) for case in cases])
    return [replace(case, css=score) for case, score in zip(cases, scores, strict=True)]


class OpenEnded(Scorer[Explained]):
    metrics = METRICS
    slice_metrics = tuple(METRICS)
    answers = (EXPLAINED,)
    policy = POLICY
    unparsed = "0"
    baselines = ("what is written of another image",)
    no_table = loki.NO_TABLE
    libraries = ("rapidfuzz",)
    encoders: Mapping[str, AddScores] = {"css": add_css}

    def read_case(self, row: dict[str, Any], grammar: str) -> Explained:
        meta = row["meta"]
        if not isinstance(meta.get("explanation"), str) or not meta["explanation"].strip():
            raise ValueError(f"meta.explanation must be a text, got {meta.get('explanation')!r:.80}")
        if not isinstance(meta.get("label"), str) or not isinstance(meta.get("category") or "", str):
            raise ValueError("meta.label and meta.category must be texts")
        return explained(row, parse(GRAMMARS, row, grammar))

    def measure(self, cases: Sequence[Explained], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        scores = {"rouge_l": [case.rouge_l for case in cases]}
        if asked := all(case.css is not None for case in cases):
            scores["css"] = [case.css or 0.0 for case in cases]
        ones = np.ones(len(cases))
        found = shares({name: (100 * np.array(some), ones) for name, some in scores.items()}, clusters, rows)
        return found if asked else found | missing(["css"], len(cases), "not asked for: score with --css")

    def slices(self, case: Explained) -> dict[str, Sequence[str]]:
        meta = case.row["meta"]
        remarks = "with" if meta.get("translator_remarks") else "without"
        return {"category": (meta.get("category") or "not known",), "translator's remarks": (remarks,)}

    def simple_baselines(self, cases: Sequence[Explained]) -> dict[str, list[Explained]]:
        """Each image gets the gold explanation of the one half the file away: what any of the kind reaches."""
        half = len(cases) // 2
        if not half:
            return {}
        others = [Parsed(Answer(other.gold), "trained") for other in [*cases[half:], *cases[:half]]]
        return {self.baselines[0]: [explained(case.row, other) for case, other in zip(cases, others, strict=True)]}

    def describe(self, case: Explained, cases: Sequence[Explained]) -> dict[str, Any]:
        facts = [f"ROUGE-L {100 * case.rouge_l:.1f}"] + ([] if case.css is None else [f"CSS {100 * case.css:.1f}"])
        return {
            "verdict": case.answered or "no explanation",
            "right": None,
            "facts": facts,
            "texts": [("written", case.gold), ("answer", case.row.get("response") or "–")],
        }
