"""Text of files and servers, so that it does nothing to a terminal and gives away no secret of the environment."""

from __future__ import annotations

import base64
import os
import re
import string
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any, TextIO

import swift_plugins  # noqa: F401

MASK = "[masked]"
_WIDTH = 8  # characters in a row that give a secret away; a shorter value is no secret
_NAME = re.compile(r"(KEYS?|TOKENS?|SECRETS?|PASSWORDS?|PASSWD|CREDENTIALS?|_PASS|_PAT)(_?[0-9]+)?$", re.I)
_IN_URL = re.compile(r"://[^/@\s:]*:([^/@\s]+)@")  # the password of a proxy's or a database's address
# C0 without line feed and tab, DEL, C1, what turns the reading direction or breaks a line, and lone surrogates.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
# One character as in an address, in JSON or Python, or in HTML; an escape may itself be escaped.
_CODED = re.compile(
    r"(?:%(?:25)*|(?<!\\)\\+(?:u00|u\{0*|x)|&#x0*)(?P<hex>[0-9a-f]{2})[;}]?|&#0*(?P<dec>[0-9]{2,3});?", re.I
)
_BETWEEN = re.compile(
    r"[\s\x00-\x1f.,:;|'\"\[\](){}<>\u200b-\u200d\u2060\ufeff]+"
)  # what may part a secret's characters
_FOLD = str.maketrans(string.ascii_uppercase + "-_", string.ascii_lowercase + "+/")  # base64 has two alphabets


def printable(text: str) -> str:
    """The text with each control character as its escape, in JSON the same text; line feeds and tabs stay."""
    return _CONTROL.sub(lambda match: f"\\u{ord(match[0]):04x}", text)


def line_of(text: Any) -> str:
    """What is printed as one line: printable, without secrets; a name of the data that breaks a line forges none."""
    return printable(masked(str(text))).replace("\n", "\\u000a")


def say(text: Any, file: TextIO | None = None) -> None:
    """Print one line, whatever stands in it, to stdout or to `file`, at once."""
    print(line_of(text), file=file, flush=True)


def masked(text: str) -> str:
    """The text without the secrets of the environment: the values of variables named …KEY, …TOKEN, …SECRET and so on.

    A part of eight characters is enough, in any case, percent-encoded, escaped, backwards, in hex, base32 or base64,
    also with spaces and the like between them.
    """
    secrets = _secrets()
    if not secrets:
        return text
    plain, places = _decoded(text)
    joined = _BETWEEN.sub("", plain)
    # Quick, for nearly every text: eight in a row hold five that begin at one of every fourth place.
    if _runs(secrets, 5).isdisjoint(joined[i : i + 5] for i in range(0, len(joined), 4)):
        return text
    traces = _runs(secrets, _WIDTH)
    at = [i for i, char in enumerate(plain) if not _BETWEEN.match(char)]
    kept: list[str] = []
    end = 0
    for i in range(len(joined) - _WIDTH + 1):
        if joined[i : i + _WIDTH] in traces:
            begin = places[at[i]]
            if begin > end or not kept:
                kept += [text[end:begin], MASK]
            end = places[at[i + _WIDTH - 1] + 1]
    return "".join([*kept, text[end:]])


def _secrets() -> tuple[str, ...]:
    """The values that are secret; one that names a file or folder is not."""
    named = {value.strip() for name, value in os.environ.items() if _NAME.search(name)}
    named |= {password for value in os.environ.values() for password in _IN_URL.findall(value)}
    return tuple(sorted(value for value in named if len(value) >= _WIDTH and not os.path.exists(value)))


@lru_cache(maxsize=8)
def _runs(secrets: tuple[str, ...], width: int) -> frozenset[str]:
    """Every `width` characters in a row of each form of the secrets, folded."""
    forms = [_BETWEEN.sub("", form.translate(_FOLD)) for secret in secrets for form in _forms(secret)]
    return frozenset(form[i : i + width] for form in forms for i in range(len(form) - width + 1))


def _forms(secret: str) -> list[str]:
    """A secret as it is, backwards, in hex, and in base32 and base64 after any number of other bytes.

    Of the last two without what the bytes around it change.
    """
    raw = secret.encode(errors="surrogateescape")
    forms = [secret, secret[::-1], raw.hex()]
    for encode, bits, length in ((base64.b32encode, 5, 5), (base64.b64encode, 6, 3)):
        for before in range(length):
            coded = encode(bytes(before) + raw).decode().rstrip("=")
            forms.append(coded[-(-8 * before // bits) : -1])
    return forms


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
