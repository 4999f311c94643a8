"""A row as the conversation that OpenAI's protocol sends: its messages, media inline, and what a server may refuse."""

from __future__ import annotations

import base64
import mimetypes
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from swift_plugins.answering.limits import Use
from swift_plugins.answering.probabilities import TOP
from swift_plugins.answering.sampling_frames import Sampling, sampled
from swift_plugins.core.checks import check_media
from swift_plugins.core.records import MEDIA_TAG, MEDIA_TAGS, Row

MAX_UPLOAD = 64 << 20  # bytes of one media file sent to a server
# What servers and models refuse -> how their refusal names it. A request can do without each of them.
REFUSABLE = {
    "logprobs": re.compile("log_?prob", re.I),
    "video_url": re.compile("video", re.I),
    "temperature": re.compile("temperature", re.I),
    "max_tokens": re.compile("max_tokens|max_completion_tokens", re.I),
}
UNNAMED = ("logprobs", "video_url")  # what is left out where a refusal names nothing
CHARS = 4  # of a text for each token, about
PIXELS = 28 * 28  # of a picture for each token, as Qwen's models see it; others are near that


def asked_messages(row: Row) -> list[dict[str, str]]:
    """A row's messages without the answer that it may end with."""
    messages = row["messages"]
    return messages[:-1] if messages[-1]["role"] == "assistant" else messages


def request_of(row: Row, fixed: Mapping[str, Any], without: frozenset[str], sampling: Sampling) -> dict[str, Any]:
    """The request that asks a row, without some features; `fixed` is what all of a run have in common."""
    request = {**fixed, "messages": chat_messages(row, sampling if "video_url" in without else None)}
    if "logprobs" not in without:
        request |= {"logprobs": True, "top_logprobs": TOP}
    if "temperature" in without:
        del request["temperature"]
    if "max_tokens" in without:
        request["max_completion_tokens"] = request.pop("max_tokens")
    return request


def features_of(row: Row) -> frozenset[str]:
    """The features that a request for a row has, when nothing is left out."""
    return frozenset(REFUSABLE) - (frozenset() if row.get("videos") else {"video_url"})


def chat_messages(row: Row, frames: Sampling | None = None) -> list[Any]:
    """The row's messages in the form of OpenAI's protocol, its media inline in place of their tags.

    With `frames` a video is sent as these of it, each after its time.
    """
    media = {tag: iter(row.get(key, [])) for key, tag in MEDIA_TAGS.items()}
    messages: list[Any] = []
    for message in asked_messages(row):
        parts: list[dict[str, Any]] = []
        for piece in re.split(f"({'|'.join(media)})", message["content"]):
            if piece == MEDIA_TAGS["videos"] and frames:
                parts += _shown(next(media[piece]), frames)
            elif piece in media:
                parts.append(_part(piece.strip("<>") + "_url", data_uri(next(media[piece]))))
            elif piece:
                parts.append({"type": "text", "text": piece})
        messages.append({"role": message["role"], "content": parts})
    return messages


def _part(kind: str, uri: str) -> dict[str, Any]:
    return {"type": kind, kind: {"url": uri}}


def _shown(path: str, frames: Sampling) -> Iterator[dict[str, Any]]:
    for second, picture in sampled(path, frames):
        yield {"type": "text", "text": f"Time {second:.2f}s:"}
        yield _part("image_url", f"data:image/jpeg;base64,{base64.b64encode(picture).decode()}")


def data_uri(path: str) -> str:
    """A media file as a data URI; ValueError for one too large to send."""
    if (size := os.path.getsize(path)) > MAX_UPLOAD:
        raise ValueError(f"{path} has {size} bytes, at most {MAX_UPLOAD} are sent to a server")
    kind = mimetypes.guess_type(path)[0] or "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(Path(path).read_bytes()).decode()}"


def upload_of(rows: Sequence[Row]) -> int:
    """The bytes of all media files of these rows, as far as they are there."""
    paths = [path for row in rows for key in MEDIA_TAGS for path in row.get(key, [])]
    return sum(os.path.getsize(path) for path in paths if os.path.isfile(path))


def estimated(row: Row, sampling: Sampling, max_tokens: int) -> Use:
    """About how many tokens one request for a row reads, and how many it writes at most."""
    text = sum(len(MEDIA_TAG.sub("", message["content"])) for message in asked_messages(row)) / CHARS
    pictures = sum(_pixels(path, sampling) for key in MEDIA_TAGS for path in row.get(key, [])) / PIXELS
    return Use(1, int(text + pictures) + 1, max_tokens)


def _pixels(path: str, sampling: Sampling) -> int:
    """Of an image, or of all frames of a video that are shown; 0 of a file that cannot be read, which is not asked."""
    try:
        media = check_media(path, "header")
    except (ValueError, OSError):
        return 0
    shown = len(sampling.seconds(media.duration)) if media.duration is not None else 1
    return media.width * media.height * shown
