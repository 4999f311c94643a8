"""No template loads a medium that is not, by its content, an image or a video in a known container.

decord, torchvision and Pillow read more than that: playlists, which name other files, and text, which is drawn. A URL
is not opened either, but for one that holds its medium, as a server's clients send them. This holds in training, in
prediction and in a server, whatever was checked before.
"""

from __future__ import annotations

import base64
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

from swift.template import Template

from swift_plugins.core.media import BEGIN, check_kind, kind_of


def paths_of(media: Any) -> Iterator[str]:
    """The paths in a row's images or videos: of files, of the frames of a video, or beside an image's bytes."""
    if isinstance(media, str):
        yield media
    elif isinstance(media, dict):
        yield from paths_of(media.get("path") if not media.get("bytes") else None)
    elif isinstance(media, list | tuple):
        for one in media:
            yield from paths_of(one)


def check_medium(path: str, root: str | None) -> bool:
    """Whether a medium is a video: a file below `root`, if it is not there as it is named, or a data URI.

    ValueError for what is no medium.
    """
    head, comma, data = path.partition(",")
    if comma and head.startswith("data:") and head.endswith(";base64"):
        return kind_of(base64.b64decode(data[: 4 * (BEGIN // 3)], validate=True)) is not None
    return check_kind(path if os.path.exists(path) else os.path.join(root or "", path)) is not None


def _checked_first(prepare: Callable[..., None]) -> Callable[..., None]:
    """A template's preparation of a row's inputs, which loads its media, once they are checked."""

    @functools.wraps(prepare)
    def call(self: Template, inputs: Any) -> None:
        videos = {video for video in inputs.videos if isinstance(video, str)}
        for path in paths_of([inputs.images, inputs.videos]):
            try:
                if not check_medium(path, self.root_image_dir) and path in videos:
                    raise ValueError("an image stands where a video is asked for")
            except (ValueError, OSError) as error:  # binascii's error is a ValueError
                raise ValueError(f"{path[:200]!r}: {error}") from None
        prepare(self, inputs)

    return call


Template._preprocess_inputs = _checked_first(Template._preprocess_inputs)  # type: ignore[method-assign]
