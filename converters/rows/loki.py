"""Training rows of LOKI: its own questions, and FakeVLM's about each image or video."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from converters.conversion.sources import Row, Sourced, checked_row
from converters.layouts.loki import CLASSES, Part, Raw, Subset
from converters.rows.explanations import agreeing
from converters.rows.fakevlm import fakevlm_row
from swift_plugins.core.media import Media
from swift_plugins.core.records import encode, sha256_text
from swift_plugins.core.tasks import fakevlm, loki_mc, loki_open, loki_tf

DATASET = "loki"
PROMPT_IS = {
    loki_tf: "the dataset's, kept to the letter, and the last line that its released evaluation adds",
    loki_mc: "the dataset's, kept to the letter, and the choices and the last line that its released evaluation adds",
    loki_open: "the dataset's, kept to the letter",
}


def origin(medium: str, raw: Raw) -> dict[str, str]:
    """The keys of meta on where a medium comes from; a real video carries the generator of its counterpart."""
    image = medium == "image"
    generator = "" if image else raw.group
    return {
        "dataset": DATASET,
        "source": generator if "fake" in raw.labels and generator else "LOKI",
        "category": CLASSES.get(raw.group, raw.group) if image else "",
        "class_on_disk": raw.group if image else "",
        "generator": generator,
    }


def question_row(item: Sourced[Raw], subset: Subset, cluster: str, paths: list[str]) -> Row:
    """One of LOKI's own questions; ValueError says why it cannot be asked. `paths` are those of its media."""
    task, medium, raw = subset.task, subset.medium, item.row
    prompt = raw.question + task.PROMPT_END
    answer, pair = task.answer_of(raw.answer or raw.explanation), len(raw.media) == 2
    own = {"asks": raw.asks} if raw.answer else described(raw)
    agreeing(raw.explanation, "fake")
    if pair:
        own |= {"answer": raw.answer, "second": raw.media[1]}
    row = {
        "id": f"{item.split.removesuffix('/test')}/{item.id}",
        "task": task.NAME,
        "messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": task.render(answer)}],
        f"{medium}s": paths,
        "meta": {
            "media_id": cluster,
            "image": raw.media[0],
            "split": "test",
            "label": raw.asks if pair else raw.labels[0],
            **origin(medium, raw),
            **own,
            "task_version": task.VERSION,
        },
    }
    return checked_row(row)


def described(raw: Raw | None) -> dict[str, Any]:
    """The keys of meta on what people wrote of an image."""
    regions = [{"bbox": box, "description": text} for box, text in raw.regions] if raw else []
    return {
        "explanation": raw.explanation if raw else "",
        "regions": encode(regions).decode() if regions else "",
        "translator_remarks": raw.translator_remarks if raw else 0,
    }


def medium_row(item: Sourced[list[Raw]], medium: str, path: str, found: Media | str | None) -> Row:
    """The row of one image or video from all of its questions; `found` is what its file's check found."""
    raws = item.row
    name, label = raws[0].media[0], raws[0].labels[0]
    written = described(next((raw for raw in raws if raw.explanation), None))
    width, height = (found.width, found.height) if isinstance(found, Media) else (None, None)
    return fakevlm_row(
        f"{item.split.removesuffix('/test')}/{name}",
        fakevlm.QUESTIONS[medium],
        fakevlm.Answer(label, written["explanation"] or None, medium),
        path,
        {
            "media_id": name,
            "image": name,
            "split": "test",
            "label": label,
            **origin(medium, raws[0]),
            "width": width,
            "height": height,
            **written,
            "source_rows": len(raws),
        },
        medium,
    )


def question_facts(part: Part, prompts: list[str]) -> dict[str, Any]:
    """What the manifest tells of a file with LOKI's own questions, `prompts` without their media."""
    task = part.subset.task
    return {
        "task": task.NAME,
        "task_version": task.VERSION,
        "rows_in": len(part.rows),
        "published_rows": part.subset.rows,
        "published_media": part.subset.media,
        "media": len(part.media),
        "prompts": prompts,
        "prompt_sha256": [sha256_text(prompt) for prompt in prompts],
        "prompt_is": PROMPT_IS[task],
    }


def medium_facts(part: Part, questions: Iterable[list[Sourced[Raw]]]) -> dict[str, Any]:
    """The same of one with FakeVLM's question; `questions` are, for each of its media, the source rows of any file."""
    merged = Counter(map(len, questions))
    medium = part.subset.medium
    prompt = fakevlm.QUESTIONS[medium]
    return {
        "task": fakevlm.NAME,
        "task_version": fakevlm.VERSION,
        "source_rows": {part.name: len(part.rows)},
        "media": merged.total(),
        "media_by_source_rows": dict(sorted(merged.items())),
        "prompts": [prompt],
        "prompt_sha256": [sha256_text(prompt)],
        "prompt_is": "FakeVLM's and FakeClue's" if medium == "image" else "the project's own, after FakeVLM's",
    }
