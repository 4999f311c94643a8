"""Real, fake, edited: the one place of the verdicts, of their opposites, and of how free text states one.

A text states a verdict where a sentence says of the medium as a whole that it is real or fake, where an "answer:" is
given, or where the word stands alone. None is taken from what it quotes, asks, negates, doubts, reports or concedes.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from swift_plugins.core.tasks import verdict_words as words
from swift_plugins.core.tasks.wording import drawn, plain, unquoted

# Of how answers are read, here and in wording.py: "1" took what is quoted or conceded for a verdict, "2" read no denial
# and no answer that was cut off as what it is.
VERSION = "3"
VERDICTS = ("real", "fake")
OPPOSITE = {"real": "fake", "fake": "real"}
LABELS = (*VERDICTS, "edited")
# DeepfakeJudge-Detect's 1,000 fakes are 500 generated and 500 edited images.
FOLD = {"real": "real", "fake": "fake", "edited": "fake"}
VERDICT_WORDS = {"real": "REAL", "fake": "FAKE"}
STOP = r"(?:[ \t]{0,8}[.,:;!<\n]|\s{1,8}[–—-]|\s{0,8}\Z)"

_SENTENCE = re.compile(r"(?<=[.!?])(?<!vs\.)(?<!\be\.g\.)(?<!\bi\.e\.)(?=[^\w.!?]|[A-Za-z]{4})|;\s|\n")
_NO_SUBJECT = re.compile(r"(?=(?:looks?|seems?|appears?|sounds?) (?!at|into|for|closer|again))")
_BLANK = re.compile(r"\n\s+")
_STEMS = 2000  # beginnings of such words, likewise
_MANY = 50  # words of a verdict; an output with more is no answer
_NEAR = 300  # characters around such a word in which its sentence is looked at


class Stated(NamedTuple):
    """What a text says of its medium: the verdicts that it states, those that it may state, such as a word behind a
    comma, those that it denies, and those that it asks for or that stand beside the other in one sentence."""

    said: set[str]
    loosely: set[str]
    denied: set[str]
    doubted: set[str]

    def contradicts(self, verdict: str) -> bool:
        return OPPOSITE[verdict] in self.said | self.loosely or verdict in self.denied


def with_reader(version: str) -> str:
    """A task's version, whose answers are read with this file's help: its own, and this file's from the second on."""
    return version if VERSION == "1" else f"{version}.{VERSION}"


def named(text: str) -> set[str]:
    """The verdicts whose words, "AI-generated" among them, stand in a text, stated or not."""
    return {match.lastgroup or "fake" for match in _matches(words.NAMES, drawn(plain(text)).lower())}


def _matches(pattern: re.Pattern[str], text: str) -> Iterator[re.Match[str]]:
    """What pattern.finditer finds in a text of lower case; every match begins with a stem."""
    end = 0
    for stem in words.STEM.finditer(text):
        if stem.start() >= end and (match := pattern.match(text, stem.start())):
            end = match.end()
            yield match


def _count(text: str) -> int:
    """How many words of a verdict stand in a plain text, up to one more than _MANY; of too many stems just as many."""
    count = end = 0
    for stems, stem in enumerate(words.STEM.finditer(text), 1):
        if stems > _STEMS or count > _MANY:
            return _MANY + 1
        if stem.start() >= end and (match := words.WORD.match(text, stem.start())):
            count, end = count + 1, match.end()
    return count


def stated_verdicts(text: str) -> Stated:
    """What a text says of the medium that it is about; see Stated."""
    found = Stated(set(), set(), set(), set())
    shown = plain(text)
    seen = unquoted(drawn(shown)).lower()
    many = _count(seen)
    if many > _MANY:
        return Stated(set(VERDICTS), set(), set(), set(VERDICTS))
    if not many:
        return found
    if not shown.isascii() and many != _count(unquoted(shown).lower()):
        found.doubted.update(VERDICTS)  # such a word in letters of another alphabet
    seen = _BLANK.sub("\n", words.ECHO.sub("answer:", seen))
    for sentence, following in itertools.pairwise(
        [*filter(None, (part.strip(" \t,;:-|/") for part in _SENTENCE.split(seen))), ""]
    ):
        if words.STEM.search(sentence):
            _read_sentence(sentence, following, found)
    return found


def _read_sentence(sentence: str, following: str, found: Stated) -> None:
    sentence = f"it {sentence}" if _NO_SUBJECT.match(sentence) else sentence  # "Looks fake."
    mentions = [(match.lastgroup or "", match) for match in _matches(words.WORD, sentence)]
    if sentence.rstrip("\"')] ").endswith("?"):
        # "real or fake?" only echoes the question; what is asked before anything is said is answered by what follows
        if found.said and len({word for word, _ in mentions}) == 1:
            found.doubted.update(
                word for word, match in mentions if _tail_of(sentence[match.end() :], word) is not None
            )
        return
    kinds = [(word, _kind(sentence, match, following)) for word, match in mentions]
    found.denied.update(word for word, kind in kinds if kind == "opposite")
    kinds = [(OPPOSITE[word], "said") if kind == "opposite" else (word, kind) for word, kind in kinds]
    for i, (word, kind) in enumerate(kinds):
        if word == "edited":
            found.denied.update(("real",) if kind in ("said", "loose") else ())
        elif kind == "denied":
            found.denied.add(word)
        elif kind in ("said", "loose"):
            others = [(k, before) for before, (w, k) in enumerate(kinds) if (w == "real") != (word == "real")]
            if all(_agrees(word, k, before < i) for k, before in others):
                (found.said if kind == "said" else found.loosely).add(word)
            else:
                found.doubted.update(VERDICTS)
                found.loosely.update(VERDICTS)
        elif kind == "doubted":
            found.doubted.add(word)


