"""An output as a reader takes it: without the thinking before it, in plain letters and marks, without what it quotes.

Every repetition is bounded and every search runs once, so reading is linear in the text.
"""

from __future__ import annotations

import functools
import html
import re
import unicodedata
from collections.abc import Callable

from swift_plugins.core.tasks import MAX_CHARS, Parsed

# <think> (Qwen, DeepSeek, GLM and most others), <seed:think>, Magistral's in capitals, Kimi's triangles, OpenThinker's.
_NAME = r"(?:\w{1,20}[:_])?(?:think(?:ing)?|thoughts?)"
_THOUGHT = re.compile("think|thought", re.I)
_THINK = re.compile(
    rf"<\s{{0,4}}(/?)\s{{0,4}}{_NAME}\s{{0,4}}>|\[(/?)(?-i:THINK(?:ING)?)\]|\u25c1(/?){_NAME}\u25b7"
    r"|<\|(?:begin|(end))_of_thoughts?\|>",
    re.I,
)


def beyond_thinking(text: str) -> str | None:
    """The text outside its thinking traces, `<think>…</think>`; None where it ends within one.

    Whatever stands before a closing tag is thought: the opening one may have stood in the prompt, and a trace may quote
    its own tags.
    """
    if not _THOUGHT.search(text):
        return text
    outside, begin, inside = [], 0, False
    for tag in _THINK.finditer(text):
        if any(tag.groups()):
            begin, inside = tag.end(), False
        elif not inside:
            outside.append(text[begin : tag.start()])
            inside = True
    return None if inside else "\n".join([*(part for part in outside if part.strip()), text[begin:]])


def thinking(text: str) -> str:
    """What stands within the thinking traces of a text, which beyond_thinking cuts off; empty where there are none."""
    inside, begin = [], 0
    open_at: int | None = None
    for tag in _THINK.finditer(text) if _THOUGHT.search(text) else ():
        if any(tag.groups()):
            inside.append(text[begin if open_at is None else open_at : tag.start()])
            begin, open_at = tag.end(), None
        elif open_at is None:
            open_at = tag.end()
    return "\n".join(inside).strip()


def nothing_said(text: str, outside: str | None) -> str | None:
    """Why there is nothing to read in a text, of which `outside` stands beyond its thinking; None where there is."""
    if outside is None:
        return "it ends within its thinking"
    if not outside.strip():
        return "nothing stands behind its thinking" if text.strip() else "it is empty"
    return None


def reads(grammar: str) -> Callable[[Callable[[str], Parsed]], Callable[[str], Parsed]]:
    """Make a parser of this grammar read no more than MAX_CHARS, and of that only what stands beyond the thinking."""

    def decorate(parse: Callable[[str], Parsed]) -> Callable[[str], Parsed]:
        @functools.wraps(parse)
        def read(text: str) -> Parsed:
            said = beyond_thinking(text[:MAX_CHARS])
            why = nothing_said(text, said)
            return parse(said or "") if why is None else Parsed(None, grammar, why)

        return read

    return decorate


# -------------------------------------------------------------------------------------------- plain letters and marks

