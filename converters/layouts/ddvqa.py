"""DD-VQA as it lies on disk: its files, its answers, and the odd ones among them.

Zhang et al., "Common Sense Reasoning for Deep Fake Detection" (ECCV 2024), and the released annotations: DQ_FF++/
{train_set,test_set}/<manipulation>/<manipulation>.json holds {"<number>_<video>": {"0": {"question": …, "answer":
[…]}, …}}. The numbers of the questions are not stable, so their texts tell them apart.
"""

from __future__ import annotations

import csv
import functools
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from converters.conversion.sources import Sourced, read_text, unusable
from converters.layouts import ffpp
from converters.layouts.ffpp import Video, manipulation_of
from swift_plugins.core.frames import FrameRule
from swift_plugins.core.records import read_rows, spread
from swift_plugins.core.tasks import fakevlm
from swift_plugins.core.tasks.verdicts import OPPOSITE, stated_verdicts

SPLITS = ("train", "test")
FOLDERS = ("Deepfakes", "Face2Face", "FaceShifter", "FaceSwap", "Neuraltexture", "Original")
NUMBERS = {
    "0": "Deepfakes",
    "1": "Face2Face",
    "2": "FaceShifter",
    "3": "FaceSwap",
    "5": ffpp.ORIGINAL,
    "6": "NeuralTextures",
}  # how a key begins
PUBLISHED = {
    "train": {"images": 1430, "questions": 7312, "answers": 9858},
    "test": {"images": 262, "questions": 1323, "answers": 1841},
}
PARTS = {question.removeprefix("<image>"): part for part, question in fakevlm.QUESTIONS.items() if part != "video"}
PROMPTS = {part: f"<image>{question}" for question, part in PARTS.items()}
LICENCE = f"DD-VQA, GitHub Reality-Defender/Research-DD-VQA: its page states no licence. {ffpp.LICENCE}"
DOWNLOAD = "git clone https://github.com/Reality-Defender/Research-DD-VQA"
FRAME_RULE_IS = "this project's choice: DD-VQA does not tell which frame was annotated, nor how it was cropped"
_KEY = re.compile(r"([0-9])_([0-9]{3}(?:_[0-9]{3})?)")

ODD_RULES = {
    "contradictions": "behind its opening the answer says, not negated, that something is or looks like the opposite "
    "verdict, or a sentence is only that word",
    "junk": "behind its opening, without the words of the annotators' form, nothing is left but such words as no, "
    "none, na, good, real and fake and the names of the parts",
}
_SAYS = re.compile(r"(?<!not )(?<!n['’]t )\b(?:is|are|looks?|seems?) (?:like )?(real|fake)\b(?! (?:or|fake|real)\b)")
_ALL_PARTS = "|".join(fakevlm.PARTS)
_FORM = re.compile(
    rf"\bthe person(?: has|['’]s (?:{_ALL_PARTS}) looks? (?:a bit|very) fake because)\b|\bnaturally\b"
    r"|\bit is an image with manipulated face regions\b"
)
_FILLERS = {
    "no",
    "none",
    "na",
    "nothing",
    "yes",
    "ok",
    "good",
    "real",
    "fake",
    "a",
    "is",
    "its",
    "it",
    "the",
    "look",
    "looks",
    "image",
    "person",
    "face",
    *fakevlm.PARTS,
}
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


class Said(NamedTuple):
    """One answer on disk: its image's key, what it is a frame of, the part asked about, its number from 1."""

    key: str
    video: Video
    question: str
    number: int
    text: str


@functools.lru_cache(maxsize=16_384)  # asked of each answer when it is dropped or kept, and when they are counted
def odd(text: str, label: str) -> frozenset[str]:
    """Which of ODD_RULES hold for an answer."""
    answer = fakevlm.parse_trained(text).answer
    explanation = (answer.explanation or "").lower() if answer else ""
    says = {match[1] for match in _SAYS.finditer(explanation)} | stated_verdicts(explanation)[0]
    found = {"contradictions"} if OPPOSITE[label] in says else set()
    return frozenset(found) | ({"junk"} if not {*_WORD.findall(_FORM.sub(" ", explanation))} - _FILLERS else set())


def find_source(src: Path) -> dict[str, Path]:
    """name -> each annotation file, from DQ_FF++ or the folder that holds it; ValueError if there is none."""
    for root in (src, src / "DQ_FF++"):
        names = [f"{split}_set/{folder}/{folder}.json" for split in SPLITS for folder in FOLDERS]
        if files := {name: root / name for name in names if (root / name).is_file()}:
            return files
    raise ValueError(f"{src} holds no train_set/Deepfakes/Deepfakes.json or the like: {DOWNLOAD} and name its DQ_FF++")


def read_files(files: dict[str, Path], limit: int | None) -> list[Sourced[Said]]:
    """The answers of all files, of each of them `limit` from all over it."""
    items: list[Sourced[Said]] = []
    for name, path in files.items():
        of_file = [*read_answers(name, path)]
        items += [of_file[i] for i in spread(len(of_file), limit)]
    return items


