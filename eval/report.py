"""Write a scored run as report.json, report.md and a self-contained report.html with pictures of cases."""

from __future__ import annotations

import base64
import csv
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from swift_plugins.media import frame_at
from swift_plugins.records import atomic_write, write_json

HERE = Path(__file__).resolve().parent
WORST, BEST = 12, 12
PICTURE_WIDTH = 448  # px
MAX_TEXT = 1500  # characters of an answer that the page shows


def published_rows(name: str) -> list[dict[str, str]]:
    """The rows of a table of the paper, as this project keeps it under eval/published/."""
    with open(HERE / "published" / name, encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def choose_cases(cases: Sequence[Any], worst: int = WORST, best: int = BEST) -> dict[str, list[Any]]:
    """The worst cases (no perfect one) and the best, one of each video; fakes first, as they have boxes to show."""
    first_of_video: dict[str, Any] = {}
    for case in sorted(cases, key=lambda c: (c.quality, c.row["id"])):
        first_of_video.setdefault(str(case.row["meta"].get("media_id") or case.row["id"]), case)
    ranked = list(first_of_video.values())
    low = [case for case in ranked[: min(worst, (len(ranked) + 1) // 2)] if case.quality < 1]
    high = sorted(ranked[len(low) :], key=lambda c: (-c.quality, c.gold.label == "real", c.row["id"]))[:best]
    return {"Worst": low, "Best": high}


def picture(case: Any) -> dict[str, Any]:
    """The frame at the true onset (else the predicted one, else the first) as a data URI, or why there is none."""
    paths = case.row.get("videos") or case.row.get("images") or []
    answer = case.parsed.answer
    second = case.gold.start if case.gold.start is not None else (answer.start if answer else None) or 0.0
    try:
        if not paths:
            raise ValueError("the row names no video")
        image, shown = frame_at(paths[0], second)
    except ValueError as error:
        return {"reason": str(error), "second": second}
    image.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH * 4))
    data = io.BytesIO()
    image.convert("RGB").save(data, "JPEG", quality=80)
    uri = "data:image/jpeg;base64," + base64.b64encode(data.getvalue()).decode()
    return {"uri": uri, "second": shown, "width": image.width, "height": image.height}


def describe(case: Any) -> dict[str, Any]:
    """What the page shows of one case; boxes in percent of the frame (x, y, width, height)."""

    def percent(box: Sequence[float] | None) -> list[float] | None:
        if box is None:
            return None
        x0, y0, x1, y1 = (100 * min(max(v, -1.0), 2.0) for v in box)
        return [x0, y0, x1 - x0, y1 - y0]

    answer = case.parsed.answer
    response = case.row.get("response")
    return {
        "id": case.row["id"],
        "source": case.row["meta"].get("source"),
        "label": case.gold.label,
        "verdict": answer.verdict if answer else None,
        "right": case.right,
        "reason": case.parsed.reason,
        "problems": case.parsed.problems,
        "p_fake": case.row.get("p_fake"),
        "iou": 100 * case.iou if case.gold.bbox else None,
        "true_start": case.gold.start,
        "start": answer.start if answer else None,
        "duration": case.gold.duration,
        "true_box": percent(case.gold.bbox),
        "box": percent(case.bbox),
        "labels": (case.row.get("labels") or "")[:MAX_TEXT],
        "response": None if response is None else response[:MAX_TEXT],
        "picture": picture(case),
    }


def measured(slices: dict[str, Any], names: Sequence[str]) -> list[str]:
    """The metrics that at least one slice has a value of: a table needs no empty column."""
    return [name for name in names if any(name in part["metrics"] for part in slices.values())]


def write_report(report: dict[str, Any], cases: Sequence[Any], out: Path) -> None:
    """Write the three files to `out`, each in place of an older one."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from tqdm import tqdm

    out.mkdir(parents=True, exist_ok=True)
    chosen = choose_cases(cases)
    total = sum(map(len, chosen.values()))
    with tqdm(total=total, desc="pictures", unit="case", leave=False, disable=not sys.stderr.isatty()) as progress:
        shown: dict[str, list[dict[str, Any]]] = {}
        for title, some in chosen.items():
            shown[title] = []
            for case in some:
                shown[title].append(describe(case))
                progress.update()
    onsets = [
        {"x": c.gold.start / c.gold.duration, "y": min(c.parsed.answer.start / c.gold.duration, 1.0), "id": c.row["id"]}
        for c in cases
        if c.gold.start is not None and c.gold.duration and c.parsed.answer and c.parsed.answer.start is not None
    ]
    write_json(out / "report.json", report | {"cases": {k: [c["id"] for c in v] for k, v in shown.items()}})
    environment = Environment(
        loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True,
        lstrip_blocks=True,
    )  # fmt: skip
    for name, autoescape in (("report.html", True), ("report.md", False)):
        environment.autoescape = autoescape
        text = environment.get_template(f"{name}.j2").render(
            report=report, cases=shown, onsets=onsets, measured=measured, published=published_rows(report["published"])
        )
        with atomic_write(out / name) as file:
            file.write(text.encode())
