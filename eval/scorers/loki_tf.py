"""Score LOKI's true-or-false questions: a yes or no, taken together with what was asked, is a verdict on a medium.

Each medium is asked about twice, whether it is generated and whether it is taken from the real world, so a model that
always says yes is right half of the time: pair_accuracy and yes_rate show it. An unparsed answer counts as the opposite
of the truth.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.shares import Column, shares
from eval.scorers import loki
from eval.scorers.base import Metric, parse
from eval.scorers.verdicts import DEPLOYED, DEPLOYED_POLICY, Verdict, VerdictScorer
from swift_plugins.core.measures.fields import choice_probs
from swift_plugins.core.measures.verdicts import counted_p_fake
from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.loki_tf import GRAMMARS, OTHER, Answer, verdict

METRICS = {
    "accuracy": Metric(),
    "real_accuracy": Metric(note="recall of the real media"),
    "fake_accuracy": Metric(note="recall of the fake media"),
    "f1": Metric(note="positive class: fake", both_classes=True),
    **DEPLOYED,
    "pair_accuracy": Metric(note="both questions about a medium"),
    "yes_rate": Metric(note="50 is unbiased", direction=0),
    "accuracy_upstream": Metric(note="as the release weighs it"),
}
POLICY = DEPLOYED_POLICY | {
    "unparsed": "the opposite of the truth, with a P(fake) of 1 or 0 for it, never dropped",
    "verdict": "what the question asks about for a yes, the other for a no",
    "f1": "positive class fake",
    "auc": "area under the ROC curve of P(fake), that of yes or of no as the question asks; ties count half",
    "pair_accuracy": "share of the media with both questions for which both answers are right",
    "yes_rate": "share of yes among the parsed answers",
    "accuracy_upstream": "the released evaluation's total: the mean of both recalls per class of images or generator "
    "of videos, over these weighted by their fakes; one without reals has the recall of its fakes, but where one alone "
    "has reals their recall stands for all",
}


@dataclass(frozen=True, slots=True)
class Reply(Verdict):
    """An answer to a question that `asks` whether a medium is "real" or "fake"."""

    asks: str

    @property
    def truth(self) -> str:
        return f"{self.label} (asked {self.asks})"

    @property
    def measures(self) -> dict[str, float | None]:
        return {"p_fake": None if self.parsed.answer is None else self.p_fake}

    @property
    def answered(self) -> str | None:
        return _answered(self.parsed, self.asks)


def _answered(parsed: Parsed, asks: str) -> str | None:
    return verdict(parsed.answer.choice, asks) if parsed.answer else None


def columns(cases: Sequence[Reply]) -> dict[str, Column]:
    """metric -> (numerators, denominators), one entry a row; a medium with both questions stands at its first row."""
    right, asks_fake = np.array([(case.right, case.asks == "fake") for case in cases]).T
    medium = Clusters([case.media_id for case in cases]).index
    wrong, of_fake, of_real = (np.bincount(medium, weights=flags) for flags in (~right, asks_fake, ~asks_fake))
    first, asked = np.unique(medium, return_index=True)[1], (of_fake > 0) & (of_real > 0)
    pairs, both = np.zeros((2, len(cases)))
    pairs[first], both[first] = asked, asked & (wrong == 0)
    parsed = np.array([case.parsed.answer is not None for case in cases], float)
    yes = np.array([case.answered == case.asks for case in cases], float)
    weights = upstream_weights(cases)
    return {
        "pair_accuracy": (100 * both, pairs),
        "yes_rate": (100 * yes, parsed),
        "accuracy_upstream": (100 * right * weights, weights),
    }


def upstream_weights(cases: Sequence[Reply]) -> np.ndarray:
    """What each row weighs in accuracy_upstream (opendatalab/LOKI, lm_evaluate/tasks/loki.py, aggregate_results)."""
    fake, group = np.array([case.fake for case in cases]), Clusters([*map(group_of, cases)]).index
    fakes, reals = (np.bincount(group, weights=of) for of in (fake, ~fake))
    if np.count_nonzero(reals) == 1:
        return np.where(fake, 1.0, fakes.sum() / reals.sum())
    return np.where(fake, np.where(reals > 0, 1.0, 2.0)[group], (fakes / np.maximum(reals, 1))[group])


def group_of(case: Reply) -> str:
    meta = case.row["meta"]
    return meta.get("generator") or meta.get("category") or ""


class TrueOrFalse(VerdictScorer[Reply]):
    metrics = METRICS
    slice_metrics = ("accuracy", "f1", "auc", "tpr_at_1", "pair_accuracy", "yes_rate")
    policy = POLICY
    baselines = ("always yes", "always fake")
    dimensions = loki.DIMENSIONS
    no_table = loki.NO_TABLE
    stated_in = "probabilities of yes and no (choice_probs)"

    def read_case(self, row: dict[str, Any], grammar: str) -> Reply:
        meta = row["meta"]
        loki.check_meta(meta)
        parsed, probs = parse(GRAMMARS, row, grammar), choice_probs(row, tuple(OTHER))
        p_fake = None if probs is None else probs["yes" if meta["asks"] == "fake" else "no"]
        counted = counted_p_fake(meta["label"], _answered(parsed, meta["asks"]), p_fake)
        return Reply(row, parsed, counted, meta["asks"])

    def measure(self, cases: Sequence[Reply], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        found = self.measured(cases, rows, clusters) | shares(columns(cases), clusters, rows)
        found["f1"] = found["fake_f1"]
        reasons = {
            "pair_accuracy": "no medium has both questions in these rows",
            "yes_rate": "no parsed answer",
            "accuracy_upstream": "no fake row",
        }
        found |= {name: replace(found[name], reason=reason) for name, reason in reasons.items() if not found[name].n}
        return {name: found[name] for name in self.metrics}

    def simple_baselines(self, cases: Sequence[Reply]) -> dict[str, list[Reply]]:
        def constant(case: Reply, choice: str) -> Reply:
            return replace(case, parsed=Parsed(Answer(choice), "trained"), p_fake=None)

        yes = [constant(case, "yes") for case in cases]
        fake = [constant(case, "yes" if case.asks == "fake" else "no") for case in cases]
        return dict(zip(self.baselines, (yes, fake), strict=True))

    def describe(self, case: Reply, cases: Sequence[Reply]) -> dict[str, Any]:
        """The verdict that the answer means, and what was asked."""
        shown = super().describe(case, cases)
        said = f", said {case.parsed.answer.choice}" if case.parsed.answer else ""
        facts = [] if case.p_fake is None or not said else [f"P(fake) {case.p_fake:.3f}"]
        return shown | {"facts": [f"asked whether it is {case.asks}{said}", *facts]}
