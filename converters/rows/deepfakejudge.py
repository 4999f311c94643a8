"""Training rows of DeepfakeJudge's four tasks."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from converters.conversion.sources import Row, Sourced, checked_row
from converters.layouts.deepfakejudge import Subset
from converters.layouts.deepfakejudge_rows import DECISION_OF, Raw
from converters.rows.explanations import agreeing
from swift_plugins.core.records import encode
from swift_plugins.core.tasks import JudgeTask, dfj_detect, dfj_reason, get_judge, get_task
from swift_plugins.core.tasks.candidates import LABEL_SLOT, fill, neutralise
from swift_plugins.core.tasks.tagged import REASONING
from swift_plugins.core.tasks.verdicts import FOLD


def judged(raw: Raw, task: JudgeTask) -> tuple[str, str, dict[str, Any]]:
    """(prompt, answer, task's own meta) of a pointwise or pairwise row."""
    stated = raw.score or raw.better
    if raw.gold is None:
        if stated is None:
            raise ValueError("answer: the row has none")
        gold = task.render(task.Answer(stated))
    else:
        gold = raw.gold
    parsed = task.GRAMMARS["trained"](gold)
    if parsed.answer is None:
        raise ValueError(f"{task.DECISION}: {parsed.reason} in {gold[-60:]!r}")
    decision = task.decision(parsed.answer)
    if stated is not None and stated != decision:
        raise ValueError(f"contradiction: the answer says {decision}, the row's own field {stated}")
    prompt = raw.prompt
    if prompt is None:
        if raw.label is None or set(raw.candidates) < set(task.CANDIDATES):
            raise ValueError(f"prompt: the row has neither one nor a label and {' and '.join(task.CANDIDATES)}")
        values = {slot: neutralise(raw.candidates[slot]) for slot in task.CANDIDATES}
        prompt, spans = fill(task.PROMPT, {LABEL_SLOT: raw.label, **values})
        raw.spans = {slot: list(spans[slot]) for slot in task.CANDIDATES}
    where = {key: raw.spans.get(slot, []) for slot, key in task.CANDIDATES.items()}
    if any("<image>" in prompt[slice(*span)] for span in raw.spans.values()):
        raise ValueError("messages: a candidate holds an <image> tag")
    ratings = [DECISION_OF[task.NAME](rating) for rating in raw.ratings]
    return prompt, gold, task.truth(decision) | {"ratings": ratings} | where


def detected(raw: Raw, task: Any) -> tuple[str, str, dict[str, Any]]:
    """(prompt, answer, task's own meta) of a detection or reasoning row."""
    gold, reasoning = raw.gold, raw.reasoning
    if reasoning and (whole := dfj_detect.parse_trained(reasoning).answer) is not None:
        agree(whole.verdict, raw)
        reasoning = whole.reasoning or ""
    elif framed := REASONING.fullmatch(reasoning):
        reasoning = framed.group(1).strip()
    if gold is not None:
        parsed = dfj_detect.parse_trained(gold)
        if parsed.answer is None:
            raise ValueError(f"answer: {parsed.reason} in {gold[-60:]!r}")
        agree(parsed.answer.verdict, raw)
        reasoning = reasoning or parsed.answer.reasoning or ""
    if raw.label is None:
        raise ValueError("label: the row has none")
    wanted = task is dfj_reason
    reasoning = agreeing(reasoning, raw.label)
    if wanted and not reasoning:
        raise ValueError("reasoning: the row has none")
    if gold is None:
        try:
            gold = task.render(task.Answer(raw.label, reasoning if wanted else None))
        except ValueError as error:
            raise ValueError(f"reasoning: {error}") from None
    own = {"reasoning": reasoning, "regions": encode(raw.regions).decode() if raw.regions else ""}
    return raw.prompt or task.PROMPT, gold, own if wanted else {}


def agree(verdict: str, raw: Raw) -> None:
    """Take a verdict for the row's label where it states none; ValueError where they contradict each other."""
    raw.label = raw.label or verdict
    if FOLD[verdict] != FOLD[raw.label]:
        raise ValueError(f"contradiction: the answer says {verdict}, the label is {raw.label}")


def make_row(item: Sourced[Raw], subset: Subset, digest: str | None) -> Row:
    """One training row; ValueError says why a raw row cannot become one. `digest` is the hash of its image's file."""
    task, raw = get_task(subset.task), item.row
    prompt, gold, own = judged(raw, get_judge(task.NAME)) if task.CANDIDATES else detected(raw, task)
    if raw.label is None:
        raise ValueError("label: neither a field nor the prompt tells it")
    system = [{"role": "system", "content": raw.system}] if raw.system is not None else []
    return checked_row(
        {
            "id": item.id,
            "task": task.NAME,
            "messages": [*system, {"role": "user", "content": prompt}, {"role": "assistant", "content": gold}],
            "images": [item.path],
            "meta": {
                "media_id": digest[:16] if digest else os.path.normpath(f"{Path(subset.path).parent}/{raw.image}"),
                "image": raw.image,
                "split": item.split.split("/")[1],
                "source": raw.source,
                "label": raw.label,
                **({"pair": item.id} if len(task.CANDIDATES) == 2 else {}),
                **own,
                "task_version": task.VERSION,
            },
        }
    )
