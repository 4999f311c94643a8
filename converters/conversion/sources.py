"""The source's files, read without trusting them."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from swift_plugins.core.records import check_row, spread

T = TypeVar("T")


def read_text(path: Path) -> bytes:
    """A file's text in UTF-8 without a byte order mark; one of UTF-16 says that it is on disk."""
    content = path.read_bytes()
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        try:
            return content.decode("utf-16").encode()
        except UnicodeDecodeError as error:
            raise ValueError(f"{path}: its byte order mark says UTF-16, but {error}") from None
    return content.removeprefix(codecs.BOM_UTF8)


def read_list(path: Path, kind: type[T], limit: int | None = None) -> dict[int, T | str]:
    """index -> row for a file that is one JSON list of msgspec structs, or why that row has no usable form."""
    wrong = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
    rows: list[T | str]
    content = read_text(path)
    try:
        rows = msgspec.json.decode(content, type=list[kind], strict=False)  # type: ignore[valid-type]
    except wrong:  # the second reading finds out which row it is
        try:
            rows = [_read_one(item, kind) for item in msgspec.json.decode(content, type=list[msgspec.Raw])]
        except wrong as error:
            raise ValueError(f"{path}: expected one JSON list of rows: {error}") from None
    if not rows:
        raise ValueError(f"{path}: the list is empty")
    return {index: rows[index] for index in spread(len(rows), limit)}


def _read_one(item: msgspec.Raw, kind: type[T]) -> T | str:
    try:
        return msgspec.json.decode(item, type=kind, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return f"malformed row: {error}"


def checked_row(row: dict[str, Any]) -> dict[str, Any]:
    """The row, which has the form of a training row; else ValueError, of the class "messages"."""
    try:
        check_row(row)
    except ValueError as error:
        raise ValueError(f"messages: {error}") from None
    return row