def _agrees(word: str, kind: str, before: bool) -> bool:
    """Whether a statement of `word` stands beside another verdict's word in its sentence that is of this kind."""
    return kind in ("nothing", "denied") or (kind == "conceded" and before) or (kind == "phrase" and word == "fake")


def _tail_of(after: str, word: str) -> str | None:
    """What follows a verdict's word and the noun that belongs to it; None where the word belongs to something else."""
    noun = words.NOUN.match(after).end()  # type: ignore[union-attr]
    rest = after[noun:]
    of_noun = noun and (words.OF_NOUN.match(rest) or (word == "fake" and words.OF_FAKE_NOUN.match(rest)))
    return rest if of_noun or words.TAIL.match(rest) else None


def _kind(sentence: str, match: re.Match[str], following: str) -> str:
    """How a sentence uses a verdict's word: "said", "loose", "denied", "doubted", "conceded", or in a "phrase".

    "nothing" is a phrase that is negated: "no fake elements"; "opposite" a plain denial: "this is not a real image".
    """
    before = words.SURE.sub("", sentence[max(0, match.start() - _NEAR) : match.start()]).lstrip()
    after = sentence[match.end() : match.end() + _NEAR]
    turned = _behind_last(words.TURN, before)
    clause = _behind_last(words.CLAUSE, turned)
    conceded = (
        words.CONCEDES.search(clause)
        or words.HEDGED.search(clause if words.CONCEDES.search(turned) else turned)  # "while it may look so, this is"
        or (words.ATTRIBUTED.search(turned) and not words.SELF.search(turned))
    )
    negated = words.NEGATED.search(clause)
    how, verb = _structure(before, after)
    rest = _tail_of(after, match.lastgroup or "")
    doubted = words.DOUBTED_AFTER.match(after if rest is None else rest)
    if how == "said" and rest is None and not verb and words.RESUMES.match(after):
        return "loose"
    if how == "phrase" or (rest is None and not doubted):
        return "nothing" if negated or conceded else "phrase"
    value = words.VALUE.match(after)
    if negated or words.CROSSED.search(before) or words.WITHDRAWN.fullmatch(following) or (value and value["no"]):
        plainly = match.lastgroup != "edited" and not (conceded or doubted or words.BUT.search(after))
        if plainly and _denies(before, clause, negated, value, how):
            return "opposite"
        return "doubted" if value and value["corrects"] else "denied"
    contrast = words.BUT.search(words.REASON.split(after, maxsplit=1)[0])
    if match.lastgroup == "fake" and verb and not words.WEAK.match(verb):
        contrast = None  # "it is fake, though well made" takes nothing back
    if (value and value["number"] and not words.CERTAIN.match(after)) or (contrast and not verb):
        return "doubted"
    if conceded or doubted or contrast or (words.WEAK.match(verb) and words.BUT_NEXT.match(following)):
        return "conceded"
    return how


def _denies(before: str, clause: str, negated: Any, value: Any, how: str) -> bool:
    """Whether a denied word says as plainly that it is the other one: once, and of the medium."""
    if value and value["no"]:
        return how == "said" and not negated and not value["corrects"] and value["no"] != "none"
    denial = words.DENIES.search(before)
    return denial is not None and not words.NEGATED.search(clause[: max(0, len(clause) - len(denial[0]))])


def _behind_last(pattern: re.Pattern[str], text: str) -> str:
    end = 0
    for match in pattern.finditer(text):
        end = match.end()
    return text[end:]


def _structure(before: str, after: str) -> tuple[str, str]:
    """("said", "loose", "conceded" or "phrase", the verb of a sentence about the medium), by what is around a word."""
    for how, pattern in (("said", words.SAYS), ("said", words.SAYS_AT_LAST), ("conceded", words.SAYS_LOOSELY)):
        if (says := pattern.search(before)) and not words.OF_A_PART.search(before[: says.start()]):
            return how, says[2]
    if words.ALONE.fullmatch(before) or words.TITLED.search(before) or words.REPORTS.search(before):
        return "said", ""
    if (cut := _behind_last(words.CUT, before)) != before and words.ALONE.fullmatch(cut):
        if words.SEVERAL.match(after):
            return "phrase", ""
        return ("said" if words.CONCLUDES.match(cut) else "loose"), ""
    return "phrase", ""


def bare_verdict(text: str) -> tuple[str | None, str | None]:
    """The one verdict that free text states, or (None, why there is none).

    Case does not matter. Parts of words ("unrealistic", "real-time"), words about something else ("a real person"),
    doubted, negated, quoted or conceded words and texts that state both verdicts give none.
    """
    found = stated_verdicts(text)
    for verdict in found.said:
        if not (found.doubted or found.contradicts(verdict)):
            return verdict, None
    names = named(text)
    if not names and not any(found):
        return None, "neither REAL nor FAKE"
    if len(found.said) > 1 or len(names) > 1:
        return None, "both verdicts"
    if found.doubted or found.denied:
        return None, "a doubted or negated verdict"
    return None, f"no verdict is stated: {', '.join(names) or 'one'!r} stands in a phrase"
