"""How sure a model was of what its answer decides: read off the likeliest tokens where the choice stands."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

from swift_plugins.core.records import Row
from swift_plugins.core.tasks import Choices, get_task

Step = tuple[str, Mapping[str, float]]  # a generated token's text, and the log-probabilities of the likeliest there
GREEDY: Mapping[str, Any] = {"temperature": 0.0}  # how answers are sampled unless a command says otherwise
TOP = 20  # alternatives looked at; OpenAI's protocol gives no more


def choice_probabilities(choices: Choices, steps: Sequence[Step]) -> dict[str, float] | None:
    """value -> its probability where the answer decides, all of them adding up to 1; None where it decides nothing.

    The decision is the first token at the place where the choice stands; a value's probability is that of the tokens
    that can begin its word and no other's.
    """
    text = "".join(token for token, _ in steps)
    at = choices.begins_at(text)
    begin = at + len(text[at:]) - len(text[at:].lstrip())
    if at < 0 or begin >= len(text):
        return None
    ends = [0, *accumulate(len(token) for token, _ in steps)]
    step = bisect_right(ends, begin) - 1
    (token, alternatives), start = steps[step], ends[step]
    words = {value: word.lower() for value, word in choices.words.items()}
    found = dict.fromkeys(words, 0.0)
    decided = False
    for alternative, logprob in {token: 0.0, **alternatives}.items():
        said = (text[:start] + alternative)[at:].lstrip().lower()
        fits = [value for value, word in words.items() if said and (word.startswith(said) or said.startswith(word))]
        if len(fits) == 1:
            decided = decided or alternative == token
            found[fits[0]] += math.exp(logprob) if alternative in alternatives else 0.0
    total = sum(found.values())
    return {value: round(p / total, 6) for value, p in found.items()} if decided and total > 0 else None


def result_of(row: Row, text: str, steps: Sequence[Step], usage: Any, finish_reason: str | None) -> Row:
    """What one answer adds to its row; how sure it was only where the row is one of a task, which decides something."""
    counted = {"prompt_tokens": usage.prompt_tokens, "completion_tokens": usage.completion_tokens}
    decided = decision(get_task(row["task"]).CHOICES, steps) if "task" in row else {}
    return {"response": text, **decided, "usage": counted, "finish_reason": finish_reason}


def decision(choices: Choices, steps: Sequence[Step]) -> Row:
    """`p_fake` of what decides between real and fake, else `choice_probs`."""
    probabilities = choice_probabilities(choices, steps)
    if "real" in choices.words:
        return {"p_fake": round(1 - probabilities["real"], 6) if probabilities else None}
    return {"choice_probs": probabilities}
