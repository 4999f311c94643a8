"""One scorer a task, in the file of the task's name; what each one provides is stated in base.py."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.scorers.base import Scorer

SCORERS = {  # task -> the class of its scorer, in eval/scorers/<task>.py
    "deeptrace": "DeepTrace",
    "dfj_pointwise": "Pointwise",
    "dfj_pairwise": "Pairwise",
    "dfj_detect": "Detect",
    "dfj_reason": "Reason",
    "fakevlm": "FakeVLM",
    "loki_tf": "TrueOrFalse",
    "loki_mc": "MultipleChoice",
    "loki_open": "OpenEnded",
}


def scorer_of(task: str) -> Scorer[Any]:
    """The task's scorer."""
    return getattr(import_module(f"{__name__}.{task}"), SCORERS[task])()
