"""No template loads a medium that is not, by its content, an image or a video in a known container, or named in a text.

decord, torchvision and Pillow read more than that: playlists, which name other files, and text, which is drawn. A URL
is not opened either, but for one that holds its medium, as a server's clients send them. This holds in training, in
prediction and in a server, whatever was checked before. ms-swift would also open a file that a text names in <img>, and
a token of a medium in a text would be one too many: for training a text is text.
"""

from __future__ import annotations

import base64
import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

from swift.template import Template

from swift_plugins.core.media import BEGIN, check_kind, kind_of
from swift_plugins.core.records import MEDIA_TAGS
from swift_plugins.core.special_texts import OBJECT_TAGS, check_texts


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


def check_messages(inputs: Any, training: bool) -> None:
    """ValueError where a text is more than text: for training in any way, else where it would open a file."""
    system = [{"role": "system", "content": inputs.system}]
    messages = [message for message in [*system, *inputs.messages] if isinstance(message["content"], str)]
    if training:
        tags = [tag for key, tag in MEDIA_TAGS.items() if getattr(inputs, key)]
        check_texts(messages, tags, OBJECT_TAGS if inputs.objects else ())
    elif not inputs.images and any("<img>" in message["content"] for message in messages):
        raise ValueError("a text names a file in <img>, which is not opened: name it in images")


def _checked_first(prepare: Callable[..., None]) -> Callable[..., None]:
    """A template's preparation of a row's inputs, which loads its media, once they and the texts are checked."""

    @functools.wraps(prepare)
    def call(self: Template, inputs: Any) -> None:
        check_messages(inputs, self.is_training)
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
