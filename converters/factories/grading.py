"""Graded reasoning: rationales of five intended levels, rated, refined and paraphrased.

Kuckreja et al., "Pixels Don't Lie (But Your Detector Might)" (DeepfakeJudge), Bootstrapped Reasoning Supervision: a
generator writes a rationale of each level, an evaluator, which is not told the level, rates it and gives feedback, and
where the rating is too far from the level the generator writes it anew with that feedback. What is accepted is
paraphrased. The wording of the prompts is this project's own.
"""

from __future__ import annotations

import random
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from converters.factories.calls import Call, NoReply
from converters.factories.prompts import prompt
from converters.factories.replies import prose, tags
from swift_plugins.core.tasks import dfj_pointwise, dfj_reason
from swift_plugins.core.tasks.candidates import split_frame
from swift_plugins.core.tasks.tagged import frame
from swift_plugins.core.tasks.verdicts import FOLD, OPPOSITE, stated_verdicts

LEVELS = (5, 4, 3, 2, 1)
# level -> how a rationale of it may fall short of the expert's; one is drawn for each image
DEGRADATIONS = {
    5: ("none",),
    4: ("omitted_evidence",),
    3: ("vague_evidence",),
    2: ("vague_hedging", "wrong_region", "hallucinated_artifact"),
    1: ("wrong_verdict",),
}
STYLES = ("plain", "expert", "narrative", "terse", "formal", "conversational")
GENERATOR, EVALUATOR, PARAPHRASER = "generator", "evaluator", "paraphraser"
Steps = Generator[Call, Any, Any]


class Case(NamedTuple):
    """An image with what is known of it: `where` says so, `label` is real, fake or edited, `gold` what an expert wrote,
    on one line; `sha256` is of the image's file."""

    where: str
    id: str
    image: str
    sha256: str
    label: str
    gold: str
    source: str


class Rating(NamedTuple):
    score: int  # 1..5
    why: str
    feedback: str


class Variant(NamedTuple):
    """A rationale as a candidate, in its frame, with the evaluator's rating of it; number 0 is the generator's own."""

    number: int
    candidate: str
    rating: Rating


@dataclass(frozen=True)
class Rules:
    """`threshold` is how far a rating may be from its level, `rounds` how often a rationale is written anew at most,
    `similarity` the least and most percent of words that a paraphrase has in common with its rationale."""

    threshold: int
    rounds: int
    paraphrases: int
    similarity: tuple[int, int]
    seed: int


@dataclass
class Graded:
    """What became of one image and level: the ratings, one for each round, and, where the last was accepted, the
    variants; else `reason` says why there are none. `dropped` are paraphrases that were not taken, by number."""

    case: Case
    level: int
    degradation: str
    ratings: list[int] = field(default_factory=list)
    variants: list[Variant] = field(default_factory=list)
    dropped: dict[int, str] = field(default_factory=dict)
    reason: str = ""


def verdict_of(case: Case, level: int) -> str:
    """The verdict of a rationale of that level: the wrong one of the lowest alone."""
    truth = FOLD[case.label]
    return truth if level > 1 else OPPOSITE[truth]


def graded(case: Case, level: int, rules: Rules) -> Steps:
    """The job of one image and level; returns what became of it."""
    draw = random.Random(f"{rules.seed}/{case.id}/{level}")
    done = Graded(case, level, draw.choice(DEGRADATIONS[level]))
    try:
        first = yield from _accepted(done, rules)
    except NoReply as fault:
        done.reason = f"no reply: {fault}"
        return done
    if first is None:
        done.reason = f"unaccepted: intended {level}, rated {' then '.join(map(str, done.ratings))}"
        return done
    done.variants.append(first)
    styles = draw.sample(STYLES, len(STYLES))
    for number in range(1, rules.paraphrases + 1):
        try:
            done.variants.append((yield from _paraphrased(done, number, styles[(number - 1) % len(styles)], rules)))
        except ValueError as fault:  # NoReply, or what is wrong with it
            done.dropped[number] = f"{'no reply: ' * isinstance(fault, NoReply)}{fault}"
    return done


def _accepted(done: Graded, rules: Rules) -> Steps:
    """The rationale that is rated near enough to its level; None where none is after the last round."""
    case, level = done.case, done.level
    slots = {
        "label": case.label,
        "gold": case.gold,
        "guide": prompt("grading/guide").text,
        "level": level,
        "degradation": prompt(f"grading/degradations/{done.degradation}").text,
        "verdict": verdict_of(case, level),
    }
    text = yield _written(GENERATOR, "generate", slots)
    while True:
        rating = yield _rated(slots | {"candidate": text})
        done.ratings.append(rating.score)
        if abs(rating.score - level) <= rules.threshold:
            return Variant(0, text, rating)
        if len(done.ratings) > rules.rounds:
            return None
        told = {"candidate": text, "score": rating.score, "why": rating.why, "feedback": rating.feedback}
        text = yield _written(GENERATOR, "refine", slots | told)


