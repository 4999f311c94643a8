"""Convert DeepTraceReward (RewardData) to ms-swift JSONL: one row per trace of a fake video, one per real video.

    python converters/deeptrace_to_swift.py --src RewardData --out data/deeptrace

--src holds all_data.json, videos/ and real_videos/. The videos come as zip parts; unpack them in that folder with
    cat videos.zip.00* > videos.zip && unzip -q videos.zip && unzip -q real_videos.zip
Writes train.jsonl, val.jsonl, test.jsonl, rejects.jsonl and manifest.json to --out.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import os
import random
import re
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import msgspec

from converters.common import (
    Folder,
    Output,
    argument_parser,
    check_files,
    list_folder,
    one_variable_rule,
    run,
    spread,
)
from swift_plugins import boxes
from swift_plugins.media import Media, resolve_under
from swift_plugins.records import check_row, sha256_text
from swift_plugins.settings import whole_number
from swift_plugins.tasks import deeptrace
from swift_plugins.tasks.deeptrace import Answer

SPLITS = ("train", "val", "test")
LICENCE = (
    "DeepTraceReward, Hugging Face DeepTraceReward/RewardData: see the terms on its page; the real clips come from "
    "LLaVA-Video-178K and keep the terms of their sources, the generated ones those of their generators."
)
REAL_SOURCE = "LLaVA-Video"  # how the source of every real clip begins; the others are generators
MAX_SIDE, MAX_RATE, MAX_DURATION = 16_384, 1000.0, 86_400.0  # px, frames/s and s: no video of the dataset comes near
UNPACK = {"videos": "cat videos.zip.00* > videos.zip && unzip -q videos.zip", "real_videos": "unzip -q real_videos.zip"}
# Counts of the full dataset: table 1 and table 3 of the paper (rows and videos), and the published file itself.
NEARLY_FULL = 7000  # rows; a file that has as many is compared with these counts, so that lost rows are noticed
FULL_COUNTS = {
    "rows": 7652, "fake_videos": 3318, "real_videos": 3318, "traces": 4334, "explanations": 2716,
    "train_fake_rows": 3460, "train_real_rows": 2654, "val_fake_rows": 434, "val_real_rows": 332,
    "test_fake_rows": 440, "test_real_rows": 332, "train_videos": 5308, "val_videos": 664, "test_videos": 664,
}  # fmt: skip


class Box(msgspec.Struct, gc=False):
    left: float
    top: float
    width: float
    height: float


class Raw(msgspec.Struct, gc=False):
    """A row of all_data.json as published; everything else in it is ignored."""

    video_id: str
    video_type: str
    video_path: str
    video_source: str
    video_width: int
    video_height: int
    video_frame_rate: float
    video_duration: float
    split: str | None = None
    faketrace_first_frame: int | None = None
    faketrace_bbox: Box | None = None
    faketrace_explanations: str | None = None
    faketrace_check_applies: tuple[str, ...] | str | None = None


class EarlierRaw(msgspec.Struct):
    """A row of the earlier upload: the same data under bare names, without splits, with e-mails and lab paths."""

    video_id: str
    video_source: str
    video_file: str
    width: int
    height: int
    frame_rate: float
    duration: float
    split: str | None = None
    first_frame: int | None = None
    label_bbox: Box | None = None
    label_name: str | None = None
    check_applies: tuple[str, ...] | str | None = None
    explanation: str | None = None

    def published(self) -> Raw:
        real = self.video_source.startswith(REAL_SOURCE)
        tags = self.check_applies or self.label_name
        return Raw(
            self.video_id, "real_video" if real else "fake_video",
            f"{'real_videos' if real else 'videos'}/{os.path.basename(self.video_file.replace(chr(92), '/'))}",
            self.video_source, self.width, self.height, self.frame_rate, self.duration, self.split, self.first_frame,
            self.label_bbox, self.explanation, tags,
        )  # fmt: skip


class Malformed(NamedTuple):
    """A row that has no usable form: its video_id where that can be read, and what is wrong."""

    video_id: str | None
    reason: str


def read_raw(path: Path, limit: int | None) -> dict[int, Raw | Malformed]:
    """index -> row for the rows of all_data.json, or index -> why it has no usable form."""
    content = path.read_bytes()
    try:
        rows: list[Raw | Malformed] = msgspec.json.decode(content, type=list[Raw], strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):  # the second reading finds out which row it is
        rows = _read_one_by_one(path, content)
    if not rows:
        raise ValueError(f"{path}: the list is empty")
    return {index: rows[index] for index in spread(len(rows), limit)}


def _read_one_by_one(path: Path, content: bytes) -> list[Raw | Malformed]:
    """A lenient reading: what strict JSON does not allow (a byte order mark, NaN, half a character) costs its row."""
    text = content.decode("utf-8-sig", errors="surrogateescape")  # a byte that is no UTF-8 becomes half a character
    try:
        items = json.loads(text, strict=False, parse_int=_integer)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: expected one JSON list of rows: {error}") from None
    if not isinstance(items, list):
        raise ValueError(f"{path}: expected one JSON list of rows: got {type(items).__name__}")
    return [_read_one(item) for item in items]


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) < 400 else float(digits)  # Python refuses to read thousands of digits


def _read_one(item: Any) -> Raw | Malformed:
    try:
        if isinstance(item, dict) and "video_type" not in item:
            raw = msgspec.convert(item, EarlierRaw, strict=False).published()
        else:
            raw = msgspec.convert(item, Raw, strict=False)
        msgspec.json.encode(raw)  # finds half a character, which no file can hold
        return raw
    except UnicodeEncodeError as error:
        reason = f"a text holds {error.object[error.start]!a}, which is no character"
    except (msgspec.DecodeError, RecursionError) as error:
        reason = str(error)
    name = item.get("video_id") if isinstance(item, dict) else None
    return Malformed(name if isinstance(name, str) and name.isprintable() else None, f"malformed row: {reason}")


_FLATTENED = re.compile(r".*?v\d+_\d+_")
_YOUCOOK = re.compile(r"\d+-([\w-]{11})\Z")
_NEXTQA = re.compile(r"\d+-(\d+)\Z")
_CHARADES = re.compile(r"[A-Z0-9]{5}")
_PART = re.compile(r"-split_\d+\Z")


@functools.lru_cache(maxsize=65_536)
def _real_parent(video_id: str) -> str:
    flattened = _FLATTENED.match(video_id)
    name = video_id[flattened.end() :] if flattened else video_id
    stem = _PART.sub("", name)
    if stem != name and (match := _YOUCOOK.match(stem)):
        return f"youcook2/{match.group(1)}"
    if match := _NEXTQA.match(stem):
        return f"nextqa/{match.group(1)}"
    if stem.startswith("v_"):
        return f"activitynet/{stem}"
    return f"charades/{stem}" if _CHARADES.fullmatch(stem) else stem


def parent_of(raw: Raw) -> str:
    """The longer video that a real clip was cut from, read off its flattened id; a fake is its own parent."""
    return _real_parent(raw.video_id) if raw.video_type == "real_video" else raw.video_id


def assign_splits(rows: list[Raw], by: str, seed: int) -> dict[str, str]:
    """video_id -> split: 8:1:1 of the videos of each label, all clips of one group together."""
    groups: dict[tuple[str, str], set[str]] = {}
    for raw in rows:
        groups.setdefault((raw.video_type, parent_of(raw) if by == "parent" else raw.video_id), set()).add(raw.video_id)
    splits: dict[str, str] = {}
    for kind in sorted({kind for kind, _ in groups}):
        members = [groups[key] for key in sorted(groups) if key[0] == kind]
        random.Random(f"{seed}/{kind}").shuffle(members)
        total, placed = sum(map(len, members)), 0
        for group in members:
            middle = (placed + len(group) / 2) / total
            splits |= dict.fromkeys(group, "train" if middle <= 0.8 else "val" if middle <= 0.9 else "test")
            placed += len(group)
    return splits


_REAL = Answer("real")


class Converter:
    """Turns raw rows into training rows; the options fix setting, box space and where the media lie."""

    def __init__(self, args: argparse.Namespace):
        self.args = args
        self.root = os.path.realpath(args.src)
        self.question = deeptrace.QUESTIONS[args.setting]
        self.with_box = args.setting != "label_only"
        self.with_time = args.setting in ("full", "no_explanation")
        self.with_explanation = args.setting in ("full", "no_time")
        self.spans: dict[tuple[int, int], tuple[int, int]] = {}
        self.traces: dict[str, int] = {}  # of each video, so far
        self.kinds: dict[str, str] = {}  # video_type of each video
        self.folders: dict[str, Folder] = {}
        self.missing: set[str] = set()  # each video_path whose file is not there
        self.clipped = 0

    def media_path(self, relative: str) -> str:
        """The absolute path of a video under --src, links resolved; each folder is resolved and listed once."""
        head, slash, name = relative.rpartition("/")
        if not name:
            raise ValueError(f"not a file path: video_path is {relative[:80]!r}")
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
        """Where `part` of a video_path leads; ValueError names the whole of it."""
        if "://" in relative or "\0" in relative:
            raise ValueError(f"not a file path: video_path is {relative[:80]!r}")
        try:
            return str(resolve_under(Path(self.root), part))
        except ValueError:
            end = os.path.realpath(os.path.join(self.root, relative))
            raise ValueError(
                f"the path leaves {os.path.basename(self.root)}/: video_path {relative[:80]!r} leads to {end[:160]!r}"
            ) from None

    def answer(self, raw: Raw, span: tuple[int, int]) -> tuple[Answer, list[float], float | None]:
        """(the answer in the row's box space, the exact box in source px, the exact onset in s)."""
        if raw.video_type == "real_video":
            return _REAL, [], None
        if raw.faketrace_bbox is None or raw.faketrace_first_frame is None:
            raise ValueError("no trace: a fake row needs faketrace_bbox and faketrace_first_frame")
        b, w, h = raw.faketrace_bbox, raw.video_width, raw.video_height
        exact = (b.left, b.top, b.left + b.width, b.top + b.height)
        box = boxes.clip(exact, w, h)
        if box is None:
            raise ValueError(f"bbox outside the frame: {exact} in {w}x{h}")
        if box != exact:
            if not all(map(math.isfinite, exact)):
                raise ValueError(f"bad numbers: faketrace_bbox is {exact}, it must be finite")
            self.clipped += 1
        try:
            start = raw.faketrace_first_frame / raw.video_frame_rate
        except OverflowError:
            start = math.inf
        if not 0 <= start <= raw.video_duration + 1 / raw.video_frame_rate:
            raise ValueError(f"onset outside the video: {start:.2f} s of {raw.video_duration} s")
        explanation = (raw.faketrace_explanations or "").strip()
        answer = Answer(
            "fake",
            boxes.from_pixels(box, w, h, *span) if self.with_box else None,
            round(start, 2) if self.with_time else None,
            explanation if explanation and self.with_explanation else None,
        )
        return answer, list(box), start

    def row(self, raw: Raw, split: str) -> dict[str, Any]:
        """One training row; ValueError says why a raw row cannot become one."""
        if raw.video_type not in ("fake_video", "real_video"):
            raise ValueError(f"unknown video_type: {raw.video_type!r}")
        path = self.media_path(raw.video_path)
        if self.kinds.setdefault(raw.video_id, raw.video_type) != raw.video_type:
            raise ValueError("contradiction: an earlier row has this video as the other type")
        if not (0 < raw.video_width <= MAX_SIDE and 0 < raw.video_height <= MAX_SIDE
                and 0 < raw.video_frame_rate <= MAX_RATE and 0 < raw.video_duration <= MAX_DURATION):  # fmt: skip
            raise ValueError(f"bad numbers: {bad_number(raw)}")
        size = (raw.video_width, raw.video_height)
        span = self.spans.get(size)
        if span is None:
            args = self.args
            span = self.spans[size] = boxes.span(args.box_space, *size, args.min_pixels, args.max_pixels)
        answer, box, start = self.answer(raw, span)
        text = deeptrace.render(answer)
        if deeptrace.parse_trained(text).answer != answer:
            raise ValueError(f"round trip: the answer does not read back as written: {text[:80]!r}")
        fake = answer.verdict == "fake"
        tags = raw.faketrace_check_applies if fake else None
        tags = (tags,) if isinstance(tags, str) else tags or ()
        number = self.traces[raw.video_id] = self.traces.get(raw.video_id, 0) + 1
        if number > 1 and not fake:
            raise ValueError("duplicate: an earlier row has this real video")
        row = {
            "id": f"{raw.video_id}/{number}" if fake else raw.video_id,
            "task": deeptrace.NAME,
            "messages": [{"role": "user", "content": self.question}, {"role": "assistant", "content": text}],
            "videos": [path],
            "meta": {
                "media_id": raw.video_id, "parent": parent_of(raw), "split": split, "source": raw.video_source,
                "label": answer.verdict, "width": raw.video_width, "height": raw.video_height,
                "duration": raw.video_duration, "fps": raw.video_frame_rate, "bbox": box, "start": start,
                "categories": _categories(tags), "raw_tags": tags,
                "explanation": (raw.faketrace_explanations or "").strip() if fake else "",
                "setting": self.args.setting, "box_space": self.args.box_space,
                "box_width": span[0], "box_height": span[1], "task_version": deeptrace.VERSION,
            },
        }  # fmt: skip
        check_row(row)
        return row


@functools.lru_cache(maxsize=4096)
def _categories(tags: tuple[str, ...]) -> list[str]:
    found = {name for tag in tags for name in deeptrace.categories_in(tag)}
    return [name for name in deeptrace.CATEGORIES if name in found]


def bad_number(raw: Raw) -> str:
    """The first number of a row that no video has, and what it must be."""
    limits = {"video_width": MAX_SIDE, "video_height": MAX_SIDE, "video_frame_rate": MAX_RATE}
    for name, limit in (limits | {"video_duration": MAX_DURATION}).items():
        value = getattr(raw, name)
        if not 0 < value <= limit:
            allowed = f"1..{limit}" if isinstance(limit, int) else f"above 0 and at most {limit:g}"
            break
    return f"{name} is {value!s:.40}, it must be {allowed}"


def download(src: Path) -> str:
    return f"hf download DeepTraceReward/RewardData --repo-type dataset --local-dir {src}"


def check_source(src: Path) -> Path:
    """The annotation file; ValueError says what is missing and how to get or unpack it."""
    data = src / "all_data.json"
    if not data.is_file():
        raise ValueError(
            f"{data} not found. Get it with: {download(src)}  "
            f"(or make a synthetic one: python converters/sample_deeptrace.py --out {src})"
        )
    for folder, unpack in UNPACK.items():
        if not (src / folder).is_dir() and any(src.glob(f"{folder}.zip*")):
            raise ValueError(f"{src / folder} is still packed. Unpack it: cd {src} && {unpack}")
    return data


def media_problem(raw: Raw, media: Media | str) -> str | None:
    if isinstance(media, str):
        return f"media: {media}"
    if (media.width, media.height) != (raw.video_width, raw.video_height):
        return (f"size differs: the file has {media.width}x{media.height}, "
                f"the annotation {raw.video_width}x{raw.video_height}")  # fmt: skip
    return None


def findings(rows: list[Raw], splits: Mapping[str, str | None], media: dict[str, Media | str]) -> dict[str, Any]:
    """Leakage (parents that stand in several splits) and shortcuts (single variables that tell real from fake)."""
    videos = list({raw.video_id: raw for raw in rows}.values())
    homes: dict[str, str | None] = {}  # the first split of each parent
    several, trained, tested = set(), set(), []
    for raw in videos:
        parent, split = parent_of(raw), splits[raw.video_id]
        if homes.setdefault(parent, split) != split:
            several.add(parent)
        if split == "train":
            trained.add(parent)
        elif split == "test":
            tested.append(parent)
    labels = [raw.video_type for raw in videos]
    train = [splits[raw.video_id] == "train" for raw in videos]
    audio = [getattr(media.get(raw.video_path), "has_audio", None) for raw in videos]
    return {
        "leakage": {
            "parents": len(homes),
            "parents_in_several_splits": len(several),
            "test_videos": len(tested),
            "test_videos_whose_parent_is_in_train": sum(parent in trained for parent in tested),
        },
        "shortcuts": {
            "resolution": one_variable_rule([f"{r.video_width}x{r.video_height}" for r in videos], labels, train),
            "audio": one_variable_rule(audio, labels, train),
            "duration": one_variable_rule([round(r.video_duration, 1) for r in videos], labels, train),
            "frame_rate": one_variable_rule([round(r.video_frame_rate, 2) for r in videos], labels, train),
        },
    }


def published_counts(rows: list[Raw]) -> dict[str, dict[str, Any]]:
    """The full dataset's counts beside the published ones."""
    fake = [raw for raw in rows if raw.video_type == "fake_video"]
    videos, fakes = {raw.video_id: raw.split for raw in rows}, len({raw.video_id for raw in fake})
    found = {
        "rows": len(rows), "fake_videos": fakes, "real_videos": len(videos) - fakes, "traces": len(fake),
        "explanations": sum(bool((raw.faketrace_explanations or "").strip()) for raw in fake),
    }  # fmt: skip
    of_rows, of_fake = Counter(raw.split for raw in rows), Counter(raw.split for raw in fake)
    of_videos = Counter(videos.values())
    for split in SPLITS:
        found[f"{split}_fake_rows"] = of_fake[split]
        found[f"{split}_real_rows"] = of_rows[split] - of_fake[split]
        found[f"{split}_videos"] = of_videos[split]
    return {k: {"published": v, "found": found[k], "ok": found[k] == v} for k, v in FULL_COUNTS.items()}


def convert(args: argparse.Namespace) -> None:
    data = check_source(args.src)
    boxes.span(args.box_space, 1280, 720, args.min_pixels, args.max_pixels)  # refuses impossible limits at once
    items = read_raw(data, args.limit)
    rows = [raw for raw in items.values() if isinstance(raw, Raw)]
    if isinstance(first := items[0], Malformed) and not rows:
        raise ValueError(f"{data}: no usable row; the first one: {first.reason}")
    splits: Mapping[str, str | None]
    if args.split_by == "published":
        splits = {raw.video_id: raw.split for raw in reversed(rows)}  # a video stays where its first row puts it
        if set(splits.values()) == {None}:
            raise ValueError(f"{data} has no splits: choose --split-by parent or --split-by video")
    else:
        splits = assign_splits(rows, args.split_by, args.seed)
    converter = Converter(args)
    media = _check_media(args, converter, rows)
    output = Output(args.out, SPLITS)
    with output.open():
        for index, raw in items.items():
            if isinstance(raw, Malformed):
                output.reject(f"{data.name}[{index}]", *raw)
                continue
            try:
                if (split := splits[raw.video_id]) not in SPLITS:
                    raise ValueError(f"unknown split: {split!r}; expected one of {', '.join(SPLITS)}")
                if args.split_by == "published" and raw.split != split:
                    raise ValueError(
                        f"contradiction: an earlier row has this video in {split}, this one in {raw.split}"
                    )
                if args.check != "none" and (problem := media_problem(raw, media[raw.video_path])):
                    raise ValueError(problem)
                output.row(split, converter.row(raw, split))
            except ValueError as error:
                output.reject(f"{data.name}[{index}]", raw.video_id, str(error))
    options = {k: v for k, v in vars(args).items() if k not in ("src", "out", "workers")}
    sections = findings([r for r in rows if splits[r.video_id] in SPLITS], splits, media)
    if len(items) >= NEARLY_FULL and len(items) != args.limit:
        sections["published_counts"] = published_counts(rows)
    manifest = output.manifest(
        deeptrace.NAME, [data], options, media_checked=args.check, prompt=converter.question,
        prompt_sha256=sha256_text(converter.question), setting=args.setting, box_space=args.box_space,
        pixel_limits=[args.min_pixels, args.max_pixels] if args.box_space == "resized" else None,
        boxes_clipped_to_the_frame=converter.clipped, videos=len(splits), media_missing=media_missing(converter, rows),
        licence=LICENCE, **sections,
    )  # fmt: skip
    report(args, manifest)
    report_missing(args.src, manifest, converter.missing)


def media_missing(converter: Converter, rows: list[Raw]) -> int:
    """The number of videos whose file is not there."""
    missing = converter.missing
    return len({raw.video_id for raw in rows if raw.video_path in missing}) if missing else 0


def _check_media(args: argparse.Namespace, converter: Converter, rows: list[Raw]) -> dict[str, Media | str]:
    """video_path -> what its check found; a path that leaves --src is not opened."""
    if args.check == "none":
        return {}
    found: dict[str, Media | str] = {}
    paths: dict[str, str] = {}
    for relative in {raw.video_path for raw in rows}:
        try:
            paths[relative] = converter.media_path(relative)
        except ValueError as error:
            found[relative] = str(error)
    checked = check_files(sorted(set(paths.values())), args.check, args.workers)
    return found | {relative: checked[path] for relative, path in paths.items()}


def report(args: argparse.Namespace, manifest: dict[str, Any]) -> None:
    """Print what was written, and what deserves a look."""
    print(f"{manifest['rows_out']} rows to {args.out}, {manifest['rows_rejected']} rejected "
          f"(of {manifest['rows_in']}); media checked: {args.check}")  # fmt: skip
    for split, counts in manifest["counts"].items():
        print(f"  {split:5} " + ", ".join(f"{n} {label}" for label, n in counts.items()))
    for reason, n in manifest["reject_reasons"].items():
        print(f"  rejected {n}: {reason}")
    if leaked := manifest["leakage"]["test_videos_whose_parent_is_in_train"]:
        print(f"  leakage: {leaked} test videos have clips of the same parent in train (--split-by parent avoids it)")
    for name, rule in manifest["shortcuts"].items():
        if rule["accuracy"] is not None and rule["accuracy"] > rule["majority"] + 10:
            print(f"  shortcut: {name} alone gives {rule['accuracy']} % (majority {rule['majority']} %)")
    for name, count in manifest.get("published_counts", {}).items():
        if not count["ok"]:
            print(f"  count differs: {name} is {count['found']}, published {count['published']}")


def report_missing(src: Path, manifest: dict[str, Any], missing: set[str]) -> None:
    """Annotations may be converted without the videos, so this is no error."""
    if not missing:
        return
    print(f"note: {manifest['media_missing']} of {manifest['videos']} videos are not there")
    for folder, unpack in UNPACK.items():
        if not (src / folder).is_dir() and any(path.startswith(f"{folder}/") for path in missing):
            print(f"note: there is no {src / folder}. Get it with: {download(src)} && cd {src} && {unpack}")


def main(argv: list[str] | None = None) -> int:
    parser = argument_parser(__doc__, "data/RewardData", "data/deeptrace")
    parser.add_argument("--setting", choices=deeptrace.SETTINGS, default="full",
                        help="what the answers are supervised with (default full)")  # fmt: skip
    parser.add_argument("--box-space", choices=boxes.SPACES, default="pixel",
                        help="coordinates of the boxes in the answers (default pixel, as in the paper)")  # fmt: skip
    parser.add_argument("--min-pixels", type=whole_number(), default=boxes.VIDEO_MIN_PIXELS,
                        help=f"VIDEO_MIN_PIXELS of --box-space resized (default {boxes.VIDEO_MIN_PIXELS})")  # fmt: skip
    parser.add_argument("--max-pixels", type=whole_number(), default=boxes.VIDEO_MAX_PIXELS,
                        help=f"VIDEO_MAX_PIXELS of --box-space resized (default {boxes.VIDEO_MAX_PIXELS})")  # fmt: skip
    parser.add_argument("--split-by", choices=("published", "parent", "video"), default="published",
                        help="published: the dataset's own; parent: 8:1:1 with all clips of a parent together; video: "
                        "8:1:1 by video (default published)")  # fmt: skip
    parser.add_argument("--seed", type=int, default=0, help="seed of --split-by parent|video (default 0)")
    return run(convert, parser.parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())
