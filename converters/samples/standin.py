"""Stand-ins for the models of make_judge_data.py, by rule: they read the sample's own words and see no image.

What they say is right because the rationale that comes with an image says what it shows, in words that they know. So
the whole of the factory runs without a model; of what a model would make they tell nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from converters.samples.drawing import GRID
from converters.samples.reasoning import ARTIFACTS, BALLS, FRAMES, PLACES, VAGUE, Candidate, Scene, candidate, findings
from swift_plugins.core.tasks.candidates import split_frame
from swift_plugins.core.tasks.tagged import frame
from swift_plugins.core.tasks.verdicts import FOLD, OPPOSITE

FACTS = BALLS | ARTIFACTS
HEDGED = (
    "It might be odd, or just a low-quality picture; I am not sure.",
    "Some of it may be off, but the light could explain that, too.",
    "I cannot really tell, and lean to one side only a little.",
)
_LINE = r"^{}: (.*)$"


def field(prompt: str, name: str) -> str:
    """What stands in a prompt behind a name and a colon."""
    found = re.search(_LINE.format(re.escape(name)), prompt, re.M)
    return found[1].strip() if found else ""


def claim_of(text: str) -> tuple[str | None, str | None]:
    """(the fact that a text names, the place that it names)."""
    low = text.lower()
    fact = next((name for name, wordings in FACTS.items() if any(said in low for said in wordings)), None)
    return fact, next((place for place in PLACES if place in low), None)


def scene_of(prompt: str) -> Scene:
    """The scene of an image, by what is told of it."""
    label = field(prompt, "This image is in truth").rstrip(".")
    fact, place = claim_of(field(prompt, "What an expert wrote about it"))
    if fact is None or place is None:
        raise ValueError("the rationale is none of the sample's")
    at = PLACES.index(place)
    return Scene(label, fact, "", (at // GRID, at % GRID))


def rated(scene: Scene, text: str) -> Candidate:
    """A candidate with the grade that it deserves."""
    framed = split_frame(text)
    if framed is None:
        raise ValueError("the candidate has no frame")
    body, _, verdict = framed
    fact, place = claim_of(body)
    if verdict != FOLD[scene.label]:
        grade = 1
    elif fact is None:
        grade = 2 if any(said in body for said in HEDGED) else 3
    elif fact != scene.fact or place not in (None, scene.place):
        grade = 2
    else:
        grade = 5 if place else 4
    return Candidate(text, grade, fact, place is not None)


def rationale(rng: np.random.Generator, scene: Scene, level: int, how: str) -> str:
    """A candidate of that level; `how` is what the prompt says of the way in which it is to fall short."""
    if level == 2 and how.startswith("hedge"):
        return frame(str(rng.choice(HEDGED)), FOLD[scene.label])
    if level == 2 and "another place" in how:
        place = str(rng.choice([place for place in PLACES if place != scene.place]))
        body = f"{rng.choice(FRAMES)}: {rng.choice(FACTS[scene.fact])}, {place}."
        return frame(body, FOLD[scene.label])
    return candidate(rng, scene, level).text


def reworded(rng: np.random.Generator, text: str) -> str:
    """A candidate in other words."""
    framed = split_frame(text)
    if framed is None:
        raise ValueError("the candidate has no frame")
    body, _, verdict = framed
    fact, place = claim_of(body)
    if fact is not None:
        said = next(said for said in FACTS[fact] if said not in body.lower())
        return frame(f"{rng.choice(FRAMES)}: {said}{f', {place}' if place else ''}.", verdict)
    same = next(some for some in (HEDGED, *VAGUE.values()) if body in some)
    return frame(str(rng.choice([said for said in same if said != body])), verdict)


def generator(prompt: str, rng: np.random.Generator) -> str:
    level = re.search(r"of level ([1-5])\. To reach that level: (.*)", prompt)
    if level is None:
        raise ValueError("no level is asked for")
    return rationale(rng, scene_of(prompt), int(level[1]), level[2])


def evaluator(prompt: str, rng: np.random.Generator) -> str:
    scene = scene_of(prompt)
    of = rated(scene, field(prompt, "Candidate"))
    feedback = f"A {OPPOSITE[FOLD[scene.label]]} verdict would be of level 1, the fact with its place of level 5."
    return (
        f"<reasoning>{findings(scene, 'The candidate', of)}</reasoning>\n<score>{of.grade}</score>\n"
        f"<feedback>{feedback}</feedback>"
    )


def paraphraser(prompt: str, rng: np.random.Generator) -> str:
    return reworded(rng, field(prompt, "Rationale"))


# what a prompt begins with, behind the image -> who answers it
RULES: Mapping[str, Callable[[str, np.random.Generator], str]] = {
    "You write rationales": generator,
    "You rate how well": evaluator,
    "Say the rationale below": paraphraser,
}


def reply(prompt: str, draw: Any) -> str:
    """The reply to a prompt of the factory; `draw` seeds what is drawn. ValueError for any other prompt."""
    for beginning, rule in RULES.items():
        if prompt.startswith(beginning):
            return rule(prompt, np.random.default_rng(draw))
    raise ValueError("a prompt of something else")
