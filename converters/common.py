"""What every converter shares: the command line, the output folder with its rejects and manifest, media checks."""

from __future__ import annotations

import argparse
import codecs
import contextlib
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from swift_plugins.commands import spread, whole_number
from swift_plugins.media import LEVELS, Media, check_many, resolve_under
from swift_plugins.records import atomic_files, check_row, encode_into, sha256_file, write_json
from swift_plugins.settings import library_versions

T = TypeVar("T")
LIBRARIES = ("swift-forensics", "msgspec", "av", "pillow")


def argument_parser(doc: str, src: str, out: str, check: str = "none") -> argparse.ArgumentParser:
    """The options that all converters have; each adds its own."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--src", type=Path, default=Path(src), help=f"folder of the raw dataset (default {src})")
    parser.add_argument("--out", type=Path, default=Path(out), help=f"folder to write (default {out})")
    parser.add_argument("--limit", type=whole_number(),
                        help="convert only this many rows of each source file, from all over it (default all)",
                        )  # fmt: skip
    parser.add_argument("--check", choices=LEVELS, default=check,
                        help="look at the media: none, they may be absent; header: each file opens; decode: its first, "
                        f"middle and last frame decode too (default {check})")  # fmt: skip
    parser.add_argument("--workers", type=whole_number(), default=os.cpu_count() or 1,
                        help="processes for --check (default all)")  # fmt: skip
    return parser


class Output:
    """The files of one conversion, written aside and put in place together when the block ends without an error.

    A split may be in a folder of its own, "pointwise/train".
    """

    def __init__(self, out: Path, splits: tuple[str, ...]):
        self.out, self.splits = out, splits
        self.rows: Counter[tuple[str, str]] = Counter()
        self.reasons: Counter[str] = Counter()
        self._files: dict[str, Any] = {}
        self._line = bytearray()  # reused, so that a row costs no allocation

    def _write(self, name: str, value: dict[str, Any]) -> None:
        encode_into(value, self._line)
        self._line += b"\n"
        self._files[name].write(self._line)

    def row(self, split: str, row: dict[str, Any]) -> None:
        self.rows[split, row["meta"]["label"]] += 1
        self._write(split, row)

    def reject(self, where: str, row_id: str | None, reason: str) -> None:
        """Set a source row aside: `where` is its file and place, `reason` begins with the short class of the fault."""
        self.reasons[reason.split(":")[0]] += 1
        self._write("rejects", {"where": where, "id": row_id, "reason": reason})

    @contextlib.contextmanager
    def open(self) -> Iterator[Output]:
        names = (*self.splits, "rejects")
        paths = [self.out / f"{name}.jsonl" for name in names]
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        # The manifest must never describe other files than its own.
        with atomic_files(paths, outdated=self.out / "manifest.json") as files:
            self._files = dict(zip(names, files, strict=True))
            yield self

    def counts(self, split: str) -> dict[str, int]:
        """label -> rows written to a split."""
        return {label: n for (of, label), n in sorted(self.rows.items()) if of == split}

    def manifest(self, sources: dict[str, Path], options: dict[str, Any], **sections: Any) -> dict[str, Any]:
        """Write manifest.json and return it; `sources` are the source's files by the names to record."""
        manifest = {
            "rows_in": sum(self.rows.values()) + self.reasons.total(),
            "rows_out": sum(self.rows.values()),
            "rows_rejected": self.reasons.total(),
            "reject_reasons": dict(self.reasons.most_common()),
            "counts": {split: self.counts(split) for split in self.splits},
            "sources": {name: sha256_file(path) for name, path in sources.items()},
            "files": {f"{s}.jsonl": sha256_file(self.out / f"{s}.jsonl") for s in self.splits},
            "options": {k: str(v) if isinstance(v, Path) else v for k, v in options.items()},
            "versions": library_versions(LIBRARIES),
            **sections,
        }
        write_json(self.out / "manifest.json", manifest)
        return manifest


class Folder(NamedTuple):
    """A media folder: its real path, the plain files and the links in it; None for links that cannot be listed."""

    path: str
    files: set[str]
    links: set[str] | None


def list_folder(path: str) -> Folder:
    files, links = set(), set()
    try:
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_symlink():
                    links.add(entry.name)
                elif entry.is_file():
                    files.add(entry.name)
    except FileNotFoundError:
        pass
    except OSError:  # a folder that cannot be listed may still open its files
        return Folder(path, files, None)
    return Folder(path, files, links)


