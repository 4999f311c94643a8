"""What a judge of explanations is asked, and what its answers make of a row."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from swift_plugins.answering.asking import Item, Result, error_text
from swift_plugins.core.records import Row, check_form, check_row, read_json
from swift_plugins.core.tasks import explanation
from swift_plugins.core.tasks.candidates import fill, neutralise_quoted
from swift_plugins.core.tasks.cut_off import read_response

PROMPT_IS = "appendix D of DeepTraceReward"
RECORD = "explanations"  # <out>.explanations.json says who judged, and how
# What a row gains: its score (null: unscored), each one where it was judged several times, why it has none, and what
# the judge said.
FIELDS = ("explanation_score", "explanation_scores", "explanation_unscored", "explanation_response")


def question(row_id: str, meta: Mapping[str, Any], written: str, said: str, safe: bool = True) -> Row:
    """A row that asks the judge to hold `said` against `written`; ValueError for what is more than text."""
    texts = dict(zip((explanation.WRITTEN, *explanation.CANDIDATES), (written, said), strict=True))
    if safe:
        texts = {slot: neutralise_quoted(text) for slot, text in texts.items()}
    filled = fill(explanation.PROMPT, texts)
    places = {key: list(filled.spans[slot]) for slot, key in explanation.CANDIDATES.items()}
    facts = {key: meta[key] for key in ("media_id", "label") if key in meta}
    messages = [{"role": "user", "content": filled.text}]
    row = {"id": row_id, "task": explanation.NAME, "messages": messages, "meta": facts | places}
    (check_row if safe else check_form)(row)
    return row


def item_of(row: Row, pair: tuple[str, str] | None, repeats: int, safe: bool) -> Item:
    """What to ask about a row: its (written, answered) explanations, so many times; nothing where there is no pair."""
    if pair is None:
        return Item(row["id"], [], problem="nothing to judge")
    ids = [f"{row['id']}/judged/{i}" for i in range(1, repeats + 1)] if repeats > 1 else [row["id"]]
    try:
        rows = [question(row_id, row["meta"], *pair, safe) for row_id in ids]
    except ValueError as error:
        return Item(row["id"], [], problem=str(error))
    return Item(row["id"], rows, [neutralise_quoted(text) for text in pair] if safe else ())


def judged(row: Row, asked: bool, item: Item, results: Sequence[Result]) -> Row:
    """The row with what the judge said of it, in place of what an earlier one did.

    A failed judgement is no score: where all have failed the row is unscored, and an error, which can be asked again.
    """
    gone = {*FIELDS, *(["error"] if row.get("response") is not None else [])}  # with a response, of an earlier judge
    kept = {key: value for key, value in row.items() if key not in gone}
    if not asked:
        return kept
    if item.problem:
        return kept | {"explanation_score": None, "explanation_unscored": item.problem}
    answers = [result for result in results if isinstance(result, dict)]
    parsed = [read_response(explanation.GRAMMARS["trained"], answer) for answer in answers]
    said = [answer["response"] for answer in answers]
    told = {"explanation_response": said if len(results) > 1 else said[0]} if said else {}
    if scored := [p.answer for p in parsed if p.answer is not None]:
        return kept | explanation.judgement(scored, []) | told
    failed = [error_text(result) for result in results if not isinstance(result, dict)]
    why = failed[0] if failed else next(p.reason for p in parsed)
    fault = {"error": f"judge: {why}"} if failed else {}
    return kept | {"explanation_score": None, "explanation_unscored": why} | told | fault


def day_of(record: Path) -> str:
    """The day (UTC) on which the judging began that a record tells of, today where there is none."""
    begun = read_json(record).get("date") if record.is_file() else None
    return begun if isinstance(begun, str) else datetime.datetime.now(datetime.timezone.utc).date().isoformat()
