"""Text of files and servers, so that it does nothing to a terminal and gives away no secret of the environment."""

from __future__ import annotations

import base64
import os
import re
import string
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TextIO

import swift_plugins  # noqa: F401

MASK = "[masked]"
_WIDTH = 8  # characters in a row that give a secret away; a shorter value is no secret
_NAME = re.compile(r"(KEY|TOKEN|SECRET|PASSWORD|PASSWD|CREDENTIALS?)$", re.I)
# C0 without line feed and tab, DEL, C1, what turns the reading direction or breaks a line, and lone surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# One character as in an address, in JSON or Python, or in HTML; an escape may itself be escaped.
_CODED = re.compile(
    r"(?:%(?:25)*|(?<!\\)\\+(?:u00|u\{0*|x)|&#x0*)(?P<hex>[0-9a-f]{2})[;}]?|&#0*(?P<dec>[0-9]{2,3});?", re.I
)
_FOLD = str.maketrans(string.ascii_uppercase + "-_", string.ascii_lowercase + "+/")  # base64 has two alphabets


def printable(text: str) -> str:
    """The text with each control character as its escape, in JSON the same text; line feeds and tabs stay."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def masked(text: str) -> str:
    """The text without the secrets of the environment: the values of variables named …KEY, …TOKEN, …SECRET and so on.

    A part of eight characters is enough, in any case, percent-encoded, escaped, in hex or in base64.
    """
    secrets = _secrets()
    if not secrets:
        return text
    plain, places = _decoded(text)
    # Quick, for nearly every text: eight in a row hold five that begin at one of every fourth place.
    if _runs(secrets, 5).isdisjoint(plain[i : i + 5] for i in range(0, len(plain), 4)):
        return text
    traces = _runs(secrets, _WIDTH)
    kept: list[str] = []
    end = 0
    for i in range(len(plain) - _WIDTH + 1):
        if plain[i : i + _WIDTH] in traces:
            if places[i] > end or not kept:
                kept += [text[end : places[i]], MASK]
            end = places[i + _WIDTH]
    return "".join([*kept, text[end:]])


def _secrets() -> tuple[str, ...]:
    """The values that are secret; one that names a file or folder is not."""
    named = {value.strip() for name, value in os.environ.items() if _NAME.search(name)}
    return tuple(sorted(value for value in named if len(value) >= _WIDTH and not os.path.exists(value)))


@lru_cache(maxsize=8)
def _runs(secrets: tuple[str, ...], width: int) -> frozenset[str]:
    """Every `width` characters in a row of each form of the secrets, folded."""
    forms = [form.translate(_FOLD) for secret in secrets for form in _forms(secret)]
    return frozenset(form[i : i + width] for form in forms for i in range(len(form) - width + 1))


def _forms(secret: str) -> list[str]:
    """A secret as it is, in hex, and in base64 after any number of other bytes, without what those change."""
    raw = secret.encode(errors="surrogateescape")
    coded = [base64.b64encode(bytes(before) + raw).decode().rstrip("=") for before in range(3)]
    return [secret, raw.hex(), coded[0][:-1], coded[1][2:-1], coded[2][3:-1]]


def _decoded(text: str) -> tuple[str, Sequence[int]]:
    """(the text with coded characters decoded, folded; where each of its characters begins in `text`, and the end)."""
    if not _CODED.search(text):
        return text.translate(_FOLD), range(len(text) + 1)
    pieces: list[str] = []
    places: list[int] = []
    at = 0
    for match in _CODED.finditer(text):
        pieces += [text[at : match.start()], chr(int(match["hex"], 16) if match["hex"] else int(match["dec"]))]
        places += range(at, match.start() + 1)
        at = match.end()
    places += range(at, len(text) + 1)
    return "".join([*pieces, text[at:]]).translate(_FOLD), places


class Terminal:
    """A text stream that masks what is written and makes it printable.

    A carriage return stays where it begins a write: a progress bar draws itself anew.
    """

    def __init__(self, stream: TextIO):
        self._stream = stream

    def __getattr__(self, name: str):
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        bar = text.startswith("\r")
        self._stream.write("\r" * bar + printable(masked(text[bar:])))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        self.write("".join(lines))
