"""Rows are read by ms-swift with their boxes in the space of BOX_SPACE (see core/box_rows.py).

It reads a dataset's files by one class and leaves out what is no input, `meta` among it: here they still have it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from swift.dataset import MessagesPreprocessor

from swift_plugins.core.box_rows import restated
from swift_plugins.core.settings import vision_settings


def _settings_first(prepare: Callable[..., Any]) -> Callable[..., Any]:
    """The step before the rows are read: the settings become part of the reader, by which `datasets` names its cache,
    so that rows of other settings are never taken from there."""

    @functools.wraps(prepare)
    def call(self: MessagesPreprocessor, dataset: Any) -> Any:
        self.vision = vision_settings()
        return prepare(self, dataset)

    return call


def _restated_first(preprocess: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(preprocess)
    def call(self: MessagesPreprocessor, row: dict[str, Any]) -> Any:
        return preprocess(self, restated(row, self.vision))

    return call


MessagesPreprocessor.vision = {}  # until the rows of a dataset are read
MessagesPreprocessor.prepare_dataset = _settings_first(MessagesPreprocessor.prepare_dataset)  # type: ignore[method-assign]
MessagesPreprocessor.preprocess = _restated_first(MessagesPreprocessor.preprocess)  # type: ignore[method-assign]
