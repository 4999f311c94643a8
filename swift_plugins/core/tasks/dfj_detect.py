"""DeepfakeJudge, detection: is an image real or fake, where an edited one counts as fake.

Answer form of the candidates in Kuckreja et al. (DeepfakeJudge). The prompt's wording is this project's own.
"""

from __future__ import annotations

from dataclasses import dataclass

from swift_plugins.core.tasks import Choices, Parsed
from swift_plugins.core.tasks.other_models import grammars
from swift_plugins.core.tasks.tagged import read_tagged, render_tagged, tagged_segments
from swift_plugins.core.tasks.verdicts import FOLD, LABELS, bare_verdict, stated_verdicts, with_reader
from swift_plugins.core.tasks.wording import reads

NAME = "dfj_detect"
VERSION = with_reader("1")
PROMPT_END = ""
QUESTIONS: dict[str, str] = {}
ZERO_SHOT_QUESTION = None
CANDIDATES: dict[str, str] = {}
SAME_ANSWER_AS = None
CHOICES = Choices("<answer>", {label: label for label in LABELS}, "</answer>")
KINDS = ("reasoning", "answer", "other")

PROMPT = (
    "<image>Is this image real or fake? An edited image counts as fake. First say what in the image shows it, then "
    "decide. Reply as <reasoning>…</reasoning> <answer>real</answer> or <reasoning>…</reasoning> <answer>fake</answer>."
)


@dataclass(frozen=True, slots=True)
class Answer:
    """A verdict, "real", "fake" or "edited", and the reasoning that led to it."""

    verdict: str
    reasoning: str | None = None


def render(answer: Answer) -> str:
    """`<reasoning>…</reasoning> <answer>verdict</answer>`; ValueError for what could not be read back."""
    if answer.verdict not in LABELS:
        raise ValueError(f"verdict must be one of {', '.join(LABELS)}, got {answer.verdict!r}")
    return render_tagged(answer.reasoning, "answer", answer.verdict, " ")


def _contradicts(words: str, label: str) -> bool:
    return stated_verdicts(words).contradicts(FOLD[label])


@reads("trained")
def parse_trained(text: str) -> Parsed:
    """The answer after the reasoning; see read_tagged for what is none."""
    verdict, reasoning, why = read_tagged(text, "answer", LABELS, _contradicts)
    return Parsed(Answer(verdict, reasoning) if verdict else None, "trained", why)


@reads("plain")
def parse_plain(text: str) -> Parsed:
    """Free text that states one verdict, "real" or "fake"; all of it is the reasoning."""
    verdict, why = bare_verdict(text)
    return Parsed(Answer(verdict, text.strip()) if verdict else None, "plain", why)


@reads("plain")
def parse_auto(text: str) -> Parsed:
    """Tagged where there is an answer's tag, else plain."""
    return parse_trained(text) if "<answer>" in text.lower() else parse_plain(text)


def segments(text: str) -> list[tuple[str, str]]:
    return tagged_segments(text, "answer")


GRAMMARS = {
    "trained": parse_trained,
    "plain": parse_plain,
    "auto": parse_auto,
    **grammars(lambda said: Answer(said.verdict, said.explanation)),
}
