"""What a judge said of a candidate or a pair, and what is kept of the run whose answers it judged."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from swift_plugins.answering.asking import Item, Result, error_text
from swift_plugins.core.records import Row, read_json, write_json
from swift_plugins.core.tasks import JudgeTask
from swift_plugins.core.tasks.cut_off import read_response


def judgement(item: Item, results: Sequence[Result], task: JudgeTask) -> Row:
    """What the judge said of one item: the fields that its row gains."""
    nothing: Row = dict(task.NO_JUDGEMENT)
    if item.problem:
        return nothing | {"judge_unparsed": item.problem}
    for result in results:
        if not isinstance(result, dict):
            return nothing | {"error": f"judge: {error_text(result)}"}
    answers = [result for result in results if isinstance(result, dict)]
    parsed = [read_response(task.GRAMMARS["trained"], answer) for answer in answers]
    said = {"judge_response": [a["response"] for a in answers] if len(answers) > 1 else answers[0]["response"]}
    why = next((p.reason for p in parsed if p.answer is None), None)
    if why is not None:
        return nothing | said | {"judge_unparsed": why}
    return task.judgement([p.answer for p in parsed], [a.get("choice_probs") for a in answers]) | said


def check_apart(data: Path, out: Path) -> None:
    """ValueError where the judged rows would be written over those that are judged."""
    if data.resolve() == out.resolve():
        raise ValueError(f"{out} is --data, whose rows are judged: name another --out")


def keep_records(data: Path, out: Path, rows: int, own: str) -> None:
    """Put the records of the predictions that were judged, all but this judge's `own`, beside the output, so that they
    can be scored there."""
    for kind in ("run", "judge", "explanations"):
        before = data.with_name(f"{data.name}.{kind}.json")
        if kind == own or not before.is_file():
            continue
        record = read_json(before)
        if kind == "run" and isinstance(record.get("data"), dict):
            record["data"]["rows"] = rows
        write_json(out.with_name(f"{out.name}.{kind}.json"), record)


def lines_of(found: Row) -> list[str]:
    """A judgement for people."""
    if "error" in found or found.get("judge_unparsed"):
        problem = found.get("error") or found["judge_unparsed"]
        return [f"no judgement: {problem}", *str(found.get("judge_response") or "").splitlines()]
    if "judge_score" in found:
        expected = found["judge_expected"]
        head = f"score {found['judge_score']}" + (f" (expected {expected:.2f})" if expected is not None else "")
        return [head, *(found["judge_reasoning"] or "").splitlines()]
    probability = found["judge_prob_a"]
    if found["judge_better"] is None:
        head = "no preference: the two orders disagree"
    else:
        head = f"better: {found['judge_better']}" + (", in both orders" if found["judge_consistent"] else "")
    return [head + (f" (P(A) {probability:.2f})" if probability is not None else "")]
