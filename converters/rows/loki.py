"""Training rows of LOKI: its own questions, and FakeVLM's about each image or video."""

from __future__ import annotations

from typing import Any

from converters.conversion.sources import checked_row
from converters.layouts.loki import CLASSES, Part, Raw
from converters.layouts.loki_media import Library
from converters.rows.fakevlm import fakevlm_row
from swift_plugins.core.records import encode
from swift_plugins.core.tasks import fakevlm, loki_mc, loki_open, loki_tf

DATASET = "loki"


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


def question_row(part: Part, raw: Raw, cluster: str, library: Library) -> dict[str, Any]:
    """One of LOKI's own questions; ValueError says why it cannot be asked."""
    task, medium = part.subset.task, part.subset.medium
    paths = library.use(raw.media)
    prompt = raw.question + getattr(task, "PROMPT_END", "")
    if task is loki_open:
        if not raw.explanation:
            raise ValueError("explanation: the row has none")
        answer, own = task.Answer(raw.explanation), described(raw)
    elif task is loki_tf:
        answer, own = task.Answer(raw.answer.lower()), {"asks": raw.asks}
    else:
        answer, own = task.Answer(raw.answer), {"asks": raw.asks, "answer": raw.answer, "second": raw.media[1]}
    row = {
        "id": f"{part.name}/{raw.id}",
        "task": task.NAME,
        "messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": task.render(answer)}],
        f"{medium}s": paths,
        "meta": {
            "media_id": cluster,
            "image": raw.media[0],
            "split": "test",
            "label": raw.asks if task is loki_mc else raw.labels[0],
            **origin(medium, raw),
            **own,
            "task_version": task.VERSION,
        },
    }
    checked_row(row)
    part.prompts[prompt] = None
    return row


def described(raw: Raw | None) -> dict[str, Any]:
    """The keys of meta on what people wrote of an image."""
    regions = [{"bbox": box, "description": text} for box, text in raw.regions] if raw else []
    return {
        "explanation": raw.explanation if raw else "",
        "regions": encode(regions).decode() if regions else "",
        "translator_remarks": raw.translator_remarks if raw else 0,
    }


def medium_row(raws: list[Raw], file: str, medium: str, library: Library) -> dict[str, Any]:
    """The row of one image or video from all of its questions, in the file of that name."""
    name, label = raws[0].media[0], raws[0].labels[0]
    (path,) = library.use([name])
    written = described(next((raw for raw in raws if raw.explanation), None))
    answer = fakevlm.render(fakevlm.Answer(label, written["explanation"] or None, medium))
    width, height = library.size(name)
    return fakevlm_row(
        f"{file}/{name}",
        fakevlm.QUESTIONS[medium],
        answer,
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