class MediaFolders:
    """The media below a dataset's folder: each folder is resolved and listed once, so that a path costs little.

    `missing` collects each path whose file is not there.
    """

    def __init__(self, root: Path):
        self.root = os.path.realpath(root)
        self.folders: dict[str, Folder] = {}
        self.missing: set[str] = set()

    def path(self, relative: str) -> str:
        """The absolute path of a file under --src, links resolved; each folder is resolved and listed once."""
        head, slash, name = relative.rpartition("/")
        if not name:
            raise ValueError(f"not a file path: the path is {relative[:80]!r}")
        parent = head or slash
        if parent not in self.folders:
            self.folders[parent] = list_folder(self._resolve(parent, relative))
        folder, files, links = self.folders[parent]
        if name in files:
            return f"{folder}/{name}"
        path = f"{folder}/{name}"
        if links is None or name in links or name in (".", "..") or "\0" in name:
            path = self._resolve(relative, relative)
            if os.path.isfile(path):
                return path
        self.missing.add(relative)
        return path

    def _resolve(self, part: str, relative: str) -> str:
        """Where `part` of a path leads; ValueError names the whole of it."""
        if "://" in relative or "\0" in relative:
            raise ValueError(f"not a file path: the path is {relative[:80]!r}")
        try:
            return resolve_under(self.root, part)
        except ValueError:
            end = os.path.realpath(os.path.join(self.root, relative))
            inside = os.path.normpath(os.path.join(self.root, relative)).startswith(os.path.join(self.root, ""))
            hint = "; a link out of the folder is not followed, mount or move there what it leads to" if inside else ""
            raise ValueError(
                f"the path leaves {os.path.basename(self.root)}/: {relative[:80]!r} leads to {end[:160]!r}{hint}"
            ) from None


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


def report_counts(args: argparse.Namespace, manifest: dict[str, Any], missing: str = "images are not there") -> None:
    """Print how many rows were written to which split, why the others were not, and how many media are `missing`."""
    print(f"{manifest['rows_out']} rows to {args.out}, {manifest['rows_rejected']} rejected "
          f"(of {manifest['rows_in']}); media checked: {args.check}")  # fmt: skip
    for split, counts in manifest["counts"].items():
        print(f"  {split:5} " + (", ".join(f"{n} {label}" for label, n in counts.items()) or "no rows"))
    for reason, n in manifest["reject_reasons"].items():
        print(f"  rejected {n}: {reason}")
    if manifest["media_missing"]:
        print(f"  note: {manifest['media_missing']} {missing}")


def check_files(paths: list[str], level: str, workers: int) -> dict[str, Media | str]:
    """Check each file, with a progress bar: its Media, or the reason why it cannot be used."""
    from tqdm import tqdm

    return dict(tqdm(check_many(paths, level, workers), total=len(paths), unit="file", desc=f"check {level}"))


def image_size(found: Media | str | None, image: str) -> dict[str, int]:
    """width and height as an image's check found them, nothing without a check; ValueError for what is no image."""
    if isinstance(found, str) or (found and found.duration is not None):
        raise ValueError(f"media: {found if isinstance(found, str) else 'a video'}: {image[:80]!r}")
    return {"width": found.width, "height": found.height} if found else {}


def checked_row(row: dict[str, Any]) -> dict[str, Any]:
    """The row, which has the form of a training row; else ValueError, of the class "messages"."""
    try:
        check_row(row)
    except ValueError as error:
        raise ValueError(f"messages: {error}") from None
    return row


def best_rule(counts: Mapping[tuple[Any, str], int], balanced: bool = False) -> tuple[dict[Any, str], str | None]:
    """(the best class for each value, the overall majority) of {(value, class): count}; no majority without counts.

    Best for accuracy is a value's majority; for balanced accuracy a count is its share of its class. A tie goes to the
    overall majority.
    """
    overall: Counter[str] = Counter()
    for (_, label), n in counts.items():
        overall[label] += n
    common = max(sorted(overall), key=overall.__getitem__, default=None)
    best: dict[Any, tuple[float, bool, str]] = {}
    for (value, label), n in counts.items():
        found = (n / overall[label] if balanced else n, label == common, label)
        best[value] = max(best.get(value, found), found)
    return {value: label for value, (_, _, label) in best.items()}, common


def one_variable_rule(values: list[Any], labels: list[str], train: list[bool]) -> dict[str, Any]:
    """How well one variable alone tells real from fake: the majority label of each value, learned on the training part.

    Measured on the rest; a value not seen in training gets the overall majority. A rule that exceeds the majority by
    far is a shortcut that a model may take instead of looking.
    """
    if None in values:
        return {"accuracy": None, "reason": "not known for every file"}
    counts = Counter(zip(values, labels, train, strict=True))
    rule, common = best_rule({(value, label): n for (value, label, in_train), n in counts.items() if in_train})
    held_out = [(value, label, n) for (value, label, in_train), n in counts.items() if not in_train]
    if common is None:
        return {"accuracy": None, "reason": "no training rows to learn it from"}
    if not held_out:
        return {"accuracy": None, "reason": "no held-out rows to measure it on"}
    total = sum(n for _, _, n in held_out)
    right = sum(n for value, label, n in held_out if rule.get(value, common) == label)
    majority = sum(n for _, label, n in held_out if label == common)
    return {"accuracy": round(100 * right / total, 2), "majority": round(100 * majority / total, 2),
            "n": total, "measured_on": "held-out splits"}  # fmt: skip
