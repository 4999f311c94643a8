"""The tables of the DeepTraceReward paper that a run compares with, and what in them cannot be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from eval.scorers.tables import may_be_of, no_table, off, published_table

OVERALL_PARTS = ("accuracy", "explanation", "bbox_iou", "time_distance")
TABLES = {
    "test": ("Table 2 of the paper: the test set of the full dataset, 772 rows", 772),
    "val": ("The paper's table of the validation set of the full dataset, 766 rows", 766),
}
# How the sources of RewardData's rows begin: its seven generators, and that of its real clips.
SOURCES = ("Pika 1.5", "Kling 1.", "Gen-3", "Mochi 1", "MiniMax-Video-01", "Sora", "LLaVA")
ROUNDING = 0.05  # the tables print to 0.1


def overall_of(accuracy, explanation, bbox_iou, time_distance):
    """Overall of section 3.1, from parts of 0..100."""
    return (accuracy + explanation + bbox_iou + 100 - time_distance) / 4


def published(cases: Sequence[Any]) -> dict[str, Any]:
    """The table of the split that all rows are of, unless a row is of a source that RewardData has not."""
    sources = {str(case.row["meta"].get("source") or SOURCES[0]) for case in cases}
    for split, (title, n) in TABLES.items():
        if may_be_of(cases, "rewarddata", (split,)) and all(source.startswith(SOURCES) for source in sources):
            table = published_table(f"deeptrace_{split}.csv", title, n)
            return table | {"rows": [noted(row) for row in table["rows"]]}
    return no_table("DeepTraceReward")


def noted(row: dict[str, str]) -> dict[str, str]:
    """A row of a table, with a note where its numbers cannot be: Overall is the mean of four parts, and the accuracy of
    all rows lies between those of both classes."""
    mean, notes = overall_of(*(float(row[name]) for name in OVERALL_PARTS)), []
    if off(mean, row["overall"], 2 * ROUNDING):
        notes.append(f"overall {row['overall']} is not the mean of its four parts, {mean:.1f}")
    low, high = sorted(float(row[name]) for name in ("fake_accuracy", "real_accuracy"))
    if not low - 2 * ROUNDING <= float(row["accuracy"]) <= high + 2 * ROUNDING:
        notes.append(f"accuracy {row['accuracy']} is not between those of both classes, {low} and {high}")
    return row | ({"note": "; ".join(notes)} if notes else {})
