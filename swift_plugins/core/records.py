"""The JSONL row, the one form in which data travels: read, check and write it.

A row is {"id", "task", "messages": [user, assistant], "images" or "videos": [path, ...], "meta": {...}}; a system
message may come first. After
prediction the assistant message is gone and `response`, `labels` and the rest stand in its place.
"""

from __future__ import annotations

import codecs
import contextlib
import functools
import hashlib
import itertools
import json
import os
import platform
import random
import re
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import jsonlines
import msgspec

from swift_plugins.core.foreign import what_it_is, why_no_json
from swift_plugins.core.special_texts import OBJECT_TAGS, check_texts

Row = dict[str, Any]

MEDIA_TAGS = {"images": "<image>", "videos": "<video>"}
MAX_LINE = 16 * 1024 * 1024  # bytes; a longer line is refused, not read
_BUFFER = 256 * 1024  # bytes; the default of 8 KB would be a system call every few rows
_ROW_FORM = (("id", str), ("task", str), ("messages", list), ("meta", dict))
_ROLES = (["user", "assistant"], ["user"], ["system", "user", "assistant"], ["system", "user"])
MEDIA_TAG = re.compile("|".join(MEDIA_TAGS.values()))
# Beside a file while it is written: its name, where the writer runs (see _place), its process id, when that was started
# and a number of its own.
_ASIDE = re.compile(r"\..+\.(?P<place>[0-9a-f]{12})-(?P<pid>[0-9]{1,10})-(?P<start>[0-9]{0,20})-[0-9]{1,10}\.tmp", re.S)
_numbers = itertools.count()
_STALE = 7 * 24 * 3600  # seconds without a write after which a file of another place has no writer any more
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]{1,20}:")

_encoder = msgspec.json.Encoder()
encode, encode_into = _encoder.encode, _encoder.encode_into
_decode = msgspec.json.Decoder().decode


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object; ValueError where a key stands in it twice, of which each reader may take another."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f"the key {key!r:.80} stands twice in an object")
        found[key] = value
    return found


_decode_pairs = json.JSONDecoder(object_pairs_hook=_unique).decode


def decode_json(content: bytes) -> Any:
    """One JSON document in UTF-8; ValueError for what is none and for an object with a key twice."""
    try:
        return _decode_pairs(content.decode())
    except RecursionError:
        raise ValueError("nested too deeply") from None


def read_json(path: str | os.PathLike) -> dict[str, Any]:
    """A file that is one JSON object; ValueError, which names the file, for anything else."""
    try:
        found = decode_json(Path(path).read_bytes())
        if not isinstance(found, dict):
            raise ValueError(f"expected an object, got {found!r:.40}")
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON object: {error}") from None
    return found


def scan_rows(path: str | os.PathLike) -> Iterator[tuple[int, dict[str, Any] | str]]:
    """Yield (line number, row), or (line number, reason) for a line that is no JSON object."""
    with open(path, "rb") as file:
        number = 0
        while line := file.readline(MAX_LINE + 1):
            number += 1
            if number == 1:
                line = line.removeprefix(codecs.BOM_UTF8)
            if len(line) > MAX_LINE:
                while line and not line.endswith(b"\n"):
                    line = file.readline(_BUFFER)
                yield number, f"the line is longer than {MAX_LINE} bytes"
                continue
            if not line.strip():
                continue
            try:
                row = _decode(line)
                if encode(row) != line.rstrip(b"\n"):  # one that is written again as it stands has no key twice
                    _decode_pairs(line.decode())
            except (ValueError, RecursionError) as error:
                hint = "" if line.endswith(b"\n") else " (a torn last line? the writer may have been killed)"
                yield number, f"not JSON: {error}{why_no_json(line) or hint}"
                continue
            yield number, row if isinstance(row, dict) else f"expected a JSON object, got {type(row).__name__}"


