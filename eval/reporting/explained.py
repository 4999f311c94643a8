"""What a model says of one file: its verdict, how sure it is, why, and where and when the file gives itself away."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eval.reporting.cases import MAX_TEXT, medium, pictures, shown
from swift_plugins.core.boxes import Box, to_pixels
from swift_plugins.core.measures.traces import answered_box
from swift_plugins.core.records import Row
from swift_plugins.core.tasks import Parsed, get_task
from swift_plugins.core.tasks.cut_off import read_response

NO_PROOF = "What a model says is no proof: how often it is right is told by its scores on held-out media."


@dataclass(frozen=True)
class Explained:
    """One file and the answer about it; `box` is in px of the frame, `start` in s, `fault` says why there is none."""

    row: Row
    verdict: str | None
    p_fake: float | None
    reason: str | None
    box: Box | None
    start: float | None
    response: str | None
    fault: str | None
    problems: tuple[str, ...] = ()

    @property
    def path(self) -> str:
        return self.row["id"]

    @property
    def is_video(self) -> bool:
        return "videos" in self.row

    @property
    def readable(self) -> bool:
        """Whether the file is a medium that could be asked about."""
        return "width" in self.row["meta"]

    @property
    def said(self) -> str:
        """The verdict with its probability, as a headline."""
        sure = "" if self.p_fake is None else f", P(fake) {self.p_fake:.3f}"
        return f"{self.verdict.upper()}{sure}" if self.verdict else "no answer"

    def as_json(self) -> dict[str, Any]:
        found = {
            key: getattr(self, key) for key in ("path", "verdict", "p_fake", "reason", "start", "response", "fault")
        }
        return found | {"task": self.row["task"], "bbox": self.box and [round(x, 1) for x in self.box]}


def explained(row: Row, result: Row | Exception | str) -> Explained:
    """What the result of asking a row says, read as the task's answers are."""
    if not isinstance(result, dict):
        return Explained(row, None, None, None, None, None, None, str(result))
    grammars = get_task(row["task"]).GRAMMARS
    parsed: Parsed = read_response(grammars.get("auto", grammars["trained"]), result)
    answer, p_fake, response = parsed.answer, result.get("p_fake"), result["response"]
    if answer is None:
        return Explained(row, None, p_fake, None, None, None, response, parsed.reason, parsed.problems)
    reason = getattr(answer, "explanation", None) or getattr(answer, "reasoning", None)
    ratios = answered_box(getattr(answer, "bbox", None), row["meta"])
    box = ratios and to_pixels(ratios, row["meta"]["width"], row["meta"]["height"], 1, 1)
    start = getattr(answer, "start", None)
    return Explained(row, answer.verdict, p_fake, reason, box, start, response, None, parsed.problems)


def lines(one: Explained) -> Iterator[str]:
    """The answer as a terminal shows it."""
    yield f"{one.path}: {one.said}"
    if one.fault:
        yield f"  {one.fault}" + (f"; the model said: {one.response[:MAX_TEXT]}" if one.response else "")
    where = [f"from {one.start:.2f} s on"] if one.start is not None else []
    where += ["box [" + ", ".join(f"{x:.0f}" for x in one.box) + "] px"] if one.box else []
    if where:
        yield "  " + ", ".join(where)
    if one.reason:
        yield f"  {one.reason}"
    yield from (f"  {problem}" for problem in one.problems)


def facts_of(some: Sequence[Explained], out: Path) -> list[dict[str, Any]]:
    """What a page in the folder `out` shows of each file, as a report shows a case, but without a truth."""
    jobs = {one.path: (one.path, str(one.start or 0.0)) for one in some if one.readable}
    drawn = pictures([*jobs.values()])
    told = []
    for one in some:
        picture = medium(one.path, None if one.readable else one.fault, out)
        told.append(_facts(one) | {"pictures": [shown(picture, drawn.get(jobs.get(one.path, ("", ""))))]})
    return told


def _facts(one: Explained) -> dict[str, Any]:
    meta, box = one.row["meta"], []
    if one.box:
        x0, y0, x1, y1 = to_pixels(one.box, 100, 100, meta["width"], meta["height"])
        box = [("pred", x0, y0, x1 - x0, y1 - y0)]
    return {
        "id": one.path,
        "media_id": one.path,
        "source": "",
        "truth": "not known",
        "answered": one.verdict,
        "right": None,
        "verdict": one.said,
        "facts": [f"the model said: {one.response[:MAX_TEXT]}"] if one.fault and one.response else [],
        "texts": [("reason", (one.reason or one.fault or "none is given")[:MAX_TEXT])],
        "boxes": box,
        "second": one.start or 0.0,
        "onsets": {} if one.start is None else {"pred": one.start},
        "groups": {"answer": [one.verdict or "none"]},
        "quality": 1.0 if one.verdict else 0.0,
        "measures": {"p_fake": one.p_fake},
        "reason": one.fault,
        "problems": one.problems,
        "duration": meta.get("duration"),
        "runs": [],
    }
