"""Write a scored run as report.json, report.md, cases.csv and a self-contained report.html to look through."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from eval.estimates.numbers import counted, counts, number, p_text, reasons, with_n
from eval.reporting.cases import choose_cases, show_cases, without_secrets
from eval.reporting.provenance import Shown, flat
from eval.reporting.summary import sentence
from eval.reporting.tables import to_csv
from eval.scorers.assemble import Scored
from eval.scorers.comparison import accuracy_text
from swift_plugins.core.printable import printable
from swift_plugins.core.records import atomic_files, write_json

TEMPLATES = Path(__file__).resolve().parent / "templates"
_MARKDOWN = re.compile(r"([\\`*_\[\](){}#!|<>~:@]|(?<=www)\.)", re.I)  # with what makes a bare address a link


def plain_markdown(text: Any, limit: int = 200) -> str:
    """A text, so that Markdown shows its beginning as it is: on one line, nothing in it a link, a picture or HTML."""
    return _MARKDOWN.sub(r"\\\1", printable(" ".join(str(text)[:limit].split())))


def measured(slices: dict[str, Any], names: Sequence[str]) -> list[str]:
    """The metrics that at least one slice has a value of: a table needs no empty column."""
    return [name for name in names if any(name in part["metrics"] for part in slices.values())]


def write_report(scored: Scored, out: Path, may_show: Shown) -> None:
    """Write the four files to `out`, a folder, each in place of an older one, with pictures of what it may show."""
    scorer = scored.scorer
    report, shown = without_secrets(scored.report), show_cases(scorer, scored.every, scored.named, may_show, out)
    chosen = {kind: [case.row["id"] for case in some] for kind, some in choose_cases(scored.cases).items()}
    write_json(out / "report.json", report | {"cases": without_secrets(chosen)})
    facts = {
        "report": report,
        "runs": [("this run", report["metrics"]), *((name, report["baselines"][name]) for name in scored.named)],
        "sentence": sentence(report, scorer),
        "browser": browser(shown, list(scored.named)),
        "figures": scorer.figures(scored.cases),
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
    texts = {name: render(name, facts) for name in ("report.html", "report.md")} | {"cases.csv": to_csv(shown)}
    write_texts(out, texts)


def write_texts(out: Path, texts: Mapping[str, str]) -> None:
    with atomic_files([out / name for name in texts]) as files:
        for file, text in zip(files, texts.values(), strict=True):
            file.write(text.encode(errors="replace"))


def browser(shown: Sequence[dict[str, Any]], runs: Sequence[str]) -> dict[str, Any]:
    """What the page's case browser is made of: the cases, by what they can be filtered and sorted, and other runs.

    A picture that several cases have stands in it once.
    """
    places: dict[str, int] = {}
    cases = []
    for told in shown:
        pictures = [
            {key: value for key, value in picture.items() if key != "uri"}
            | ({"at": places.setdefault(picture["uri"], len(places))} if "uri" in picture else {})
            for picture in told["pictures"]
        ]
        cases.append(told | {"pictures": pictures})
    groups: dict[str, dict[str, None]] = {}
    for told in shown:
        for name, values in told["groups"].items():
            groups.setdefault(name, {}).update(dict.fromkeys(values))
    measures = dict.fromkeys(name for told in shown for name, value in told["measures"].items() if value is not None)
    return {
        "pictures": [*places],
        "cases": cases,
        "groups": {name: sorted(values) for name, values in groups.items() if len(values) > 1},
        "measures": [*measures],
        "runs": list(runs),
    }


def json_script(value: Any) -> Any:
    """JSON to stand in a <script> of data: nothing in it can end the element or begin a comment."""
    from markupsafe import Markup

    return Markup(json.dumps(value, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c"))


def render(name: str, facts: Mapping[str, Any]) -> str:
    """The template of that name filled in; every text in a page of HTML is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["md"] = plain_markdown
    environment.filters["json_script"] = json_script
    if name.endswith(".html"):
        style, *scripts = (
            (TEMPLATES / file).read_text(encoding="utf-8") for file in ("page.css", "case.js", "page.js")
        )
        script = "\n".join(scripts)
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        environment.globals |= {"style": Markup(style), "script": Markup(script), "script_sha256": digest}
    return environment.get_template(f"{name}.j2").render(facts)
