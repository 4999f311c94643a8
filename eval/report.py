"""Write a scored run as report.json, report.md and a self-contained report.html with pictures of cases."""

from __future__ import annotations

import base64
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.metrics import number, reasons
from eval.scorer import Scorer, mcnemar_text
from swift_plugins.media import frame_at, run_guarded
from swift_plugins.records import atomic_write, write_json

HERE = Path(__file__).resolve().parent
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
    """(JPEG, width, height, the frame's own time in s) of the frame shown at `second`."""
    if not path:
        raise ValueError("the row names no video or image")
    image, shown = frame_at(path, float(second))
    image.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH * 4))
    data = io.BytesIO()
    image.convert("RGB").save(data, "JPEG", quality=80)
    return data.getvalue(), image.width, image.height, shown


def pictures(jobs: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """For each (path, second) a data URI with its size and time, or why there is none; read in guarded processes."""
    from tqdm import tqdm

    found: list[dict[str, Any]] = []
    results = run_guarded(jpeg_at, jobs)
    for result in tqdm(results, total=len(jobs), desc="pictures", unit="picture", disable=not sys.stderr.isatty()):
        if isinstance(result, str):
            found.append({"reason": result})
        else:
            data, width, height, shown = result
            uri = "data:image/jpeg;base64," + base64.b64encode(data).decode()
            found.append({"uri": uri, "width": width, "height": height, "second": shown})
    return found


def describe(case: Any, facts: dict[str, Any]) -> dict[str, Any]:
    """What the page shows of one case: what all tasks have in common, and what the scorer tells of it."""
    texts = [(title, (text or "not known")[:MAX_TEXT]) for title, text in facts["texts"]]
    return {"boxes": [], "second": 0.0, "right": case.right, **facts, "texts": texts, "id": case.row["id"],
            "source": case.row["meta"].get("source"), "reason": case.parsed.reason,
            "problems": case.parsed.problems}  # fmt: skip


def show_cases(scorer: Scorer, cases: Sequence[Any]) -> dict[str, list[dict[str, Any]]]:
    """The chosen cases by kind, each with a picture of each of its videos or images."""
    shown = {kind: [describe(case, scorer.describe(case, cases)) | {"media": media_of(case.row)} for case in some]
             for kind, some in choose_cases(cases).items()}  # fmt: skip
    chosen = [case for some in shown.values() for case in some]
    found = iter(pictures([(path, str(case["second"])) for case in chosen for path in case["media"]]))
    for case in chosen:
        case["pictures"] = [next(found) for _ in case["media"]]
    return shown


def media_of(row: dict[str, Any]) -> list[str]:
    """The paths of the first videos or images that a question is about; an empty one where the row names none."""
    return [str(path) for path in row.get("videos") or row.get("images") or [""]][:PICTURES]


_MARKDOWN = re.compile(r"([\\`*_\[\](){}#!|<>~:@]|(?<=www)\.)", re.I)  # with what makes a bare address a link


def plain_markdown(text: Any, limit: int = 200) -> str:
    """A text, so that Markdown shows its beginning as it is: on one line, nothing in it a link, a picture or HTML."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text)[:limit].split()))


def measured(slices: dict[str, Any], names: Sequence[str]) -> list[str]:
    """The metrics that at least one slice has a value of: a table needs no empty column."""
    return [name for name in names if any(name in part["metrics"] for part in slices.values())]


def write_report(report: dict[str, Any], scorer: Scorer, cases: Sequence[Any], out: Path) -> None:
    """Write the three files to `out`, each in place of an older one."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    out.mkdir(parents=True, exist_ok=True)
    shown = show_cases(scorer, cases)
    write_json(out / "report.json", report | {"cases": {k: [c["id"] for c in v] for k, v in shown.items()}})
    facts = {"report": report, "cases": shown, "figures": scorer.figures(cases), "metrics": scorer.METRICS,
             "answers": [*scorer.ANSWERS, "unparsed"], "constants": scorer.BASELINES,
             "counted_as": scorer.UNPARSED, "measured": measured,
             "number": number, "reasons": reasons, "mcnemar_text": mcnemar_text}  # fmt: skip
    for name, autoescape in (("report.html", True), ("report.md", False)):
        environment = Environment(
            loader=FileSystemLoader(HERE / "templates"), autoescape=autoescape, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        environment.filters["md"] = plain_markdown
        text = environment.get_template(f"{name}.j2").render(facts)
        with atomic_write(out / name) as file:
            file.write(text.encode(errors="replace"))