def read_rows(path: str | os.PathLike) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, row). A line that is no JSON object raises ValueError with file and line, or says what the
    whole file is."""
    for line, row in scan_rows(path):
        if isinstance(row, str):
            if line == 1 and (said := what_it_is(Path(path))):
                raise ValueError(f"{path}: not JSONL but {said}")
            raise ValueError(f"{path}:{line}: {row}")
        yield line, row


def has_lines(path: str | os.PathLike) -> bool:
    """Whether a JSONL has a row; one line that is not blank tells."""
    with open(path, "rb") as file:
        return any(line.strip() for line in iter(lambda: file.readline(_BUFFER), b""))


def check_row(row: dict[str, Any]) -> None:
    """Raise ValueError, saying what is wrong, unless `row` has the form of a training row and its texts are text."""
    check_form(row)
    check_texts(row["messages"], [tag for key, tag in MEDIA_TAGS.items() if row.get(key)])


def check_form(row: dict[str, Any]) -> None:
    """Raise ValueError, saying what is wrong, unless `row` has the form of a training row, whatever its texts hold."""
    for key, kind in _ROW_FORM:
        if not isinstance(row.get(key), kind):
            raise ValueError(f"{key} must be a {kind.__name__}, got {row.get(key)!r:.80}")
    messages = row["messages"]
    try:
        roles = [message["role"] for message in messages]
        if roles not in _ROLES:
            raise ValueError(f"messages must be user and assistant, got {roles!r:.80}")
        tags = MEDIA_TAG.findall("".join([message["content"] for message in messages]))
    except (KeyError, TypeError):
        raise ValueError(f"a message must be a dict of role and content, both str, got {messages!r:.80}") from None
    for key, tag in MEDIA_TAGS.items():
        paths = row.get(key, [])
        if not isinstance(paths, list):
            raise ValueError(f"{key} must be a list, got {paths!r:.80}")
        if tags.count(tag) != len(paths):
            raise ValueError(f"{tags.count(tag)} {tag} tags but {len(paths)} {key}")
        for path in paths:
            if not isinstance(path, str):
                raise ValueError(f"{key} must hold paths, got {path!r:.80}")
            if not path.startswith("/") and _URL.match(path):
                raise ValueError(f"a URL is never opened: {path[:80]!r} in {key}")


def media_of(row: Row) -> list[str]:
    """The paths of a row's images and videos; of what a stranger wrote, those that are texts in a list."""
    found = [row.get(key) for key in MEDIA_TAGS]
    return [path for paths in found if isinstance(paths, list) for path in paths if isinstance(path, str)]


def read_training_rows(path: str | os.PathLike) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield (line number, row) like read_rows; a row without the form of a training row raises with file and line."""
    for line, row in read_rows(path):
        try:
            check_row(row)
        except ValueError as error:
            raise ValueError(f"{path}:{line}: {error}") from None
        yield line, row


def check_training_texts(path: str | os.PathLike) -> None:
    """ValueError, with file and line, for a row of ms-swift's form of which a text is more than text.

    Training reads any such file, whoever wrote it; a row like that would end it when its turn comes.
    """
    for line, row in read_rows(path):
        messages = row.get("messages")
        texts = [
            message
            for message in (messages if isinstance(messages, list) else [])
            if isinstance(message, dict) and isinstance(message.get("content"), str)
        ]
        tags = [tag for key, tag in MEDIA_TAGS.items() if row.get(key)]
        try:
            check_texts(texts, tags, OBJECT_TAGS if row.get("objects") else ())
        except ValueError as error:
            raise ValueError(f"{path}:{line}: {error}") from None


@functools.cache
def _place() -> str:
    """Where this process's id is its own: this machine since it was started and, in a container, that container.

    Several machines may write to one disk, and each may have a process of the same id.
    """
    told = [platform.node()]
    with contextlib.suppress(OSError):  # only Linux tells
        told += [Path("/proc/sys/kernel/random/boot_id").read_text(), os.readlink("/proc/self/ns/pid")]
    return sha256_text("\0".join(told))[:12]


def remove_leftovers(folder: Path) -> None:
    """Remove what killed processes left aside in a folder: those of this place at once, others' after a week."""
    for path in folder.iterdir():
        if not (match := _ASIDE.fullmatch(path.name)):
            continue
        with contextlib.suppress(FileNotFoundError):  # its writer has put it in its place
            here = match["place"] == _place()
            if not _alive(int(match["pid"]), match["start"]) if here else time.time() - path.stat().st_mtime > _STALE:
                path.unlink()


