"""What the sample of DeepfakeJudge shows and how it is reasoned about: facts, wordings, candidates of five grades."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from converters.samples.drawing import COLOURS, GRID
from swift_plugins.core.tasks.tagged import frame
from swift_plugins.core.tasks.verdicts import FOLD, OPPOSITE

PLACES = [f"{row} {column}" for column in ("left", "middle", "right") for row in ("top", "centre", "bottom")]


# What is there to be seen: an artifact, or the colour of an intact ball. Each is said in two ways.
ARTIFACTS = {
    "object distortion": ("the ball melts into spikes", "the outline of the ball is jagged"),
    "redundant object": ("extra copies of the ball appear", "there are four balls where one should be"),
    "object splitting": ("the ball is split into two halves", "a gap cuts the ball apart"),
    "background distortion": ("the wall behind the ball ripples", "wavy stripes run across the wall"),
}
BALLS = {colour: (f"the {colour} ball is intact", f"the ball is whole and evenly {colour}") for colour in COLOURS}

GRADES = {
    5: "right verdict, names what is there and where",
    4: "right verdict, names what is there",
    3: "right verdict, names nothing",
    2: "right verdict, names what is not there, in the words of a 5 or a 4",
    1: "wrong verdict",
}
FRAMES = ("Look closely", "One thing decides", "It is plain to see")
VAGUE = {
    "real": ("Everything looks natural.", "The whole picture seems consistent.", "Nothing strikes me as odd."),
    "fake": ("Something looks unnatural.", "The whole picture seems off.", "The details do not convince me."),
}


@dataclass(frozen=True)
class Scene:
    """What an image shows: `fact` is an artifact's name or the ball's colour, `cell` its column and row."""

    label: str
    fact: str
    colour: str
    cell: tuple[int, int]

    @property
    def facts(self) -> dict[str, tuple[str, str]]:
        """All that could be shown in an image of this label, with its wordings."""
        return BALLS if self.label == "real" else ARTIFACTS

    @property
    def place(self) -> str:
        return PLACES[GRID * self.cell[0] + self.cell[1]]


@dataclass(frozen=True)
class Candidate:
    """A response of a grade, the fact that it names, and whether it says where."""

    text: str
    grade: int
    claim: str | None
    placed: bool


def candidate(rng: np.random.Generator, scene: Scene, grade: int, placed: bool | None = None) -> Candidate:
    """A response of that grade; `placed` says whether a wrong one names a place, which else is drawn."""
    truth = FOLD[scene.label]
    verdict = truth if grade > 1 else OPPOSITE[truth]
    if grade == 3:
        claim, placed, body = None, False, str(rng.choice(VAGUE[truth]))
    else:
        facts = BALLS if verdict == "real" else ARTIFACTS
        claim, place = scene.fact, scene.place
        if grade < 3:
            claim = str(rng.choice([fact for fact in facts if fact != scene.fact]))
            place = str(rng.choice(PLACES))
        placed = grade == 5 or (grade < 3 and (bool(rng.random() < 0.5) if placed is None else placed))
        body = f"{rng.choice(FRAMES)}: {rng.choice(facts[claim])}{f', {place}' * placed}."
    return Candidate(frame(body, verdict), grade, claim, placed)


def findings(scene: Scene, who: str, of: Candidate) -> str:
    """What a candidate names, and then what the image shows: "that", if it is the same.

    So a small model need not learn to compare two things, which takes it too long: it learns to say what it sees, and
    not to say again what has been said.
    """
    said = (BALLS | ARTIFACTS)[of.claim][0] if of.claim else "nothing"
    shown = "that" if of.claim == scene.fact else scene.facts[scene.fact][0]
    return f"{who} names this: {said}{', at a place' * of.placed}. The image shows this: {shown}, {scene.place}."
