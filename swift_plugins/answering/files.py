"""Media files of which nothing is known: rows that ask about them what a checkpoint was trained to be asked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from swift_plugins.core import boxes
from swift_plugins.core.media import Media, check_kind
from swift_plugins.core.names import unknown
from swift_plugins.core.records import MEDIA_TAGS, Row, check_row
from swift_plugins.core.tasks import JUDGES, get_task
from swift_plugins.core.vision import Vision

ASKED = ("deeptrace", "fakevlm", "dfj_detect", "dfj_reason")  # the tasks that ask for a verdict on one file


def media_files(names: Sequence[str]) -> list[str]:
    """The absolute paths of the files, and of the media right in the folders; ValueError for what is neither."""
    found: dict[str, None] = {}
    for name in names:
        if "://" in name:
            raise ValueError(f"a URL is never opened: {name[:80]!r}; download the file and name it")
        if not os.path.exists(name):
            raise ValueError(f"{name}: no such file or folder")
        inside = list(_media_in(name)) if os.path.isdir(name) else [name]
        if not inside:
            raise ValueError(f"{name}: no image or video in this folder")
        found |= dict.fromkeys(map(os.path.abspath, inside))
    return [*found]


def _media_in(folder: str) -> Iterator[str]:
    for entry in sorted(os.scandir(folder), key=lambda entry: entry.name):
        try:
            if entry.is_file() and not entry.name.startswith("."):
                check_kind(entry.path)
                yield entry.path
        except (ValueError, OSError):
            continue


def question_of(data: Mapping[str, Any], medium: str, trained: bool) -> str | None:
    """What a dataset asks about a medium, "image" or "video"; None where it does not ask about such.

    A model that was not `trained` on it is asked the task's zero-shot question, where there is one.
    """
    task, stated = get_task(data["task"]), data.get("prompt")
    zero_shot = None if trained else task.ZERO_SHOT_QUESTION
    fixed = task.QUESTIONS.get(data.get("setting") or "full") or task.QUESTIONS.get(medium)
    for text in (zero_shot, stated if isinstance(stated, str) else None, fixed, task.PROMPT):
        if text and MEDIA_TAGS[f"{medium}s"] in text:
            return text
    return None


def data_for(settings: Mapping[str, Any], wanted: str | None) -> tuple[list[Mapping[str, Any]], bool]:
    """(the datasets of the training that ask for a verdict on one file, whether there was such a training).

    A model that tells of none is asked by the task that is `wanted`, which it must be then.
    """
    if wanted is not None and wanted not in ASKED:
        raise ValueError(unknown("task that asks about one file", wanted, ASKED))
    told = [data for data in (settings.get("trained") or {}).get("data") or [] if data.get("task")]
    if not told:
        if wanted is None:
            raise ValueError(
                f"the model does not tell what it was trained for: name it by --task, {' or '.join(ASKED)}"
            )
        return [{"task": wanted}], False
    known = [data for data in told if data["task"] in ASKED and wanted in (None, data["task"])]
    if not known:
        tasks = sorted({data["task"] for data in told})
        hint = "; a judge is asked by eval/judge.py" if set(tasks) <= set(JUDGES) else ""
        raise ValueError(
            f"the checkpoint was trained for {', '.join(tasks)}, not for {wanted or 'a verdict on one file'}{hint}"
        )
    return known, True


def row_about(path: str, media: Media, settings: Mapping[str, Any], wanted: str | None = None) -> Row:
    """The row that asks about a file; ValueError where the model was trained on no question about such."""
    medium = "video" if media.is_video else "image"
    known, trained = data_for(settings, wanted)
    asked = ((data, question) for data in known if (question := question_of(data, medium, trained)))
    data, question = next(asked, (None, ""))
    if data is None:
        tasks = ", ".join(sorted({one["task"] for one in known}))
        article = {"image": "an image", "video": "a video"}[medium]
        raise ValueError(f"{article}, about which {tasks} asks nothing")
    row = {
        "id": path,
        "task": data["task"],
        "messages": [{"role": "user", "content": question}],
        f"{medium}s": [path],
        "meta": _meta(media, data.get("box_space") or "pixel", settings),
    }
    check_row(row)
    return row


def _meta(media: Media, space: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The size and length of a medium, and how far the answers' coordinates reach over it."""
    duration, fps = media.length or media.duration, media.rate
    size, seen = (media.width, media.height), None
    if space == "resized":
        if not (duration and fps):
            raise ValueError("its frame rate is not known, so neither is the frame on which the model states its boxes")
        seen = Vision(settings["vision"], settings["model_type"]).frame(*size, duration, fps)
    width, height = boxes.span(space, *size, seen)
    facts = {"width": media.width, "height": media.height, "duration": duration, "fps": fps}
    return facts | {"box_space": space, "box_width": width, "box_height": height}
