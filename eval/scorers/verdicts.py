"""Verdicts, real or fake, and P(fake): the metrics that detection, FakeVLM and LOKI share."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import attrgetter
from typing import Any, TypeVar

import numpy as np

from eval.estimates.auc import auc
from eval.estimates.calibration import BINS, ece
from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.curves import Scores, average_precision, true_positive_rate
from eval.estimates.shares import mean, ratio, share, shares
from eval.estimates.statistics import brier_score, f1_score
from eval.estimates.sums import sums
from eval.scorers.base import Case, Figure, Metric, Scorer, graded, lower, missing
from eval.scorers.figures import of_probabilities
from swift_plugins.core.measures.fields import number_within
from swift_plugins.core.measures.verdicts import counted_p_fake, is_right, p_true
from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.verdicts import FOLD, VERDICTS

RATES = {"tpr_at_1": 0.01, "tpr_at_0_1": 0.001}  # the true-positive rates, and their rates of false positives
BY_P_FAKE = ("auc", *RATES, "average_precision", "auc_of_reals", "ece", "brier")
METRICS = {
    "accuracy": Metric(),
    "real_f1": Metric(both_classes=True),
    "fake_f1": Metric(both_classes=True),
    "real_accuracy": Metric(note="recall of the real images"),
    "fake_accuracy": Metric(note="recall of the fake images"),
    "balanced_accuracy": Metric(note="mean of both recalls", both_classes=True),
    "auc": Metric(note="by P(fake)"),
    **{
        name: Metric(note=f"fakes found at {100 * level:g} % of the reals called fake") for name, level in RATES.items()
    },
    "average_precision": Metric(note="by P(fake)", both_classes=True),
    "auc_of_reals": Metric(note="one half of the reals against the other, 50: cannot be told apart", direction=0),
    "ece": lower(0, 1, 3, "by P(fake)"),
    "brier": lower(0, 1, 3, "by P(fake)"),
}
DEPLOYED = {name: METRICS[name] for name in ("balanced_accuracy", *BY_P_FAKE)}  # of every task with verdicts
GENERATORS = "generator, each with all reals"
CHECKED = ("accuracy", "real_f1", "fake_f1")  # the first lies between the others, or a report is wrong
DEPLOYED_POLICY = {
    "auc": "area under the ROC curve of p_fake; ties count half",
    "balanced_accuracy": "mean of real_accuracy and fake_accuracy",
    "tpr": "the share of fakes with a P(fake) above the threshold that at most 1 %, or 0.1 %, of the reals are above "
    "(Pepe 2003); its interval allows for the threshold, too (Hilgers 1991)",
    "average_precision": "area under the precision-recall curve as sum of precision times rise of recall; fake is "
    "positive",
    "auc_of_reals": "AUC by P(fake) of one half of the real media, drawn by a hash of their names, against the other: "
    "how far from 50 the AUC of what is the same comes to lie by chance",
    "ece": f"expected calibration error (Naeini et al. 2015): |mean P(fake) - share of fakes| over {BINS} equal-width "
    "bins of P(fake), weighted by their rows",
    "brier": "mean squared difference of P(fake) and the truth (1 for a fake)",
}
POLICY = {
    "unparsed": "the opposite of the truth, with a P(fake) of 1 or 0 for it, never dropped",
    "edited": "counts as fake, in the truth and in an answer",
    **DEPLOYED_POLICY,
}


@dataclass(frozen=True, slots=True)
class Verdict(Case):
    """A verdict on an image; `p_fake` is None where the back end gave none.

    Whether it is fake, and the answer right, every metric of every slice asks: they are found out once.
    """

    p_fake: float | None
    fake: bool = field(init=False)
    right: bool = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "fake", FOLD[self.label] == "fake")
        object.__setattr__(self, "right", is_right(self.label, self.answered))

    @property
    def truth(self) -> str:
        return FOLD[self.label] if self.label in VERDICTS else f"{FOLD[self.label]} ({self.label})"

    @property
    def answered(self) -> str | None:
        return FOLD[self.parsed.answer.verdict] if self.parsed.answer else None

    @property
    def quality(self) -> float:
        return graded(self.right, None if self.p_fake is None else p_true(self.label, self.p_fake))

    @property
    def measures(self) -> dict[str, float | None]:
        return {"p_fake": self.row.get("p_fake")}


V = TypeVar("V", bound=Verdict)


class VerdictScorer(Scorer[V]):
    """Verdicts with P(fake), as they are scored unless a task says otherwise."""

    metrics = METRICS
    slice_metrics: Sequence[str] = ("accuracy", "auc", "tpr_at_1", "brier")
    answers = VERDICTS
    policy: Mapping[str, Any] = POLICY
    baselines: Sequence[str] = ("majority verdict",)
    libraries: Sequence[str] = ("numpy",)
    stated_in = "P(fake) (p_fake)"  # what a row without a probability lacks

    def measure(self, cases: Sequence[V], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        found = self.measured(cases, rows, clusters)
        return {name: found[name] for name in self.metrics}

    def measured(self, cases: Sequence[V], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        """METRICS on the cases, which are these rows of the file."""
        fake, right = (np.fromiter(map(attrgetter(name), cases), bool, len(cases)) for name in ("fake", "right"))
        found = verdict_metrics(fake, right, rows, clusters)
        if unknown := sum(case.p_fake is None for case in cases):
            return found | missing(BY_P_FAKE, len(cases), f"{unknown} rows have no {self.stated_in}")
        return found | probability_metrics(cases, fake, rows, clusters)

    def together(self, cases: Sequence[V]) -> dict[str, dict[str, list[int]]]:
        """Each generator's fakes with all reals, where there are several: what their fakes alone have no AUC of."""
        reals = [i for i, case in enumerate(cases) if not case.fake]
        fakes: dict[str, list[int]] = {}
        for i, case in enumerate(cases):
            if case.fake and (name := generator_of(case.row["meta"])):
                fakes.setdefault(name, []).append(i)
        if not reals or len(fakes) < 2:
            return {}
        return {GENERATORS: {name: sorted(reals + places) for name, places in fakes.items()}}

    def measure_together(self, cases: Sequence[V], rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
        """What is of verdicts alone: texts are those of the other slices."""
        found = self.measured(cases, rows, clusters)
        return {name: found[name] for name in self.metrics if name in found}

    def describe(self, case: V, cases: Sequence[V]) -> dict[str, Any]:
        stated = case.row.get("p_fake")
        return {
            "verdict": f"{case.label}, answered {case.said}",
            "facts": [] if stated is None else [f"P(fake) {stated:.3f}"],
            "texts": [("answer", case.row.get("response") or "–")],
        }

    def figures(self, cases: Sequence[V]) -> list[Figure]:
        """What P(fake) is worth: its calibration, and what each threshold on it finds."""
        known = [(case.p_fake, case.fake) for case in cases if case.p_fake is not None]
        return of_probabilities(known)


def generator_of(meta: Mapping[str, Any]) -> str | None:
    """What made a fake, where its row tells."""
    return next((str(meta[key]) for key in ("generator", "manipulation", "source") if meta.get(key)), None)


def p_fake_of(row: dict[str, Any], parsed: Parsed) -> float | None:
    """The row's P(fake) as it counts."""
    p_fake = number_within(row, "p_fake", 0, 1)
    return counted_p_fake(row["meta"]["label"], parsed.answer and parsed.answer.verdict, p_fake)


def between(values: Mapping[str, float | None], rounding: float = 0.0) -> bool | None:
    """Whether accuracy lies between real_f1 and fake_f1, as it must; None where one of them has no value.

    An unparsed answer counts as the opposite of the truth. So every error lowers both F1s, accuracy is the mediant of
    real_f1 and fake_f1, 2 (TP + TN) / (2 TP + E + 2 TN + E) with E errors, and lies between them.
    """
    accuracy, *scores = (values[name] for name in CHECKED)
    if accuracy is None or None in scores:
        return None
    low, high = sorted(score for score in scores if score is not None)
    return low - rounding <= accuracy <= high + rounding


def checked(metrics: Mapping[str, Any]) -> dict[str, Any]:
    """The report's entries on that check."""
    holds = between({name: metrics[name]["value"] for name in CHECKED}, rounding=1e-3)
    said = {True: "holds", False: "DOES NOT HOLD: do not trust this report", None: "cannot be checked without both F1s"}
    return {
        "invariant": {"text": "accuracy lies between real_f1 and fake_f1", "holds": holds},
        "remarks": [f"check that accuracy lies between real_f1 and fake_f1: {said[holds]}"],
    }


def verdict_metrics(fake: np.ndarray, right: np.ndarray, rows: np.ndarray, clusters: Clusters) -> dict[str, Estimate]:
    """accuracy, the recalls with their mean, and the F1s; a wrong answer is the opposite verdict."""
    hit = 100.0 * right
    of_class = {"real": ~fake, "fake": fake}
    columns = {"accuracy": (hit, np.ones(len(hit)))}
    columns |= {f"{name}_accuracy": (hit * of, of) for name, of in of_class.items()}
    found = shares(columns, clusters, rows)
    found["balanced_accuracy"] = balanced(fake, right, rows, clusters)
    for name, of in of_class.items():
        if found[f"{name}_accuracy"].value is None:
            found[f"{name}_accuracy"] = Estimate(None, 0, f"no {name} row")
        found[f"{name}_f1"] = f1_of(of, right, rows, clusters) or Estimate(
            None, len(fake), f"no {name} row and none answered"
        )
    return found


def f1_of(of: np.ndarray, right: np.ndarray, rows: np.ndarray, clusters: Clusters) -> Estimate | None:
    """F1 of a class, the flags `of` its rows: 2 hits / (2 hits + errors), a share in which a hit weighs twice.

    None where there is neither a hit nor an error.
    """
    hits, weights = 2.0 * (right & of), 2.0 * (right & of) + ~right
    if not weights.any():
        return None
    found = share((100 * hits, weights), clusters, rows, whole=2.0 * of if of.any() else np.ones(len(of)))
    every = sums(np.column_stack([100 * hits, weights, np.ones(len(of))]), ratio, clusters, rows)
    return replace(found, value=100 * f1_score(of, of == right), n=len(of), statistic=every)


def probability_metrics(
    cases: Sequence[Verdict], fake: np.ndarray, rows: np.ndarray, clusters: Clusters
) -> dict[str, Estimate]:
    """BY_P_FAKE, of cases that all have it."""
    p = np.array([case.p_fake for case in cases], float)
    scores = Scores(p, fake, clusters, rows)
    one_class = "all rows are fake" if fake.all() else "all rows are real" if not fake.any() else None
    curves = (
        missing((*RATES, "average_precision"), len(cases), one_class)
        if one_class
        else {
            **{name: true_positive_rate(scores, level) for name, level in RATES.items()},
            "average_precision": average_precision(scores),
        }
    )
    return curves | {
        "auc_of_reals": of_reals([case for case in cases if not case.fake], p[~fake], rows[~fake], clusters),
        "ece": ece(p, fake, clusters, rows),
        "brier": replace(mean((p - fake) ** 2, clusters, rows, 0, 1), value=brier_score(fake, p)),
        "auc": auc(p, fake, clusters, rows),
    }


def of_reals(reals: Sequence[Verdict], p: np.ndarray, rows: np.ndarray, clusters: Clusters) -> Estimate:
    """The AUC of one half of the reals, by a hash of their media's names, against the other."""
    half = np.array([zlib.crc32(case.media_id.encode()) % 2 == 1 for case in reals], bool)
    if not half.any() or half.all():
        return Estimate(None, len(reals), "takes two halves of the reals")
    return auc(p, half, clusters, rows)


def balanced(fake: np.ndarray, right: np.ndarray, rows: np.ndarray, clusters: Clusters) -> Estimate:
    """The mean of both recalls (Brodersen et al. 2010), of rows that weigh as much in sum for either class."""
    if fake.all() or not fake.any():
        return Estimate(None, len(fake), "takes rows of both classes")
    parts = [part for of in (~fake, fake) for part in (100.0 * (right & of), 1.0 * of)]
    weights = np.where(fake, 0.5 / fake.sum(), 0.5 / (~fake).sum())
    found = share((100.0 * right * weights, weights), clusters, rows)
    return replace(found, statistic=sums(np.column_stack(parts), balanced_of, clusters, rows))


def balanced_of(totals: np.ndarray) -> np.ndarray:
    """From the hits and the rows of each class, (..., 4)."""
    return (ratio(totals[..., :2]) + ratio(totals[..., 2:])) / 2
