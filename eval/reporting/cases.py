"""The cases that a report shows, with their pictures."""

from __future__ import annotations

import base64
import io
import sys
from collections.abc import Sequence
from typing import Any

from eval.reporting.provenance import Shown
from eval.scorers.base import Scorer
from swift_plugins.core.guarded import run_guarded
from swift_plugins.core.videos import frame_at

WORST, BEST = 12, 12
PICTURES = 4  # of one case
PICTURE_WIDTH = 448  # px
MAX_TEXT = 1500  # characters of a text that the page shows


def choose_cases(cases: Sequence[Any], worst: int = WORST, best: int = BEST) -> dict[str, list[Any]]:
    """The worst cases (no perfect one) and the best, one of each video or image; fakes first, with more to show."""
    first: dict[str, Any] = {}
    for case in sorted(cases, key=lambda c: (c.quality, c.row["id"])):
        first.setdefault(case.media_id, case)
    ranked = list(first.values())
    low = [case for case in ranked[: min(worst, (len(ranked) + 1) // 2)] if case.quality < 1]
    high = sorted(ranked[len(low) :], key=lambda c: (-c.quality, c.label == "real", c.row["id"]))[:best]
    return {"Worst": low, "Best": high}


def jpeg_at(path: str, second: str) -> tuple[bytes, int, int, float]:
    """(JPEG, width, height, the frame's own time in s) of the frame seen at `second`, as the model sees it."""
    if not path:
        raise ValueError("the row names no video or image")
    image, shown = frame_at(path, float(second))
    image.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH * 4))
    data = io.BytesIO()
    image.convert("RGB").save(data, "JPEG", quality=80)
    return data.getvalue(), image.width, image.height, shown


def pictures(jobs: Sequence[tuple[str, str]], shown: Shown) -> list[dict[str, Any]]:
    """For each (path, second) a data URI with its size and time, or why there is none; read in guarded processes."""
    from tqdm import tqdm

    found: list[dict[str, Any]] = []
    faults = [shown.fault(path) for path, _ in jobs]
    read = run_guarded(jpeg_at, [job for job, fault in zip(jobs, faults, strict=True) if fault is None])
    results = (next(read) if fault is None else fault for fault in faults)
    for result in tqdm(results, total=len(jobs), desc="pictures", unit="picture", disable=not sys.stderr.isatty()):
        if isinstance(result, str):
            found.append({"reason": result})
        else:
            data, width, height, second = result
            uri = "data:image/jpeg;base64," + base64.b64encode(data).decode()
            found.append({"uri": uri, "width": width, "height": height, "second": second})
    return found


def describe(case: Any, facts: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of one case: what all tasks have in common, and what the scorer tells of it."""
    texts = [(title, (text or "not known")[:MAX_TEXT]) for title, text in facts["texts"]]
    return {
        "boxes": [],
        "second": 0.0,
        "right": case.right,
        **facts,
        "texts": texts,
        "id": case.row["id"],
        "source": case.row["meta"].get("source"),
        "reason": case.parsed.reason,
        "problems": case.parsed.problems,
    }


def show_cases(scorer: Scorer[Any], cases: Sequence[Any], may_show: Shown) -> dict[str, list[dict[str, Any]]]:
    """The chosen cases by kind, each with a picture of each of its videos or images."""
    shown = {
        kind: [describe(case, scorer.describe(case, cases)) | {"media": media_of(case.row)} for case in some]
        for kind, some in choose_cases(cases).items()
    }
    chosen = [case for some in shown.values() for case in some]
    found = iter(pictures([(path, str(case["second"])) for case in chosen for path in case["media"]], may_show))
    for case in chosen:
        case["pictures"] = [next(found) for _ in case["media"]]
    return shown


def media_of(row: dict[str, Any]) -> list[str]:
    """The paths of the first videos or images that a question is about; an empty one where the row names none."""
    return [str(path) for path in row.get("videos") or row.get("images") or [""]][:PICTURES]