def read_answers(name: str, path: Path) -> Iterator[Sourced[Said]]:
    """Yield each answer of a file, or why there is none for a key."""
    split, folder = name.split("_set/")[0], name.split("/")[1]
    content = read_text(path)
    try:
        images = msgspec.json.decode(content, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path}: expected a JSON object of images: {error}") from None
    for key, questions in images.items():
        where = f"{name}[{key[:40]}]"
        match = _KEY.fullmatch(key)
        if match is None or NUMBERS.get(match[1]) != (made := manipulation_of(folder)):
            yield unusable(where, key[:80], "", f"key: expected <number of {folder}>_<video>, got {key[:40]!r}")
        elif ("_" in match[2]) == (made == ffpp.ORIGINAL):
            yield unusable(where, key, "", f"key: expected one id for a real and two for a fake, got {key!r}")
        elif not isinstance(questions, dict):
            yield unusable(where, key, "", f"question: expected an object of questions, got {questions!r:.60}")
        else:
            yield from _read_image(where, split, key, Video(made, match[2]), questions)


def _read_image(where: str, split: str, key: str, video: Video, questions: dict[str, Any]) -> Iterator[Sourced[Said]]:
    number: Counter[str] = Counter()
    for name, asked in questions.items():
        place = f"{where}[{name[:40]}]"
        question, answers = (asked.get(part) if isinstance(asked, dict) else None for part in ("question", "answer"))
        if not isinstance(question, str) or question not in PARTS:
            yield unusable(place, key, "", f"question: not one of the six of DD-VQA: {question!r:.80}")
        elif not isinstance(answers, list):
            yield unusable(place, key, "", f"answer: expected a list of answers, got {answers!r:.60}")
        else:
            for index, text in enumerate(answers):
                number[question] += 1
                if isinstance(text, str):
                    said = Said(key, video, question, number[question], text)
                    row_id = f"{split}/{key}/{PARTS[question]}/{said.number}"
                    yield Sourced(f"{place}[{index}]", row_id, split, said)
                else:
                    yield unusable(f"{place}[{index}]", key, "", f"answer: expected a text, got {text!r:.60}")


def read_frame_file(path: Path) -> dict[str, int]:
    """key -> frame number, from CSV with the columns key and frame, or from JSON lines of the two."""
    frames: dict[str, int] = {}
    for line, row in _csv_rows(path) if path.suffix.lower() == ".csv" else read_rows(path):
        key, frame = row.get("key"), str(row.get("frame")).strip()
        if not isinstance(key, str) or not re.fullmatch("[0-9]{1,6}", frame):
            raise ValueError(f"{path}:{line}: expected key and frame, a number from 0, got {dict(row)!r:.80}")
        if key in frames:
            raise ValueError(f"{path}:{line}: {key[:40]!r} stands twice")
        frames[key] = int(frame)
    return frames


def rules_of(said: list[Said], rule: FrameRule, frames: dict[str, int] | None) -> dict[Video, FrameRule]:
    """video -> which of its frames are meant; without those that the frame file does not name."""
    if frames is None:
        return dict.fromkeys((one.video for one in said), rule)
    return {one.video: FrameRule("index", frames[one.key]) for one in said if one.key in frames}


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        table = csv.DictReader(file)
        try:
            yield from ((table.line_num, row) for row in table)
        except csv.Error as error:
            raise ValueError(f"{path}:{table.line_num + 1}: not CSV: {error}") from None


def annotated(said: list[Sourced[Said]]) -> dict[str, dict[str, int]]:
    """split -> the numbers of its images, questions and answers."""
    return {
        split: {
            "images": len({one.key for one in of}),
            "questions": len({(one.key, one.question) for one in of}),
            "answers": len(of),
        }
        for split in SPLITS
        for of in [[item.row for item in said if item.split == split]]
    }


def odd_answers(said: list[Sourced[Said]]) -> dict[str, dict[str, Any]]:
    """kind -> its rule, and which answers are odd by it."""
    kinds = [(item.where, odd(item.row.text, item.row.video.label)) for item in said]
    where = {kind: [place for place, of in kinds if kind in of] for kind in ODD_RULES}
    return {kind: {"rule": rule, "count": len(where[kind]), "where": where[kind]} for kind, rule in ODD_RULES.items()}


def leakage(said: list[Sourced[Said]], splits: ffpp.Splits) -> dict[str, Any]:
    """Which videos are not of their split of FaceForensics++."""
    ids = {split: {part for pair in pairs for part in pair} for split, pairs in splits.items()}
    pairs = {split: {*pairs, *(pair[::-1] for pair in pairs)} for split, pairs in splits.items()}
    videos = sorted({(item.split, item.row.video) for item in said})
    return {
        "videos": len(videos),
        "outside_their_split": [
            f"{split}: {video.name}" for split, video in videos if not {*video.id.split("_")} <= ids[split]
        ],
        "not_an_official_pair": [
            f"{split}: {video.name}"
            for split, video in videos
            if video.label == "fake" and tuple(video.id.split("_")) not in pairs[split]
        ],
        "ids_in_several_splits": ffpp.identities_in_several(splits),
    }
