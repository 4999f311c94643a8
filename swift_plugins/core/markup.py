"""XML of strangers: read as a stream, without document types, entities of its own or anything outside the file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import IO, NamedTuple
from xml.parsers import expat

import swift_plugins  # noqa: F401

_PIECE = 256 * 1024  # bytes that are read at once
MAX_BYTES = 512 << 20  # of one document, unpacked
MAX_DEPTH = 64
MAX_TEXT = 4 << 20  # characters of one element's own text


class Element(NamedTuple):
    """An element that has ended: its name, without a namespace's prefix, and those of what it stands in; its own text
    without that of what stands in it."""

    name: str
    above: tuple[str, ...]
    attributes: Mapping[str, str]
    text: str


class Begun(NamedTuple):
    """An element that has begun."""

    name: str
    attributes: Mapping[str, str]


def read_xml(file: IO[bytes], name: str) -> Iterator[Begun | Element]:
    """What begins and ends in a document, in its order; ValueError, which names the file, for what is no plain XML."""
    parser = expat.ParserCreate()
    stack: list[tuple[str, dict[str, str], list[str]]] = []
    found: list[Begun | Element] = []

    def begin(tag: str, attributes: dict[str, str]) -> None:
        if len(stack) >= MAX_DEPTH:
            raise ValueError(f"elements are nested more than {MAX_DEPTH} deep")
        stack.append((tag.rpartition(":")[2], attributes, []))
        found.append(Begun(stack[-1][0], attributes))

    def end(_: str) -> None:
        tag, attributes, text = stack.pop()
        found.append(Element(tag, tuple(of for of, _, _ in stack), attributes, "".join(text)))

    def text(piece: str) -> None:
        if stack:
            stack[-1][2].append(piece)

    def refuse(*_: object) -> None:
        raise ValueError("a document type, which is not read")

    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begin, end, text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.buffer_text = True
    size = 0
    try:
        while piece := file.read(_PIECE):
            size += len(piece)
            if size > MAX_BYTES:
                raise ValueError(f"more than {MAX_BYTES >> 20} MB of it")
            parser.Parse(piece, False)
            if sum(len(part) for _, _, parts in stack for part in parts) > MAX_TEXT:
                raise ValueError(f"a text of more than {MAX_TEXT} characters")
            yield from found
            found.clear()
        parser.Parse(b"", True)
        yield from found
    except (expat.ExpatError, ValueError) as error:
        raise ValueError(f"{name}: not the XML that is read: {error}") from None
