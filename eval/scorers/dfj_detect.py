"""Score verdicts on the images of DeepfakeJudge: real or fake, and how well P(fake) is calibrated.

An edited image, and an answer that says "edited", count as fake.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from eval.estimates.clusters import Clusters
from eval.scorers import judges, verdicts
from eval.scorers.base import most_frequent, parse
from eval.scorers.tables import may_be_of, no_table, published_table
from eval.scorers.verdicts import Verdict, VerdictScorer
from swift_plugins.core.tasks import Parsed
from swift_plugins.core.tasks.dfj_detect import GRAMMARS, Answer
from swift_plugins.core.tasks.verdicts import FOLD


class Detect(VerdictScorer[Verdict]):
    def read_case(self, row: dict[str, Any], grammar: str) -> Verdict:
        judges.check_label(row["meta"])
        parsed = parse(GRAMMARS, row, grammar)
        return Verdict(row, parsed, verdicts.p_fake_of(row, parsed))

    def slices(self, case: Verdict) -> dict[str, Sequence[str]]:
        return judges.slices(case.row["meta"])

    def simple_baselines(self, cases: Sequence[Verdict]) -> dict[str, list[Verdict]]:
        constant = Parsed(Answer(most_frequent(FOLD[case.label] for case in cases)), "trained")
        return {self.baselines[0]: [replace(case, parsed=constant, p_fake=None) for case in cases]}

    def published(self, cases: Sequence[Verdict]) -> dict[str, Any]:
        """The paper's table. A row whose accuracy is not between its F1s (each printed to 0.1) gets a note."""
        if not may_be_of(cases, judges.DATASET, ("test",)):
            return no_table(judges.PAPER)
        table = published_table("deepfakejudge_detect.csv", "DeepfakeJudge-Detect, all 2,000 images", 2000)
        for row in table["rows"]:
            if not verdicts.between({name: float(row[name]) for name in verdicts.CHECKED}, rounding=0.1):
                row["note"] = (
                    f"accuracy {row['accuracy']} is not between real_f1 {row['real_f1']} and fake_f1 "
                    f"{row['fake_f1']}: no two-class verdicts give these three"
                )
        return table

    def extras(self, cases: Sequence[Verdict], clusters: Clusters, metrics: dict[str, Any]) -> dict[str, Any]:
        return verdicts.checked(metrics)
