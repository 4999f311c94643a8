"""DeepfakeJudge, reasoning: the verdict on an image together with a rationale, which is held against a written one.

The answer is that of dfj_detect; here its reasoning is what matters.
"""

from __future__ import annotations

from swift_plugins.core.tasks.dfj_detect import CHOICES, GRAMMARS, KINDS, PROMPT, Answer, render, segments
from swift_plugins.core.tasks.verdicts import FOLD

NAME = "dfj_reason"
VERSION = "1"
__all__ = ["CHOICES", "FOLD", "GRAMMARS", "KINDS", "NAME", "PROMPT", "VERSION", "Answer", "render", "segments"]
