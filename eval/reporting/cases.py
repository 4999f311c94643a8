"""The cases of a run as its page shows them: what was asked, answered and measured, with pictures."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import quote

from eval.reporting.provenance import Shown
from eval.scorers.base import Scorer
from swift_plugins.core.guarded import run_guarded
from swift_plugins.core.media import check_kind
from swift_plugins.core.printable import masked
from swift_plugins.core.videos import frame_at

WORST, BEST = 12, 12
PICTURES = 4  # of one case
PICTURE_WIDTH = 448  # px
EMBEDDED, EMBEDDED_BYTES = 400, 8 << 20  # pictures within the page; of the other cases it shows the files themselves
MAX_TEXT = 1500  # characters of a text that the page shows
TOGETHER = 200  # cases that are searched for secrets at once

Job = tuple[str, str]  # path and second of a picture


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
    image, shown = frame_at(path, float(second))
    image.thumbnail((PICTURE_WIDTH, PICTURE_WIDTH * 4))
    data = io.BytesIO()
    image.convert("RGB").save(data, "JPEG", quality=80)
    return data.getvalue(), image.width, image.height, shown


def pictures(jobs: Sequence[Job]) -> dict[Job, dict[str, Any]]:
    """A data URI with its size and time, or why there is none, of the first jobs, as far as a page has room for them.

    The files are read in guarded processes.
    """
    found: dict[Job, dict[str, Any]] = {}
    room = EMBEDDED_BYTES
    with closing(run_guarded(jpeg_at, jobs[:EMBEDDED])) as results:
        for job, result in zip(jobs, results, strict=False):
            if isinstance(result, str):
                found[job] = {"reason": result}
                continue
            data, width, height, second = result
            uri = "data:image/jpeg;base64," + base64.b64encode(data).decode()
            found[job] = {"uri": uri, "width": width, "height": height, "second": second}
            if (room := room - len(uri)) < 0:
                break
    return found


def describe(scorer: Scorer[Any], case: Any, of_medium: Sequence[Any]) -> dict[str, Any]:
    """What the page shows of one case: what all tasks have in common, and what the scorer tells of it."""
    facts = scorer.describe(case, of_medium)
    meta = case.row["meta"]
    groups = {key: [str(value) for value in values] for key, values in scorer.slices(case).items()}
    if "perturbation" in meta:
        groups["perturbation"] = [f"{meta['perturbation']} {meta.get('strength')}"]
    return {
        "boxes": [],
        "second": 0.0,
        "onsets": {},
        "right": case.right,
        **facts,
        "texts": [(title, (text or "not known")[:MAX_TEXT]) for title, text in facts["texts"]],
        "id": case.row["id"],
        "media_id": case.media_id,
        "source": str(meta.get("source") or ""),
        "truth": case.truth,
        "answered": case.answered,
        "groups": groups,
        "quality": round(case.quality, 4),
        "measures": rounded(case.measures),
        "reason": case.parsed.reason,
        "problems": case.parsed.problems,
        "duration": meta.get("duration"),
    }


def rounded(measures: Mapping[str, float | None]) -> dict[str, float | None]:
    return {name: None if value is None else round(value, 4) for name, value in measures.items()}


def other_run(title: str, case: Any, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the page shows of another run's answer to the same row, of which its scorer tells these facts."""
    return {
        "boxes": [box for box in facts.get("boxes", ()) if box[0] == "pred"],
        "onset": facts.get("onsets", {}).get("pred"),
        "title": title,
        "answered": case.answered,
        "right": case.right,
        "text": (case.row.get("response") or case.parsed.reason or "–")[:MAX_TEXT],
        "measures": rounded(case.measures),
    }


def facts_of(scorer: Scorer[Any], cases: Sequence[Any], named: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """What is told of each case, in the order of the file, without secrets; the other runs' cases are in that order."""
    facts = [describe(scorer, *pair) | {"runs": []} for pair in with_medium(cases)]
    for title, others in named.items():
        for told, (case, of_medium) in zip(facts, with_medium(others), strict=True):
            told["runs"].append(other_run(title, case, scorer.describe(case, of_medium)))
    told_of = iter(facts)
    return [told for some in iter(lambda: list(islice(told_of, TOGETHER)), []) for told in without_secrets(some)]


def with_medium(cases: Sequence[Any]) -> Iterator[tuple[Any, Sequence[Any]]]:
    """Each case with all those of its medium."""
    of_medium: dict[str, list[Any]] = {}
    for case in cases:
        of_medium.setdefault(case.media_id, []).append(case)
    return ((case, of_medium[case.media_id]) for case in cases)


def without_secrets(value: Any) -> Any:
    """A value of JSON, the secrets in its texts masked: older predictions may hold what a server said."""
    if masked(text := "\n".join(texts_in(value))) == text:
        return value
    if isinstance(value, dict):
        return {without_secrets(key): without_secrets(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_secrets(part) for part in value]
    return masked(value) if isinstance(value, str) else value


def texts_in(value: Any) -> Iterator[str]:
    """Every text in a value of JSON, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from texts_in(key)
            yield from texts_in(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from texts_in(part)


def show_cases(
    scorer: Scorer[Any], cases: Sequence[Any], named: Mapping[str, Sequence[Any]], may_show: Shown, out: Path
) -> list[dict[str, Any]]:
    """The cases, in the order of the file, each with a picture of each of its videos or images.

    The worst ones have theirs in the page, up to its limits; each names the file too, as seen from the folder `out`.
    """
    facts = facts_of(scorer, cases, named)
    faults = may_show.faults([case.row for case in cases])
    for told, case, fault in zip(facts, cases, faults, strict=True):
        told["pictures"] = [medium(path, fault, out) for path in media_of(case.row)]
    jobs = dict.fromkeys(job for told in sorted(facts, key=lambda told: told["quality"]) for job in jobs_of(told))
    drawn = pictures([*jobs])
    for told in facts:
        told["pictures"] = [shown(picture, drawn.get(job)) for picture, job in with_jobs(told)]
    return facts


def with_jobs(told: Mapping[str, Any]) -> Iterator[tuple[dict[str, Any], Job]]:
    for picture in told["pictures"]:
        yield picture, (picture.get("path", ""), str(told["second"]))


def jobs_of(told: Mapping[str, Any]) -> Iterator[Job]:
    return (job for picture, job in with_jobs(told) if "path" in picture)


def medium(path: str, fault: str | None, out: Path) -> dict[str, Any]:
    """What kind a file is and where it lies as a page in `out` names it, or why it is not shown."""
    try:
        if not path:
            raise ValueError("the row names no video or image")
        if fault is not None:
            raise ValueError(fault)
        kind = "image" if check_kind(path) is None else "video"
    except (ValueError, OSError) as error:
        return {"reason": str(error)}
    return {"path": path, "kind": kind, "src": quote(os.fsencode(os.path.relpath(path, out)))}


def shown(picture: Mapping[str, Any], drawn: Mapping[str, Any] | None) -> dict[str, Any]:
    """A picture as the page has it: drawn, or by its file alone, or the reason why there is none."""
    if drawn and "reason" in drawn:
        return dict(drawn)
    return {key: value for key, value in (*picture.items(), *(drawn or {}).items()) if key != "path"}


def media_of(row: Mapping[str, Any]) -> list[str]:
    """The paths of the first videos or images that a question is about; an empty one where the row names none."""
    paths = row.get("videos") or row.get("images") or []
    return [path for path in paths if isinstance(path, str)][:PICTURES] or [""]
