"""Truncation leaves something to learn: a row whose prompt and media take all of max_length is refused.

ms-swift keeps the tokens of media and cuts the others, those of the answer first, without a word of what is left.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from swift.template import MaxLengthError, Template

import swift_plugins  # noqa: F401


def _with_labels(truncate: Callable[..., Any]) -> Callable[..., Any]:
    """A template's truncation of (ids, labels), unless it would leave no label of those there are."""

    @functools.wraps(truncate)
    def call(self: Template, input_ids: Any, labels: Any, *args: Any, **options: Any) -> Any:
        ids, left = truncate(self, input_ids, labels, *args, **options)
        if self.is_training and labels is not None and any(x != -100 for x in labels) and all(x == -100 for x in left):
            raise MaxLengthError(
                f"of {len(labels)} tokens max_length keeps {self.max_length}, and none of the answer's is among them: "
                "raise --max_length, or show the model less (pixels, frames)"
            )
        return ids, left

    return call


Template._truncate = _with_labels(Template._truncate)  # type: ignore[method-assign]