def _paraphrased(done: Graded, number: int, style: str, rules: Rules) -> Steps:
    """A paraphrase of the accepted rationale; ValueError where it is not the same in other words."""
    case, first = done.case, done.variants[0]
    slots = {
        "candidate": first.candidate,
        "number": number,
        "style": prompt(f"grading/styles/{style}").text,
        "verdict": verdict_of(case, done.level),
    }
    text = yield _written(PARAPHRASER, "paraphrase", slots, any_verdict=True)
    if verdict_in(text) != slots["verdict"]:
        raise ValueError(f"paraphrase changed the verdict: to {verdict_in(text)}")
    alike, (least, most) = likeness(first.candidate, text), rules.similarity
    if not least <= alike <= most:
        raise ValueError(f"paraphrase too {'near' if alike > most else 'far'}: {alike:.0f} % of the words")
    known = {"label": case.label, "gold": case.gold, "guide": prompt("grading/guide").text, "level": done.level}
    rating = yield _rated(known | {"candidate": text})
    if abs(rating.score - done.level) > rules.threshold:
        raise ValueError(f"paraphrase rated otherwise: {rating.score}, intended {done.level}")
    return Variant(number, text, rating)


def verdict_in(candidate: str) -> str:
    """The verdict of a candidate in its frame, "" without one."""
    return (split_frame(candidate) or ("", "", ""))[2]


def likeness(text: str, other: str) -> float:
    """How much two candidates have in common, in percent: the words in any order, without their frame."""
    from rapidfuzz import fuzz, utils

    bodies = [(split_frame(one) or (one,))[0] for one in (text, other)]
    return fuzz.token_sort_ratio(*bodies, processor=utils.default_process)


# ---------------------------------------------------------------------------------------------------- calls and replies


def _written(role: str, name: str, slots: dict[str, Any], any_verdict: bool = False) -> Call:
    """A call for a rationale; with `any_verdict` a changed one is a reply, too, which is looked at by the caller."""
    verdict = slots["verdict"]

    def read(reply: str) -> str:
        return read_rationale(reply, None if any_verdict else verdict)

    example = _example(slots.get("level", 3)) if "candidate" not in slots else _reworded(slots)
    return Call(role, dfj_reason.NAME, prompt(f"grading/{name}").filled(slots), read, frame(example, verdict))


def _example(level: int) -> str:
    return " ".join(["The example is about as long as a rationale is, and says where it sees what."] * level)


def _reworded(slots: dict[str, Any]) -> str:
    """A candidate's rationale with every second word another."""
    body = (split_frame(slots["candidate"]) or ("",))[0]
    words = [word[::-1] if i % 2 else word for i, word in enumerate(body.split())]
    return " ".join([f"Number {slots.get('number', 0)}.", *words])


def _rated(slots: dict[str, Any]) -> Call:
    why = "It names what the image shows and where, as the expert does, and what it leaves out does not decide. "
    example = f"<reasoning>{why * 2}</reasoning>\n<score>{slots['level']}</score>\n<feedback>{why}</feedback>"
    return Call(EVALUATOR, dfj_pointwise.NAME, prompt("grading/evaluate").filled(slots), read_rating, example)


def read_rationale(reply: str, verdict: str | None) -> str:
    """A candidate, made text that is only ever text, from `<reasoning>…</reasoning> <answer>verdict</answer>`.

    ValueError for any other form, for another verdict than the one asked for, and where the prose states the other.
    """
    found = tags(reply, ("reasoning", "answer"))
    body, answer = prose(found["reasoning"]), found["answer"].lower()
    if answer not in OPPOSITE:
        raise ValueError("the answer is neither real nor fake")
    if verdict and answer != verdict:
        raise ValueError(f"the answer must be {verdict}")
    if stated_verdicts(body).contradicts(answer):
        raise ValueError("the rationale states another verdict than the answer")
    return frame(body, answer)


def read_rating(reply: str) -> Rating:
    """A rating from `<reasoning>…</reasoning> <score>n</score> <feedback>…</feedback>`."""
    found = tags(reply, ("reasoning", "score", "feedback"))
    if found["score"] not in dfj_pointwise.SCORES:
        raise ValueError("the score is no whole number from 1 to 5")
    return Rating(int(found["score"]), prose(found["reasoning"]), prose(found["feedback"]))
