r"""How the field's other models answer, as named grammars of every task that decides between real and fake.

skyra    Skyra (Li et al. 2025), its released prompt: `<think>` that names artifacts as `<type>…</type> in <t>[s, e]</t>
         at <bbox>[x0, y0, x1, y1]</bbox>`, then `<answer>Fake</answer>`
ivy      IVY-xDetector (Ivy-Fake, 2025), its model card: `<think>`, then `<conclusion>fake</conclusion>`
busterx  BusterX and BusterX++ (2025), their released prompts: `<think>`, then the option A (real) or B (fake) in
         `<answer>` or `\boxed{}`
qwen     Qwen-VL's own form of boxes, JSON with `bbox_2d`, and of times, mm:ss, among words

What is thought is the explanation where the form has no other place for one. Every search runs once and every
repetition is bounded, so reading is linear in the text.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from swift_plugins.core.tasks import MAX_CHARS, Parsed
from swift_plugins.core.tasks.deeptrace_answer import Box, read_box, read_start
from swift_plugins.core.tasks.deeptrace_zero_shot import parse_with_json
from swift_plugins.core.tasks.verdicts import VERDICTS, stated_verdicts
from swift_plugins.core.tasks.wording import beyond_thinking, nothing_said, thinking


class Said(NamedTuple):
    """What an answer says; `bbox` in whatever space its model states boxes, `start` in s, `problems` as in Parsed."""

    verdict: str
    explanation: str | None = None
    bbox: Box | None = None
    start: float | None = None
    problems: tuple[str, ...] = ()


_ANSWER = re.compile(r"<answer>([^<>]{0,80})</answer>", re.I)
_CONCLUSION = re.compile(r"<conclusion>([^<>]{0,80})</conclusion>", re.I)
_BOXED = re.compile(
    r"\\boxed\s{0,2}\{\s{0,4}(?:\\(?:text|textbf|mathrm)\s{0,2}\{)?([^{}]{0,80})\}{1,2}|<answer>([^<>]{0,80})</answer>",
    re.I,
)
_OPTION = re.compile(r"\W{0,3}(?P<letter>[ab])?\b(?:[).:\s]{0,3}(?P<word>real|fake)\b)?\W{0,3}", re.I)
_OPTIONS = {"a": "real", "b": "fake"}
_EVIDENCE = re.compile(
    r"(?:<type>(?P<type>[^<>]{0,80})</type>\s{0,4})?(?:\bin\s{0,4})?<t>(?P<t>[^<>]{0,60})</t>"
    r"\s{0,4}(?:at\s{0,4})?<bbox>(?P<bbox>[^<>]{0,80})</bbox>",
    re.I,
)
_TAG = re.compile(r"</?[a-z]{1,12}>", re.I)
_WORD = re.compile(r"\w")
_SPACES = re.compile(r"\s+")


def _decided(outside: str, form: re.Pattern[str], options: bool = False) -> tuple[str | None, str]:
    """(the one verdict in such marks, what else stands beyond the thinking), or (None, why there is none)."""
    found = {_verdict_of(next(filter(None, match.groups()), ""), options) for match in form.finditer(outside)}
    if not found:
        return None, "no decision in its marks behind the thinking"
    if len(found) > 1:
        return None, "two different decisions"
    around = form.sub("\n", outside)
    if (verdict := found.pop()) is None:
        return None, "the decision is neither real nor fake"
    if stated_verdicts(around).contradicts(verdict):
        return None, "the words around the decision take it back"
    return verdict, around.strip()


def _verdict_of(text: str, options: bool) -> str | None:
    """The verdict that the text in a decision's marks is, in a word or, with `options`, by the letter of an option."""
    if not options:
        word = text.strip(" \t\n\"'*.!").lower()
        return word if word in VERDICTS else None
    match = _OPTION.fullmatch(text)
    if match is None or not (match["letter"] or match["word"]):
        return None
    said = {(match["word"] or "").lower(), _OPTIONS.get((match["letter"] or "").lower(), "")} - {""}
    return said.pop() if len(said) == 1 else None


def _prose(text: str) -> str | None:
    """The text without tags, on one line; None where it holds no word."""
    prose = _SPACES.sub(" ", _TAG.sub(" ", text)).strip()
    return prose if _WORD.search(prose) else None


def read_skyra(outside: str, trace: str) -> Said | str:
    """The verdict in <answer>; onset and box are those of the first artifact that is named, wherever it stands."""
    verdict, rest = _decided(outside, _ANSWER)
    if verdict is None:
        return rest
    found = list(_EVIDENCE.finditer(f"{trace}\n{outside}"))
    first = next((match for match in found if match["type"]), found[0] if found else None)
    problems: list[str] = []
    bbox = start = None
    if first is not None and verdict == "fake":
        bbox, start = read_box(first["bbox"], problems), read_start(first["t"], problems)
        bbox = bbox if bbox and any(bbox) else None  # [0, 0, 0, 0] stands for an artifact that has no place
    explanation = _prose(_EVIDENCE.sub(lambda match: match["type"] or " ", trace or rest))
    return Said(verdict, explanation, bbox, start, tuple(problems))


def read_ivy(outside: str, trace: str) -> Said | str:
    """The verdict in <conclusion>; what is thought is the explanation."""
    verdict, rest = _decided(outside, _CONCLUSION)
    return rest if verdict is None else Said(verdict, _prose(trace or rest))


def read_busterx(outside: str, trace: str) -> Said | str:
    """The option in the box or <answer>; the explanation is what stands before it, else what is thought."""
    verdict, rest = _decided(outside, _BOXED, options=True)
    return rest if verdict is None else Said(verdict, _prose(rest or trace))


def read_qwen(outside: str, trace: str) -> Said | str:
    """The verdict in words, with a box in JSON and a time as mm:ss."""
    parsed = parse_with_json(outside)
    if parsed.answer is None:
        return str(parsed.reason)
    answer = parsed.answer
    return Said(answer.verdict, answer.explanation, answer.bbox, answer.start, parsed.problems)


Reader = Callable[[str, str], Said | str]  # of what stands beyond the thinking, and of that
READERS: dict[str, Reader] = {"skyra": read_skyra, "ivy": read_ivy, "busterx": read_busterx, "qwen": read_qwen}


def grammars(answer_of: Callable[[Said], Any]) -> dict[str, Callable[[str], Parsed]]:
    """These forms as grammars of a task, which makes its answer of what is said."""
    return {name: _grammar(name, read, answer_of) for name, read in READERS.items()}


def _grammar(name: str, read: Reader, answer_of: Callable[[Said], Any]) -> Callable[[str], Parsed]:
    def parse(text: str) -> Parsed:
        outside = beyond_thinking(text := text[:MAX_CHARS])
        if (why := nothing_said(text, outside)) is not None:
            return Parsed(None, name, why)
        said = read(outside or "", thinking(text))
        return Parsed(None, name, said) if isinstance(said, str) else Parsed(answer_of(said), name, None, said.problems)

    return parse
