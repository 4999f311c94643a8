"""Answers kept by all that they depend on, so that no run asks again what another one was answered."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from swift_plugins.answering.conversations import asked_messages
from swift_plugins.answering.models import model_fingerprint
from swift_plugins.core.records import Row, atomic_write, encode, media_of, read_json, sha256_text

if TYPE_CHECKING:
    from swift_plugins.answering.asking import Asking, Result, Stream


class Cache:
    """A folder of answers, which several processes may use at once.

    An answer is that of a row's id, task and conversation, of what its media hold, of the model and of how it is
    sampled; a server's model is told by its name alone. Errors are not kept.
    """

    def __init__(self, folder: Path, asking: Asking, hashes: Mapping[str, str]):
        """`hashes` are those of the contents of the rows' media, by path."""
        model = {name: value for name, value in asking.settings.items() if name not in ("base_url", "trained")}
        common = [model, model_fingerprint(asking.settings), asking.backend, asking.max_tokens, {**asking.sampling}]
        self.folder, self.hashes, self.common = folder, hashes, sha256_text(encode(common).decode())

    def place(self, row: Row) -> Path:
        media = [self.hashes[path] for path in media_of(row)]
        key = sha256_text(encode([self.common, row["id"], row.get("task"), asked_messages(row), media]).decode())
        return self.folder / key[:2] / f"{key}.json"

    def answer(self, row: Row) -> Row | None:
        """What was answered, if it was; what cannot be read was not."""
        try:
            return read_json(self.place(row))
        except (OSError, ValueError):
            return None

    def keep(self, row: Row, answer: Row) -> None:
        place = self.place(row)
        place.parent.mkdir(parents=True, exist_ok=True)
        with atomic_write(place) as file:
            file.write(encode(answer))


def through(cache: Cache, stream: Stream, batches: Iterable[tuple[int, list[Row]]]) -> Iterator[tuple[int, Any, float]]:
    """The stream of these batches of which the rows that are in the cache are not asked, and the others then are."""
    done: list[tuple[int, list[Result], float]] = []  # all from the cache
    asked: dict[int, tuple[list[Row], list[Row | None]]] = {}  # number -> its rows, what the cache has of them

    def missing() -> Iterator[tuple[int, list[Row]]]:
        for number, rows in batches:
            known = [cache.answer(row) for row in rows]
            if None not in known:
                done.append((number, [*filter(None, known)], 0.0))
                continue
            asked[number] = rows, known
            yield number, [row for row, found in zip(rows, known, strict=True) if found is None]

    for number, results, seconds in stream(missing()):
        rows, known = asked.pop(number)
        new = iter(results)
        whole = [next(new) if found is None else found for found in known]
        for row, found, result in zip(rows, known, whole, strict=True):
            if found is None and isinstance(result, dict):
                cache.keep(row, result)
        yield number, whole, seconds
        yield from done
        done.clear()
    yield from done
