"""DeepfakeJudge, reasoning: the verdict on an image together with a rationale, which is held against a written one.

The answer is that of dfj_detect; here its reasoning is what matters.
"""

from __future__ import annotations

from swift_plugins.core.tasks.dfj_detect import CANDIDATES as CANDIDATES
from swift_plugins.core.tasks.dfj_detect import CHOICES as CHOICES
from swift_plugins.core.tasks.dfj_detect import GRAMMARS as GRAMMARS
from swift_plugins.core.tasks.dfj_detect import KINDS as KINDS
from swift_plugins.core.tasks.dfj_detect import PROMPT as PROMPT
from swift_plugins.core.tasks.dfj_detect import PROMPT_END as PROMPT_END
from swift_plugins.core.tasks.dfj_detect import QUESTIONS as QUESTIONS
from swift_plugins.core.tasks.dfj_detect import VERSION as VERSION
from swift_plugins.core.tasks.dfj_detect import ZERO_SHOT_QUESTION as ZERO_SHOT_QUESTION
from swift_plugins.core.tasks.dfj_detect import Answer as Answer
from swift_plugins.core.tasks.dfj_detect import render as render
from swift_plugins.core.tasks.dfj_detect import segments as segments

NAME = "dfj_reason"
SAME_ANSWER_AS = "dfj_detect"
