"""Clips shown to a model's template alone, without the model: their frames land in the frame cache."""

from __future__ import annotations

import os
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from swift_plugins.core.frame_cache import LOSSLESS, SETTING, FrameCache, decode
from swift_plugins.core.records import sha256_file


class Cached(NamedTuple):
    """Of one clip: frames in the cache, the bytes that they take, and by how much of 255 they differ from what was
    decoded, on average and at most; None where that was not measured."""

    frames: int
    size: int
    mean: float | None = None
    most: int | None = None


@lru_cache(1)
def _template(model: str, recipe: Path | None) -> tuple[Any, Any]:
    """The model's template, which takes frames from the cache, and the reader that does not."""
    import decord

    opened = decord.VideoReader
    from swift_plugins.answering.engine import Engine

    settings = Engine.settings(model, recipe, None)
    from swift.model import get_processor
    from swift.template import get_template

    import swift_plugins.register  # noqa: F401

    processor = get_processor(settings["model"], model_type=settings["model_type"])
    return get_template(processor, template_type=settings["template"]), opened


def cache_clip(path: str, model: str, recipe: Path | None, folder: str, measured: bool) -> Cached:
    """Have the frames that training and prediction take of a clip in the cache; ValueError where it cannot be read."""
    os.environ[SETTING] = folder
    (template, opened), cache, digest = _template(model, recipe), FrameCache(folder), sha256_file(path)
    template.encode({"messages": [{"role": "user", "content": "<video>"}], "videos": [path]})
    if (found := cache.read(digest)) is None:
        raise ValueError("its frames could not be written")
    _, pictures = found
    told = Cached(len(pictures), cache.path(digest).stat().st_size)
    if not measured or cache.quality == LOSSLESS:
        return told
    import numpy as np

    wanted = sorted(pictures)
    frames = opened(path).get_batch(wanted).asnumpy()
    difference = np.abs(frames.astype(np.int16) - decode([pictures[i] for i in wanted]))
    return told._replace(mean=float(difference.mean()), most=int(difference.max()))