_remove_leftovers_once = functools.lru_cache(maxsize=1024)(remove_leftovers)  # a folder may hold many files


def _alive(pid: int, start: str) -> bool:
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except (ProcessLookupError, OverflowError):
        return False
    return _started(pid) == start  # ids are given again


def _started(pid: int) -> str:
    """When a process was started, in ticks since this machine was; empty where that is not told."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]  # proc(5): field 22
    except OSError:
        return ""


def is_unused(folder: Path) -> bool:
    """Whether a folder is not there, or holds nothing but what is written aside, or was by a process that is gone."""
    return not folder.is_dir() or all(_ASIDE.fullmatch(path.name) for path in folder.iterdir())


@contextlib.contextmanager
def atomic_files(paths: Sequence[Path], outdated: Path | None = None) -> Iterator[list[BinaryIO]]:
    """Open a file beside each path for writing; they take their places together if the block ends without an error.

    `outdated`, which tells of the files before, is removed when the new ones are safe on the disk. What killed
    processes have left in a folder is removed before the first file is written to it.
    """
    pid = os.getpid()
    mark = f"{_place()}-{pid}-{_started(pid)}-{next(_numbers)}"
    aside = [path.with_name(f".{path.name}.{mark}.tmp") for path in paths]
    for path in paths:
        _remove_leftovers_once(path.parent.absolute())
    try:
        with contextlib.ExitStack() as stack:
            files = [stack.enter_context(open(path, "wb", buffering=_BUFFER)) for path in aside]
            yield files
            for file in files:
                file.flush()
                os.fsync(file.fileno())
        if outdated is not None:
            outdated.unlink(missing_ok=True)
        for written, path in zip(aside, paths, strict=True):
            os.replace(written, path)
    finally:
        for path in aside:
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike) -> Iterator[BinaryIO]:
    """Open a file beside `path` for writing; it takes the place of `path` only if the block ends without an error."""
    with atomic_files([Path(path)]) as files:
        yield files[0]


def jsonl_writer(file: BinaryIO) -> jsonlines.Writer:
    """A jsonlines writer that encodes by msgspec; what could not be read back raises ValueError."""
    return jsonlines.Writer(file, dumps=encode_line)


def encode_line(row: Row) -> bytes:
    """A row as the line that is read back, without its end."""
    try:
        line = encode(row)
    except UnicodeEncodeError as error:
        raise ValueError(f"row {row.get('id')!r:.80} holds half a surrogate pair: {error}") from None
    if len(line) >= MAX_LINE:
        raise ValueError(f"row {row.get('id')!r:.80} would make a line of {len(line)} bytes, {MAX_LINE} are read back")
    return line


def write_json(path: str | os.PathLike, value: Any) -> None:
    """Write one JSON document, indented, atomically."""
    with atomic_write(path) as file:
        file.write(msgspec.json.format(encode(value), indent=2) + b"\n")


def sha256_file(path: str | os.PathLike) -> str:
    """The file's SHA-256 in hex, read in pieces."""
    digest, buffer = hashlib.sha256(), bytearray(_BUFFER)
    view = memoryview(buffer)
    with open(path, "rb", buffering=0) as file:
        while size := file.readinto(buffer):
            digest.update(view[:size])
    return digest.hexdigest()


def sha256_text(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def spread(count: int, limit: int | None) -> range | list[int]:
    """The indices of `limit` rows, one out of each of as many equal stretches of `count`; all of them without a limit.

    Which one of a stretch is drawn, the same in every run: in steps of a fixed length all would be fake where real and
    fake take turns.
    """
    if limit is None or limit >= count:
        return range(count)
    draw = random.Random(limit)
    return [draw.randrange(i * count // limit, (i + 1) * count // limit) for i in range(limit)]
