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


def pictures(jobs: Sequence[tuple[str, str, str | None]]) -> list[dict[str, Any]]:
    """For each (path, second, why it may not be shown) a data URI with its size and time, or why there is none.

    The files are read in guarded processes.
    """
    from tqdm import tqdm

    found: list[dict[str, Any]] = []
    read = run_guarded(jpeg_at, [(path, second) for path, second, fault in jobs if fault is None])
    results = (next(read) if fault is None else fault for *_, fault in jobs)
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
    chosen = choose_cases(cases)
    shown = {kind: [describe(case, scorer.describe(case, cases)) for case in some] for kind, some in chosen.items()}
    told = [(case, facts) for kind, some in chosen.items() for case, facts in zip(some, shown[kind], strict=True)]
    jobs = []
    for case, facts in told:
        facts["media"], fault = media_of(case.row), may_show.fault(case.row)
        jobs += [(path, str(facts["second"]), fault) for path in facts["media"]]
    found = iter(pictures(jobs))
    for _, facts in told:
        facts["pictures"] = [next(found) for _ in facts["media"]]
    return shown


def media_of(row: dict[str, Any]) -> list[str]:
    """The paths of the first videos or images that a question is about; an empty one where the row names none."""
    paths = row.get("videos") or row.get("images") or []
    return [path for path in paths if isinstance(path, str)][:PICTURES] or [""]