_MARKS = str.maketrans(
    {
        **dict.fromkeys("\u2010\u2011\u2012\u2013\u2043\u2212\u02d7\ufe63\uff0d\u058a\u1806\u30a0", "-"),
        **dict.fromkeys("\u2014\u2015\u2e3a\u2e3b\ufe58\u2192\u21d2\u27a1\u2022\u25cf\u25aa\u25b6", " - "),
        **dict.fromkeys("\u201c\u201d\u201e\u201f\u00ab\u00bb\u2039\u203a\u300c\u300d\u300e\u300f\u2033", '"'),
        **dict.fromkeys("\u2018\u2019\u201a\u201b\u02bc\u02b9\u00b4\u2032", "'"),
        **dict.fromkeys("\u3002\uff61\u06d4\u0964\u1362\u0589", ". "),
        **dict.fromkeys("\u3001\u060c\u055d\u1363", ", "),
        **dict.fromkeys("\u061b\u1364", "; "),
        **dict.fromkeys("\u037e\u061f\u055e\u1367\u2e2e\u203d", "? "),
        **dict.fromkeys("\r\v\f\x1c\x1d\x1e\x85\u2028\u2029", "\n"),
        **dict.fromkeys("\u2715\u2716\u2717\u2718\u274c\u274e\u2610\u26d4\U0001f44e\U0001f6ab", " not "),  # crosses
    }
)
_UNSEEN = {"Cc", "Cf", "Cs", "Co", "Mn", "Me"}  # control, format, half and private characters; marks on a letter
_LATEX = re.compile(r"\\(?:boxed|text|textbf|mathrm|mathbf|fbox)\s?\{([^{}\\]{0,80})\}|\\[()\[\]]")
_PIECE = 4096
_ARROW = re.compile(r"[=-]{1,2}>")
_CONTROL = re.compile(r"[\x00-\x08\x0e-\x1b\x1f\x7f]")
_NOT_PLAIN = re.compile(f"[{''.join(c for c in map(chr, range(128)) if ord(c) in _MARKS or _CONTROL.match(c))}]")
# Letters of other alphabets that are drawn like these, as far as the words of a verdict need them.
_DRAWN_ALIKE = {
    "a": "\u0430\u03b1\u0251\u1d00\ua4ee",
    "c": "\u0441\u03f2\u1d04\ua4da",
    "d": "\u0501\u0257\ua4d3",
    "e": "\u0435\u0454\u04bd\u03b5\u1d07\ua4f0",
    "f": "\u0192\u03dd\ua4dd\u15b4",
    "g": "\u0261\u0581",
    "h": "\u04bb\u0570\u210e",
    "i": "\u0456\u03b9\u0131\u0269\ua4f2",
    "k": "\u043a\u03ba\u1d0b\ua4d7",
    "l": "\u04cf\u01c0\u029f\ua4e1",
    "n": "\u0578\u0274\u03b7\ua4e0",
    "o": "\u043e\u03bf\u0585\u1d0f\ua4f3",
    "p": "\u0440\u03c1\ua4d1",
    "r": "\u0433\u0280\u1d26\ua4e3",
    "s": "\u0455\ua4e2",
    "t": "\u0442\u03c4\u1d1b\ua4d4",
    "u": "\u03c5\u057d\u1d1c",
    "w": "\u051d\u0461",
    "x": "\u0445\u03c7",
    "y": "\u0443\u03b3",
    "A": "\u0410\u0391",
    "E": "\u0415\u0395",
    "F": "\u03dc",
    "K": "\u041a\u039a",
    "N": "\u039d",
    "O": "\u041e\u039f",
    "R": "\u042f",
    "T": "\u0422\u03a4",
}
_LOOK_ALIKES = str.maketrans({other: letter for letter, others in _DRAWN_ALIKE.items() for other in others})


@functools.lru_cache(maxsize=4)  # one output is read by several
def plain(text: str) -> str:
    """The text in plain letters and marks, without what is not seen: "real\u2011time" is "real-time"."""
    if "->" in text or "=>" in text:
        text = _ARROW.sub(" - ", text)
    if text.isascii():
        return _CONTROL.sub("", text.translate(_MARKS)) if _NOT_PLAIN.search(text) else text
    text, parts, length = text.translate(_MARKS), [], 0
    for begin in range(0, len(text), _PIECE):  # a sign may become eighteen, so no more than is read of it
        parts.append(unicodedata.normalize("NFKC", text[begin : begin + _PIECE]))
        length += len(parts[-1])
        if length >= MAX_CHARS:
            break
    return _seen("".join(parts)[:MAX_CHARS])[:MAX_CHARS]


def _seen(text: str) -> str:
    """The text without what is not seen, and with a dash for a picture; each character is looked up once."""
    kinds = {ord(c): unicodedata.category(c) for c in set(text) if c not in "\t\n"}
    table = {c: " - " if kind == "So" else None for c, kind in kinds.items() if kind in _UNSEEN or kind == "So"}
    return text.translate(table) if table else text


@functools.lru_cache(maxsize=4)
def drawn(text: str) -> str:
    """A plain text with each letter that is drawn like a Latin one, accents aside, replaced by it."""
    if text.isascii():
        return text
    return _seen(unicodedata.normalize("NFKD", text)).translate(_LOOK_ALIKES)


# ---------------------------------------------------------------------------------------------------------- quotations

