"""Clips whose frames are in a cache are not decoded again: FRAME_CACHE=folder in a recipe's ENV, or in the environment.

The readers of Qwen-VL, VideoLLaMA 3 and InternVL ask decord how many frames a clip has and when they are seen, choose
some by their rule, and take these. A reader that answers from the cache stands here in decord's place, so that the
rules, and with lossless pictures the frames, are the same with and without it.
"""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, BinaryIO

import decord
import numpy as np

from swift_plugins.core.frame_cache import SETTING, Clip, FrameCache, decode
from swift_plugins.core.printable import say
from swift_plugins.core.records import sha256_file

DECODER = f"decord {decord.__version__}"
_opened = decord.VideoReader


class Frames:
    """decord's NDArray, as far as the readers use it."""

    def __init__(self, array: np.ndarray):
        self._array = array

    def asnumpy(self) -> np.ndarray:
        return self._array


class CachedReader:
    """decord's VideoReader, as far as the readers use it, of a file or its content."""

    def __init__(self, cache: FrameCache, source: Any, **options: Any):
        self._cache, self._source, self._options = cache, source, options
        digest = digest_of(source)
        if found := cache.read(digest):
            self._clip, self._pictures = found
        else:
            reader = self._reader()
            spans = [(float(begin), float(end)) for begin, end in reader.get_frame_timestamp(range(len(reader)))]
            self._clip, self._pictures = Clip(digest, float(reader.get_avg_fps()), spans), {}

    def _reader(self) -> Any:
        if not isinstance(self._source, str | os.PathLike):
            self._source.seek(0)
        return _opened(self._source, **self._options)

    def __len__(self) -> int:
        return len(self._clip.spans)

    def get_avg_fps(self) -> float:
        return self._clip.fps

    def get_frame_timestamp(self, indices: Sequence[int]) -> np.ndarray:
        return np.array([self._clip.spans[i] for i in indices], np.float32)

    def get_batch(self, indices: Sequence[int]) -> Frames:
        wanted = sorted({int(i) for i in indices} - self._pictures.keys())
        if wanted:
            frames = self._reader().get_batch(wanted).asnumpy()
            self._pictures |= {i: self._cache.encode(frame) for i, frame in zip(wanted, frames, strict=True)}
            try:
                self._cache.write(self._clip, self._pictures)
            except OSError as error:
                _warn(f"the frame cache cannot be written, clips are decoded as they come: {error}")
        return Frames(decode([self._pictures[int(i)] for i in indices]))

    def __getitem__(self, index: int) -> Frames:
        return Frames(self.get_batch([index]).asnumpy()[0])


@lru_cache
def _warn(text: str) -> None:
    say(text, sys.stderr)


def digest_of(source: str | os.PathLike | BinaryIO) -> str:
    """The SHA-256 of a file, worked out once while it does not change, or of its content."""
    if isinstance(source, str | os.PathLike):
        state = os.stat(source)
        return _digest_of_file(os.fspath(source), state.st_ino, state.st_size, state.st_mtime_ns)
    source.seek(0)
    return hashlib.sha256(source.read()).hexdigest()


@lru_cache(100_000)
def _digest_of_file(path: str, *state: int) -> str:
    return sha256_file(path)


def install(folder: str) -> None:
    """Have every reader of this process take frames from the cache in `folder`; ValueError where there is none."""
    cache = FrameCache(folder)
    if cache.decoder != (mine := DECODER):
        raise ValueError(
            f"{SETTING}: {folder} holds the frames of {cache.decoder}, here is {mine}: make the cache anew"
        )
    decord.VideoReader = lambda source, **options: CachedReader(cache, source, **options)


if folder := os.environ.get(SETTING):
    install(folder)
