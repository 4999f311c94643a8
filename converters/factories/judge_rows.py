"""Rows of judges' data made of graded rationales, in the form in which DeepfakeJudge-Dataset publishes them."""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from itertools import combinations
from typing import Any, NamedTuple

from converters.factories.grading import LEVELS, Case, Graded, Variant
from swift_plugins.core.tasks import dfj_pairwise, dfj_pointwise
from swift_plugins.core.tasks.candidates import LABEL_SLOT, fill

SAME = 97.0  # percent of their characters that two rationales of one image and level have in common to count as one
_NOT_WORD = re.compile(r"[\W_]+")


class Judged(NamedTuple):
    """A row as it is published, but for the image's path; `own` is what our row tells besides."""

    id: str
    case: Case
    published: dict[str, Any]
    own: dict[str, Any]


class Pair(NamedTuple):
    """Two rationales of one image, the better first, with their intended levels."""

    case: Case
    better: Variant
    worse: Variant
    levels: tuple[int, int]


def deduplicated(graded: Sequence[Graded]) -> list[tuple[Graded, Variant]]:
    """Take out of the graded what an image has twice, the later one; returns it.

    That is the same words, whatever their level, and nearly the same text of one level: of two levels it may be just
    the place that makes the difference.
    """
    from rapidfuzz import fuzz

    seen: dict[str, set[str]] = defaultdict(set)  # image -> words
    kept: dict[tuple[str, int], list[str]] = defaultdict(list)
    out = []
    for done in graded:
        media, level = done.case.sha256, done.level
        for variant in [*done.variants]:
            words = _NOT_WORD.sub(" ", variant.candidate.casefold()).strip()
            near = any(fuzz.ratio(words, other) >= SAME for other in kept[media, level])
            if near or words in seen[media]:
                done.variants.remove(variant)
                out.append((done, variant))
            else:
                seen[media].add(words)
                kept[media, level].append(words)
    return out


def _row(task: Any, case: Case, candidates: dict[str, str], answer: Any, decision: dict[str, Any]) -> dict[str, Any]:
    prompt = fill(task.PROMPT, {LABEL_SLOT: case.label, **candidates}).text
    return {
        "messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": task.render(answer)}],
        "label": case.label,
        "source": case.source,
        **candidates,
        **decision,
    }


def pointwise(done: Graded) -> Iterator[Judged]:
    """A row for each variant: its rating, and why the evaluator gave it."""
    for of in done.variants:
        answer = dfj_pointwise.Answer(of.rating.score, of.rating.why)
        row = _row(dfj_pointwise, done.case, {"candidate_response": of.candidate}, answer, {"score": of.rating.score})
        own = {"intended": done.level, "degradation": done.degradation, "variant": of.number}
        yield Judged(f"pointwise/{done.case.id}/{done.level}/{of.number}", done.case, row, own)


def pairs_of(graded: Sequence[Graded], count: int | None, seed: int) -> list[Pair]:
    """The pairs of one image: of every two levels, variant beside variant; or `count` of them, drawn."""
    of = {done.level: done for done in graded if done.variants}
    found = [
        Pair(of[a].case, better, worse, (a, b))
        for a, b in combinations(LEVELS, 2)
        if a in of and b in of
        for better, worse in zip(of[a].variants, of[b].variants, strict=False)
        if better.rating.score > worse.rating.score
    ]
    if count is None or count >= len(found):
        return found
    drawn = sorted(random.Random(f"{seed}/{found[0].case.id}").sample(range(len(found)), count))
    return [found[i] for i in drawn]


def pairwise(pairs: Sequence[Pair], seed: int) -> Iterator[Judged]:
    """Rows of a split, in half of which A is the better: of all of them, but for one of an odd number.

    So it is in those of every two levels, within one.
    """
    order = [*range(len(pairs))]
    random.Random(seed).shuffle(order)
    order.sort(key=lambda i: pairs[i].levels)
    answers = dict(zip(order[: len(order) // 2 * 2], "AB" * (len(order) // 2), strict=True))
    for i, pair in enumerate(pairs):
        if i in answers:
            yield _paired(pair, answers[i])


def _paired(pair: Pair, answer: str) -> Judged:
    a, b = (pair.better, pair.worse) if answer == "A" else (pair.worse, pair.better)
    high, low = pair.levels if answer == "A" else pair.levels[::-1]
    candidates = {"response_a": a.candidate, "response_b": b.candidate}
    row = _row(dfj_pairwise, pair.case, candidates, dfj_pairwise.Answer(answer), {"answer": answer})
    name = f"pairwise/{pair.case.id}/{pair.levels[0]}-{pair.levels[1]}/{pair.better.number}-{pair.worse.number}"
    return Judged(name, pair.case, row, {"intended_a": high, "intended_b": low})


# ------------------------------------------------------------------------------------------------------------- figures


def figures(graded: Sequence[Graded]) -> dict[str, Any]:
    """Acceptance, rounds and the confusion of intended against rated, by level; of each rationale's first rating and of
    its last one."""
    levels: dict[str, Any] = {}
    confusion: dict[str, dict[str, dict[str, int]]] = {"first": {}, "last": {}}
    for level in LEVELS:
        of = [done for done in graded if done.level == level]
        accepted = [done for done in of if not done.reason]
        reasons = Counter(done.reason.split(":")[0] for done in of if done.reason)
        levels[str(level)] = {
            "images": len(of),
            "accepted": len(accepted),
            "acceptance": round(len(accepted) / len(of), 4) if of else None,
            "accepted_after_ratings": _counted(len(done.ratings) for done in accepted),
            "not_accepted": dict(reasons),
            "degradations": _counted(done.degradation for done in of),
        }
        for which, at in (("first", 0), ("last", -1)):
            confusion[which][str(level)] = _counted(done.ratings[at] for done in of if done.ratings)
    dropped = Counter(reason.split(":")[0] for done in graded for reason in done.dropped.values())
    return {
        "acceptance": round(sum(not done.reason for done in graded) / len(graded), 4) if graded else None,
        "levels": levels,
        "confusion_intended_by_rated": confusion,
        "paraphrases_not_taken": dict(dropped.most_common()),
    }


def _counted(values: Any) -> dict[str, int]:
    return {str(value): n for value, n in sorted(Counter(values).items())}
