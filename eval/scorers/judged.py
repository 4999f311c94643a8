"""Which judges have scored the answers of a file, as the records beside it say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swift_plugins.core.records import Row, read_json

# The metric of a judge -> (the rows' key of its scores, the record beside the file, the key of the report's run).
JUDGED = {
    "judge_score": ("judge_score", "judge", "judge"),
    "explanation": ("explanation_score", "explanations", "explanation_judge"),
}
FACTS = ("model", "generation", "date", "candidates", "repeats", "prompt_is", "prompt_sha256", "versions", "trained_on")


def judge_facts(pred: Path) -> dict[str, Any]:
    """What is recorded of the judges whose scores the rows hold; empty where there is none."""
    found = {}
    for _, kind, key in JUDGED.values():
        path = pred.with_name(f"{pred.name}.{kind}.json")
        if path.is_file():
            record = read_json(path)
            found[key] = {fact: record[fact] for fact in FACTS if record.get(fact) is not None}
    return found


def judged_by(pred: Path, rows: Sequence[tuple[str, Row]], metrics: Mapping[str, Any]) -> list[str]:
    """For each metric that has its value by a judge, which judge that is."""
    facts, remarks = judge_facts(pred), []
    for name, (field, kind, key) in JUDGED.items():
        if name not in metrics or all(row.get(field) is None for _, row in rows):
            continue
        names = f"{name} and overall" if "overall" in metrics else name
        unknown = f"by a judge that is not on record (there is no {pred.name}.{kind}.json)"
        remarks.append(f"{names}: {_named(facts[key]) if key in facts else unknown}")
    return remarks


def _named(record: Mapping[str, Any]) -> str:
    """A judge's name, and what its scores hang on."""
    model, generation = (dict(found) if isinstance(found := record.get(key), dict) else {} for key in FACTS[:2])
    said = {
        "": model.get("adapter") or model.get("model"),
        "at ": model.get("base_url"),
        "begun ": record.get("date"),
        "temperature ": generation.get("temperature"),
        f"prompt {str(record.get('prompt_sha256'))[:12]} of ": record.get("prompt_is"),
        "candidates ": record.get("candidates"),
    }
    return "judged by " + ", ".join(f"{what}{value}" for what, value in said.items() if value is not None)
