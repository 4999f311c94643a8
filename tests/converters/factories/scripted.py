"""Models that err by known rules, on loopback: what they do wrong, and where, is a function of what they are asked."""

from __future__ import annotations

import contextlib
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from converters.samples import standin
from converters.samples.reasoning import ARTIFACTS, BALLS
from swift_plugins.core.tasks.candidates import split_frame
from swift_plugins.core.tasks.tagged import frame
from swift_plugins.core.tasks.verdicts import FOLD, OPPOSITE
from tests.answering.misbehaving import Request, serving

KINDS = ("true", "drifts once", "drifts twice", "stubborn")
PARAPHRASES = ("true", "changes the verdict", "copies", "changes the fact")


def drawn(kinds: tuple[str, ...], *of: object) -> str:
    """One of the kinds, always the same for the same things."""
    return kinds[zlib.crc32("/".join(map(str, of)).encode()) % len(kinds)]


def kind_of(gold: str, level: int) -> str:
    """How the generator behaves for a gold rationale and a level: of the lowest, whose verdict tells, it is true."""
    return drawn(KINDS, gold, level) if level > 1 else "true"


def steps_from(level: int, steps: int) -> int:
    """The level that is so many steps away from one of 2 to 5, around and around."""
    return (level - 2 + steps) % 4 + 2


def generated(prompt: str, rng: np.random.Generator) -> str:
    """A rationale that is off by as many steps as its kind says, by one less each time that it is written anew."""
    asked = re.search(r"of level ([1-5])\. To reach that level: (.*)", prompt)
    level, scene = int(asked[1]), standin.scene_of(prompt)
    kind = kind_of(standin.field(prompt, "What an expert wrote about it"), level)
    off = {"true": 0, "drifts once": 1, "drifts twice": 2, "stubborn": 1}[kind]
    if rated := re.search(r"was to be of level [1-5] and was rated ([1-5])", prompt):
        off = next(n for n in range(5) if steps_from(level, n) == int(rated[1]) or level == 1)
        off -= kind != "stubborn"
    actual = steps_from(level, off) if level > 1 else 1
    return standin.rationale(rng, scene, actual, asked[2] if actual == level else "")


def paraphrased(prompt: str, rng: np.random.Generator) -> str:
    text = standin.field(prompt, "Rationale")
    body, _, verdict = split_frame(text)
    match drawn(PARAPHRASES, text, re.search(r"paraphrase (\d+)", prompt)[1]):
        case "changes the verdict":
            return frame("I would say the opposite of what was claimed.", OPPOSITE[verdict])
        case "copies":
            return text
        case "changes the fact":
            facts = BALLS if verdict == "real" else ARTIFACTS
            other = next(fact for fact in facts if fact != standin.claim_of(body)[0])
            return frame(f"Look closely: {facts[other][1]}, top left.", verdict)
    return standin.reworded(rng, text)


@dataclass
class Scripted:
    """A server of all roles; `asked` counts what was asked, (prompt, image), `faults` stand before the replies."""

    faults: Callable[[str], str | None] = lambda prompt: None
    broken: bool = False  # no reply is a chat completion
    asked: Counter[tuple[str, str]] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    url: str = ""

    def reply(self, prompt: str, model: str, image: str) -> str:
        rng = np.random.default_rng(zlib.crc32(prompt.encode()))
        if prompt.startswith("You write rationales"):
            return generated(prompt, rng)
        if prompt.startswith("Say the rationale below"):
            return paraphrased(prompt, rng)
        return standin.evaluator(prompt, rng)

    def behave(self, request: Request) -> None:
        parts = request.asked["messages"][-1]["content"]
        prompt = "".join(part.get("text", "") for part in parts)
        image = next(part["image_url"]["url"] for part in parts if "image_url" in part)
        self.asked[prompt, image] += 1
        self.models[request.asked["model"]] += 1
        if self.broken:
            request.reply({"choices": []})
            return
        text = self.faults(prompt) or self.reply(prompt, request.asked["model"], image)
        usage = {"prompt_tokens": len(prompt), "completion_tokens": len(text)}
        choice = {"message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        request.reply({"choices": [choice], "usage": usage})

    @contextlib.contextmanager
    def served(self) -> Iterator[Scripted]:
        with serving(self.behave) as self.url:
            yield self


def truth_of(label: str) -> str:
    return FOLD[label]
