"""No template loads a medium that is not, by its content, an image or a video in a known container.

decord, torchvision and Pillow read more than that: playlists, which name other files, and text, which is drawn. A URL
is not opened either. This holds in training and in prediction, whatever was checked before.
"""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

from swift.template import Template

from swift_plugins.core.media import check_kind


def paths_of(media: Any) -> Iterator[str]:
    """The paths in a row's images or videos: of files, of the frames of a video, or beside an image's bytes."""
    if isinstance(media, str):
        yield media
    elif isinstance(media, dict):
        yield from paths_of(media.get("path") if not media.get("bytes") else None)
    elif isinstance(media, list | tuple):
        for one in media:
            yield from paths_of(one)


def _checked_first(prepare: Callable[..., None]) -> Callable[..., None]:
    """A template's preparation of a row's inputs, which loads its media, once they are checked."""

    @functools.wraps(prepare)
    def call(self: Template, inputs: Any) -> None:
        for path in paths_of([inputs.images, inputs.videos]):
            place = path if os.path.exists(path) else os.path.join(self.root_image_dir or "", path)
            try:
                check_kind(place)
            except (ValueError, OSError) as error:
                raise ValueError(f"{path[:200]!r}: {error}") from None
        prepare(self, inputs)

    return call


Template._preprocess_inputs = _checked_first(Template._preprocess_inputs)  # type: ignore[method-assign]
