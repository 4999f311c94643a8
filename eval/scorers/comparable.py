"""What must be the same in two runs whose scores are compared, read from their records and their rows."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from swift_plugins.core.media import MEDIA
from swift_plugins.core.names import unknown
from swift_plugins.core.records import Row, encode
from swift_plugins.core.settings import BOX_SPACE, FOLLOWS_FROM

Rows = Sequence[tuple[str, Row]]  # each with its "file:line"
# Name of what must agree -> where a run's record (OUT.run.json) states it.
OF_RUN = {
    "data": ("data", "sha256"),
    "media": (MEDIA,),
    "prompts": ("prompts_sha256",),
    "vision": ("model", "vision"),
    "max_tokens": ("generation", "max_tokens"),
    "candidates": ("candidates",),
    "explanation_judge": ("explanation_judge", "model", "model"),
    "versions": ("versions",),
}
# Name -> the keys of a row's meta, of which each must agree in every row; for media their files' names too, wherever
# they lie, and for prompts what was asked.
OF_ROWS = {
    "media": ("media_id", "perturbation", "parameter"),
    "prompts": (),
    "split": ("split",),
    "truth": ("label", "score", "answer", "bbox", "start", "explanation", "reasoning", "categories"),
    "width": ("width",),
    "height": ("height",),
    "duration": ("duration",),
    "order": ("order",),
    "asks": ("asks",),
}
GRAMMAR = "grammar"  # in which answers are read, where it is not chosen for all: it follows from the prompts
NAMES = (*(OF_RUN | OF_ROWS), GRAMMAR)
ROWS = "rows"  # which ids are answered: only where what all have in common is compared


def check_names(allowed: Collection[str], names: Sequence[str] = NAMES) -> None:
    for name in allowed:
        if name not in names:
            raise ValueError(unknown("name for --allow-different", name, names))


def check_same(
    path: Path,
    other: Path,
    runs: tuple[Mapping[str, Any], Mapping[str, Any]],
    rows: tuple[Rows, Rows],
    grammars: tuple[str, str],
    allowed: Collection[str],
) -> list[str]:
    """What differs of NAMES between a run at `path` and the run of `other`, as far as both say what it is.

    `rows` answer to the same ids in the same order. ValueError unless all that differs is `allowed`.
    """
    found = {name: text for name in OF_RUN if (text := of_run(name, *runs))}
    pairs = [(here, there) for (_, here), (_, there) in zip(*rows, strict=True) if _read(here) != _read(there)]
    found |= {name: text for name in OF_ROWS if (text := of_rows(name, pairs))}
    if grammars[0] != grammars[1] and not ("prompts" in found and "prompts" in allowed):
        found[GRAMMAR] = _both(*grammars)
    if wrong := [f"{name} ({text})" for name, text in found.items() if name not in allowed]:
        raise ValueError(
            f"{path}: not asked what {other} was asked, and so not to be compared with it; here and there differ "
            f"{', '.join(wrong)}. --allow-different NAME lets one differ"
        )
    return list(found)


def of_run(name: str, run: Mapping[str, Any], other: Mapping[str, Any]) -> str | None:
    """How two records differ in what they both state."""
    said: list[Any] = []
    for record in (run, other):
        value: Any = record
        for key in OF_RUN[name]:
            value = value.get(key) if isinstance(value, Mapping) else None
        if name == "vision" and "base_url" in record.get("model", ()):
            value = None  # a server's own are not known; elsewhere none are those of the model
        # A recipe states settings as texts, a checkpoint perhaps as numbers; boxes are measured in their own space.
        mapped = isinstance(value, Mapping)
        said.append({key: str(x) for key, x in value.items() if key != BOX_SPACE} if mapped else value)
    if None in said:
        return None
    if all(isinstance(value, dict) for value in said):
        if name == "versions":  # a library that only one run knew of did not make the other's answers
            shared = said[0].keys() & said[1].keys()
            said = [{key: value[key] for key in sorted(shared)} for value in said]
        here, there = _without_what_follows(*said), _without_what_follows(*said[::-1])
        said = [dict(sorted(one.items() - two.items())) for one, two in ((here, there), (there, here))]
    return None if said[0] == said[1] else _both(*said)


def _without_what_follows(settings: dict[str, str], others: Mapping[str, str]) -> dict[str, str]:
    """Settings less those that the others lack and that follow from one stated here."""
    return {key: value for key, value in settings.items() if key in others or FOLLOWS_FROM.get(key) not in settings}


def of_rows(name: str, pairs: Sequence[tuple[Row, Row]]) -> str | None:
    """How rows differ from others in what both state: how many do, and the first one."""
    differ = []
    for row, other in pairs:
        here, there = _facts(name, row), _facts(name, other)
        differ += [(row["id"], key, here[key], there[key]) for key in here if key in there and here[key] != there[key]][
            :1
        ]
    if not differ:
        return None
    row_id, key, here, there = differ[0]
    return f"{len(differ)} rows, the first {row_id!r}: {key} {_both(here, there)}"


def _read(row: Row) -> list[Any]:
    """All of a row that is looked at."""
    return [row.get(key) for key in ("meta", "images", "videos", "messages", "labels")]


def _facts(name: str, row: Row) -> dict[str, Any]:
    """What a row states of it. The gold text counts where it does not hang on how boxes are written, too."""
    meta = row["meta"]
    found = {key: meta[key] for key in OF_ROWS[name] if meta.get(key) is not None}
    if name == "media" and (files := [*(row.get("images") or ()), *(row.get("videos") or ())]):
        found["files"] = [str(file).rpartition("/")[2] for file in files]
    if name == "prompts" and (asked := _asked(row)):
        found["question"] = asked
    if name == "truth" and "box_space" not in meta and row.get("labels") is not None:
        found["labels"] = row["labels"]
    return found


def _asked(row: Row) -> list[Any]:
    said = [m for m in row.get("messages") or () if isinstance(m, dict)]
    return [m.get("content") for m in said if m.get("role") in ("system", "user")]


def _both(here: Any, there: Any) -> str:
    return " and ".join(f"{encode(value).decode():.60}" for value in (here, there))


def with_facts(row: Row, true: Row) -> Row:
    """A baseline's row with what only the other run's says; by what both say each is measured on its own."""
    facts = {key: true[key] for key in ("labels", "images", "videos") if row.get(key) is None and key in true}
    return row | facts | {"meta": true["meta"] | row["meta"]}
