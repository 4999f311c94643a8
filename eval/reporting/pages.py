"""Write a scored run as report.json, report.md and a self-contained report.html with pictures of cases."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from eval.estimates.numbers import counted, counts, number, p_text, reasons, with_n
from eval.reporting.cases import show_cases
from eval.reporting.provenance import Shown, flat
from eval.scorers.base import Scorer
from eval.scorers.comparison import accuracy_text
from swift_plugins.core.printable import masked, printable
from swift_plugins.core.records import atomic_write, write_json

TEMPLATES = Path(__file__).resolve().parent / "templates"
_MARKDOWN = re.compile(r"([\\`*_\[\](){}#!|<>~:@]|(?<=www)\.)", re.I)  # with what makes a bare address a link


def plain_markdown(text: Any, limit: int = 200) -> str:
    """A text, so that Markdown shows its beginning as it is: on one line, nothing in it a link, a picture or HTML."""
    return _MARKDOWN.sub(r"\\\1", printable(" ".join(str(text)[:limit].split())))


def measured(slices: dict[str, Any], names: Sequence[str]) -> list[str]:
    """The metrics that at least one slice has a value of: a table needs no empty column."""
    return [name for name in names if any(name in part["metrics"] for part in slices.values())]


def without_secrets(value: Any) -> Any:
    """A value of JSON, the secrets in its texts masked: older predictions may hold what a server said."""
    if isinstance(value, dict):
        return {without_secrets(key): without_secrets(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(part) for part in value]
    return masked(value) if isinstance(value, str) else value


def write_report(report: dict[str, Any], scorer: Scorer[Any], cases: Sequence[Any], out: Path, may_show: Shown) -> None:
    """Write the three files to `out`, a folder, each in place of an older one, with pictures of what it may show."""
    report, shown = without_secrets(report), without_secrets(show_cases(scorer, cases, may_show))
    write_json(out / "report.json", report | {"cases": {k: [c["id"] for c in v] for k, v in shown.items()}})
    others = report["baseline_runs"]
    facts = {
        "report": report,
        "runs": [("this run", report["metrics"]), *((name, report["baselines"][name]) for name in others)],
        "cases": shown,
        "figures": scorer.figures(cases),
        "metrics": scorer.metrics,
        "answers": [*scorer.answers, "unparsed"],
        "constants": scorer.baselines,
        "counted_as": scorer.unparsed,
        "measured": measured,
        "number": number,
        "reasons": reasons,
        "accuracy_text": accuracy_text,
        "counts": counts,
        "counted": counted,
        "p_text": p_text,
        "with_n": with_n,
        "flat": flat,
    }
    for name in ("report.html", "report.md"):
        with atomic_write(out / name) as file:
            file.write(render(name, facts).encode(errors="replace"))


def render(name: str, facts: dict[str, Any]) -> str:
    """The template of a file filled in; every text in a page of HTML is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = plain_markdown
    return environment.get_template(f"{name}.j2").render(facts)