# What a decoder may leave of a turn's ends and of GLM-V's frame of its answer.
_TURN_TOKEN = re.compile(
    r"<\|(?:im_end|im_start|endoftext|end|eot_id|end_of_text|begin_of_box|end_of_box|(?:begin|end)_of_solution"
    r"|return|eom_id)\|>|</s>\s{0,8}\Z",
    re.I,
)
_ELEMENT = re.compile(r"<\s{0,4}(/?)\s{0,4}([a-z][\w-]{0,30})[^<>\n]{0,80}>", re.I)
_EMPHASIS = {"b", "strong", "i", "em", "u", "mark", "font", "small", "big", "image", "video", "audio"}
_BLOCKS = {"p", "div", "span", "br", "hr", "li", "ul", "ol", "h1", "h2", "h3", "h4", "center", "body", "html"} | {
    "answer",
    "final_answer",
    "final",
    "verdict",
    "label",
    "decision",
    "prediction",
    "conclusion",
    "output",
    "result",
}
QUOTED = "quotation"  # stands where something was quoted
_STRUCK = re.compile(r"~~[^~\n]{1,300}~~|<(?:s|del|strike)>[^<\n]{0,300}</(?:s|del|strike)>", re.I)
_QUOTED_LINE = re.compile(r"^[ \t]{0,3}>[^\n]*", re.M)
# What begins each kind of mark-up, and the kind; stars are taken off wherever they stand.
_MARK_UP = {
    "_": re.compile(r"(?<!\w)_{1,3}|_{1,3}(?!\w)"),
    "#": re.compile(r"^[ \t]{0,3}#{1,6}(?=\s)", re.M),
    "-": re.compile(r"^[ \t]{0,8}-(?=\s)", re.M),
    "+": re.compile(r"^[ \t]{0,8}\+(?=\s)", re.M),
    "```": re.compile(r"```\w{0,10}"),
}
_IN_QUOTES = re.compile(r'"([^"\n]{0,300})"|`([^`\n]{0,300})`|\'(?<!\w\')((?:[^\'\n]|(?<=\w)\'(?=\w)){1,300})\'(?!\w)')
_QUOTE = re.compile("[\"'`]")
_QUOTES = 4000  # marks of quotation; a text with more says nothing of its own
_ONE_WORD = re.compile(r"\s{0,4}[\w-]{1,20}\s{0,4}[.!]?\s{0,4}")
_KEY = re.compile(r'"\s{0,8}:\s{0,8}\Z')
_WHOLE = re.compile(r'\s*"([^"]*)"\s*|\s*\'([^"\']*)\'\s*')


def unquoted(text: str) -> str:
    """A plain text without mark-up and without what it quotes: marked elements, struck text and text in quotes.

    Emphasis and the tags of an answer are taken off; whatever other element there is, such as <reasoning>, holds what
    is not the answer: up to its end, where it has one, and from the text's beginning, where only its end is there. A
    single word in quotes is named, not quoted, and the value of a JSON key is said.
    """
    if "&" in text:
        text = html.unescape(text)
    if "<" in text or "~~" in text:
        text = _STRUCK.sub(QUOTED, _without_elements(_TURN_TOKEN.sub("\n", text)))
    if ">" in text:
        text = _QUOTED_LINE.sub(QUOTED, text)
    if "\\" in text:
        text = _LATEX.sub(r"\1", _LATEX.sub(r"\1", text))
    text = text.replace("*", "").replace("$", "")
    for mark, pattern in _MARK_UP.items():
        if mark in text:
            text = pattern.sub("", text)
    if not _QUOTE.search(text):
        return text
    if whole := _WHOLE.fullmatch(text):
        text = whole[1] or whole[2] or ""
    return _IN_QUOTES.sub(_named, text) if sum(map(text.count, "\"'`")) <= _QUOTES else QUOTED


def _named(quote: re.Match[str]) -> str:
    inner = next((group for group in quote.groups() if group is not None), "")
    of_a_key = _KEY.search(quote.string, max(0, quote.start() - 20), quote.start())
    return inner.strip() if of_a_key or _ONE_WORD.fullmatch(inner) else QUOTED


def _without_elements(text: str) -> str:
    parts, begin, inside = [], 0, None
    for tag in _ELEMENT.finditer(text):
        name = tag[2].lower()
        if inside is None and name in _EMPHASIS | _BLOCKS:
            parts += [text[begin : tag.start()], "" if name in _EMPHASIS else "\n"]
            begin = tag.end()
        elif tag[1] and inside is None:  # what it ends began with the text
            parts, begin = [QUOTED, "\n"], tag.end()
        elif tag[1] and inside == name:
            parts, begin, inside = [*parts, "\n"], tag.end(), None
        elif not tag[1] and inside is None:
            parts += [text[begin : tag.start()], f"\n{QUOTED}\n"]
            inside = name
    return "".join(parts if inside else [*parts, text[begin:]])
