"""One scorer a task; what each one provides is listed in base.py."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from eval.scorers.base import Scorer

SCORERS = {  # task -> its scorer; what one provides is listed in eval/scorers/base.py
    "deeptrace": "eval.scorers.deeptrace",
    "dfj_pointwise": "eval.scorers.dfj_pointwise",
    "dfj_pairwise": "eval.scorers.dfj_pairwise",
    "dfj_detect": "eval.scorers.dfj_detect",
    "dfj_reason": "eval.scorers.dfj_reason",
    "fakevlm": "eval.scorers.fakevlm",
    "loki_tf": "eval.scorers.loki_tf",
    "loki_mc": "eval.scorers.loki_mc",
    "loki_open": "eval.scorers.loki_open",
}


def scorer_of(task: str) -> Scorer:
    """The task's scorer; a module, which is why the type checker is told."""
    scorer: Any = import_module(SCORERS[task])
    return scorer
