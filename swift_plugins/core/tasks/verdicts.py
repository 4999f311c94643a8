"""Real, fake, edited: the one place of the verdicts, of their opposites, and of how free text states one."""

from __future__ import annotations

import re

VERSION = "1"  # of how free text is read: `stated_verdicts` and `bare_verdict`
VERDICTS = ("real", "fake")
OPPOSITE = {"real": "fake", "fake": "real"}
LABELS = (*VERDICTS, "edited")
# DeepfakeJudge-Detect's 1,000 fakes are 500 generated and 500 edited images.
FOLD = {"real": "real", "fake": "fake", "edited": "fake"}
VERDICT_WORDS = {"real": "REAL", "fake": "FAKE"}
_WORDS = re.compile(
    r"(?<![\w\u2010\u2011-])(?:real|fake|ai-generated)(?![\w\u2010\u2011-])", re.I
)  # Unicode's hyphens too
_CLOSE = r"[\"'*`)\]]{0,4}"
STOP = r"(?:[ \t]{0,8}[.,:;!<\n]|\s{1,8}[–—-]|\s{0,8}\Z)"
# A word states a verdict where it stands alone, where it says what the video is, or, in capitals, where it ends a
# sentence: "a real person" and "the fake smile" do not. The patterns are for what stands before it in its sentence, and
# after it, in lower case.
_ALONE = re.compile(r"(?:[\w ]{0,40}[:=])?[\s\"'*`(\[]{0,8}"), re.compile(_CLOSE + STOP)
_SAYS = (
    re.compile(
        r"\b(?:it|this|that|video|clip|footage|image|picture)(?:['’]s|\s(?:is|was|looks|seems|appears))"
        r"\s(?:[\w'’]{1,20}\s){0,3}\Z"
    ),
    re.compile(rf"{_CLOSE}(?:\s{{0,8}}(?:[.,:;!?<]|\Z)|\s(?:video|clip|footage|because|as|since|due|and|with)\b)"),
)
_ENDS = re.compile(rf"{_CLOSE}\s{{0,8}}(?:[.!?\n]|\Z)")
_DOUBT = re.compile(
    r"\b(?:not|cannot|never|no|non|none|nothing|neither|nor|without|hardly|barely|unlikely|doubt\w{0,8}|rather|instead|if"
    r"|whether|or|could|may|might|far|anything|than)\b|n['’]t\b"
)
_SENTENCE_END = re.compile(r"[.!?\n]")
_MANY = 50  # verdict words; an output with more is no answer
_NEAR = 200  # characters around a verdict word in which its sentence is looked at


def with_reader(version: str) -> str:
    """The version of a task whose parsers read free text by this file: its own, and this file's from the second on."""
    return version if VERSION == "1" else f"{version}.{VERSION}"


def named(text: str) -> set[str]:
    """The verdicts whose words stand in a text, stated or not."""
    return {"real" if word.lower() == "real" else "fake" for word in _WORDS.findall(text)}


def stated_verdicts(text: str) -> tuple[set[str], bool]:
    """(the verdicts that a text states, whether one is doubted, negated, asked or stands beside the other word).

    A doubted one is not among the verdicts: "I don't think it is real" states none. "AI-generated" counts as fake.
    """
    stated, doubted = set(), False
    for number, match in enumerate(_WORDS.finditer(text)):
        if number == _MANY:
            return set(VERDICT_WORDS), True
        word, (begin, end) = match.group(), match.span()
        before = _SENTENCE_END.split(text[max(0, begin - _NEAR) : begin].lower())[-1]
        after = text[end : end + _NEAR].lower()
        alone = _ALONE[0].fullmatch(before) and _ALONE[1].match(after)
        says = _SAYS[0].search(before) and _SAYS[1].match(after)
        if not (alone or says or (word.isupper() and _ENDS.match(after))):
            continue
        verdict = "real" if word.lower() == "real" else "fake"
        rest, mark = _SENTENCE_END.split(after, maxsplit=1)[0], _SENTENCE_END.search(after)
        if _DOUBT.search(before) or (mark and mark.group() == "?") or named(f"{before} . {rest}") - {verdict}:
            doubted = True
        else:
            stated.add(verdict)
    return stated, doubted


def bare_verdict(text: str) -> tuple[str | None, str | None]:
    """The one verdict that free text states, or (None, why there is none).

    Case does not matter. Parts of words ("unrealistic", "real-time"), words about something else ("a real person"),
    doubted or negated words ("not real") and texts with both verdicts give none.
    """
    words = {word.lower() for word in _WORDS.findall(text)} & {"real", "fake"}
    if not words:
        return None, "neither REAL nor FAKE"
    stated, doubted = stated_verdicts(text)
    if doubted:
        return None, "both verdicts" if len(words) > 1 else "a doubted or negated verdict"
    if len(stated) == 1:
        return stated.pop(), None
    if stated or len(words) > 1:
        return None, "both verdicts"
    return None, f"no verdict is stated: {words.pop()!r} stands in a phrase"
