"""The tables of the FakeVLM paper that a run compares with, and what in them cannot be or needs care.

The paper does not say which class its F1 takes as positive. Given the accuracy and the share of a class, an F1 of that
class is possible only within a range, which tells for most rows; the released labels, 0 for fake and 1 for real, hint
at real.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from eval.scorers.tables import no_table, off, published_rows

TableRow = dict[str, str]
ROUNDING = 0.05  # the tables print percent to 0.1
# Images (fake, real): of FakeClue's test set as released, and of LOKI's image modality, counted in its annotations.
IMAGES = {"fakeclue": (3192, 1808), "loki": (1317, 900)}
FILES = {
    "fakeclue": "fakevlm_fakeclue_loki.csv",
    "loki": "fakevlm_fakeclue_loki.csv",
    "ddvqa": "fakevlm_ddvqa.csv",
    "dmimage": "fakevlm_dmimage.csv",
    "ffpp": "fakevlm_ffpp.csv",
}
TITLES = {
    "fakeclue": "FakeVLM, table 2: FakeClue's test set, 5,000 images",
    "loki": "FakeVLM, tables 2 and 6: the images of LOKI, 2,217 by its annotations (image/fakevlm), of which people "
    "described 229 (image/fakevlm_described)",
    "ddvqa": "FakeVLM, table 4: DD-VQA, test; whether every question counts or only the image's is not stated",
    "dmimage": "FakeVLM, table 3: DMimage",
    "ffpp": "FakeVLM, table 5: FF++; whether an AUC is by frames or by videos is not stated",
}
F1_CLASS = "which class F1 takes is not stated"


def published(datasets: Collection[str | None]) -> dict[str, Any]:
    """The table of the one dataset whose test rows these are; no rows where the paper has none."""
    name = next(iter(datasets)) if len(datasets) == 1 else None
    if name not in FILES:
        return no_table("The FakeVLM paper")
    rows = table(name)
    title = TITLES[name] if name in ("ffpp", "dmimage") else f"{TITLES[name]}; {F1_CLASS}"
    if name == "dmimage":
        shares = [real_share(row) for row in rows]
        title += (
            f"; f1 is the one of fakes; the accuracies imply {min(shares):.0f} to {max(shares):.0f} % reals: "
            "rows differ in their images"
        )
    return {"file": FILES[name], "title": title, "n": sum(IMAGES[name]) if name in IMAGES else None, "rows": rows}


def table(dataset: str) -> list[TableRow]:
    """The rows of a dataset's table, each with a note where one is due."""
    rows = [row for row in published_rows(FILES[dataset]) if row.get("set", dataset) == dataset]
    for row in rows:
        if "fake_f1" in row:  # beside this project's f1, which is that of fake
            row["f1"] = row["fake_f1"]
        notes = [note for note in (find(row, dataset) for find in NOTES) if note]
        if notes:
            row["note"] = "; ".join(notes)
    return rows


def f1_range(accuracy: float, share: float) -> tuple[float, float]:
    """The least and the greatest F1 of a class that is `share` of the rows; all in 0..1.

    F1 = 2 TP / (2 TP + E), with E = 1 - accuracy errors, rises with TP, of which there are share - E to share, and no
    more than there are right answers.
    """
    errors = 1 - accuracy
    least, most = max(0.0, share - errors), min(share, accuracy)
    return 2 * least / (2 * least + errors), 2 * most / (2 * most + errors)


def possible_f1(row: TableRow, share: float) -> tuple[float, float]:
    """f1_range in percent, as wide as the rounding of both printed numbers makes it."""
    low, high = zip(
        *(f1_range((float(row["accuracy"]) + off) / 100, share) for off in (-ROUNDING, ROUNDING)), strict=True
    )
    return 100 * min(low) - ROUNDING, 100 * max(high) + ROUNDING


def class_of_f1(row: TableRow, dataset: str) -> str | None:
    """Rows whose F1 cannot be that of fake, which this project's f1 is."""
    if dataset not in IMAGES or not row["f1"]:
        return None
    fake, real = IMAGES[dataset]
    ranges = {name: possible_f1(row, count / (fake + real)) for name, count in (("fake", fake), ("real", real))}
    fits = [name for name, (low, high) in ranges.items() if low <= float(row["f1"]) <= high]
    if "fake" in fits:
        return None
    stated = f"with accuracy {row['accuracy']} on {fake:,} fakes and {real:,} reals an F1 of {row['f1']}"
    low, high = ranges["fake"]
    if fits:
        return f"{stated} is not that of fake ({low:.1f} to {high:.1f}) but can be that of real: compare real_f1"
    return f"{stated} is that of neither class (fake {low:.1f} to {high:.1f}, real up to {ranges['real'][1]:.1f})"


def within_class(row: TableRow, dataset: str) -> str | None:
    """DMimage's rows whose class F1 is 2r / (1 + r) of that class's recall r: no error on the other class counts."""
    if dataset != "dmimage":
        return None
    found = []
    for name in ("real", "fake"):
        recall, f1 = float(row[f"{name}_accuracy"]), float(row[f"{name}_f1"])
        low, high = (200 * r / (100 + r) for r in (recall - ROUNDING, recall + ROUNDING))
        if low - ROUNDING <= f1 <= high + ROUNDING:
            found.append(f"{name}_f1 {row[f'{name}_f1']}")
    return f"{' and '.join(found)}: computed within the class (precision 1), not comparable" if found else None


def real_share(row: TableRow) -> float:
    """The percentage of reals at which the accuracies of both classes give the overall one."""
    real, fake, overall = (float(row[name]) for name in ("real_accuracy", "fake_accuracy", "accuracy"))
    return 100 * (overall - fake) / (real - fake)


def printed_twice(row: TableRow, dataset: str) -> str | None:
    """Rows whose numbers another table prints for the same model, otherwise or of another dataset."""
    names = ("accuracy", "f1", "rouge_l", "css")
    if dataset == "loki" and row["model"] in (twins := ("FakeVLM", "LLaVA + Explanatory Text (ablation)")):
        twin = twins[row["model"] == twins[0]]
        other = next(r for r in published_rows(FILES["loki"]) if (r["set"], r["model"]) == ("loki", twin))
        differ = ", ".join(f"{name} {other[name]}" for name in names if row[name] != other[name])
        return f"{twin}, by the text the same model, has {differ} and the rest equal"
    if dataset == "ddvqa":
        of_fakeclue = {r["model"]: r for r in published_rows(FILES["fakeclue"]) if r["set"] == "fakeclue"}
        other = of_fakeclue.get(row["model"], {})
        same = [name for name in names if row[name] and row[name] == other.get(name)]
        if len(same) > 2:
            return f"{', '.join(same)} are those that table 2 has on FakeClue"
    return None


def mean_of_four(row: TableRow, dataset: str) -> str | None:
    """FF++'s rows whose average is not that of the four manipulations."""
    if dataset != "ffpp":
        return None
    mean = sum(float(row[name]) for name in ("auc_df", "auc_f2f", "auc_fs", "auc_nt")) / 4
    if not off(mean, row["auc_average"], 2 * ROUNDING):
        return None
    return f"auc_average {row['auc_average']} is not the mean of the four, {mean:.1f}"


NOTES = (class_of_f1, within_class, printed_twice, mean_of_four)
