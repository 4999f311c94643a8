"""DD-VQA as it lies on disk: its files, its answers, and the odd ones among them.

Zhang et al., "Common Sense Reasoning for Deep Fake Detection" (ECCV 2024), and the released annotations: DQ_FF++/
{train_set,test_set}/<manipulation>/<manipulation>.json holds {"<number>_<video>": {"0": {"question": …, "answer":
[…]}, …}}. The numbers of the questions are not stable, so their texts tell them apart.
"""

from __future__ import annotations

import csv
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from converters.conversion.sources import read_text
from converters.layouts import ffpp
from converters.layouts.ffpp import Video, manipulation_of
from swift_plugins.core.records import read_rows
from swift_plugins.core.tasks import fakevlm
from swift_plugins.core.tasks.verdicts import stated_verdicts

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
    """One answer on disk: its file and place, its image's key, the part asked about, its number from 1."""

    where: str
    split: str
    key: str
    video: Video
    question: str
    number: int
    text: str

    @property
    def id(self) -> str:
        return f"{self.split}/{self.key}/{PARTS[self.question]}/{self.number}"


Item = Said | tuple[str, str | None, str]  # an answer, or where one is wanting, its key, and why


def odd(text: str, label: str) -> set[str]:
    """Which of ODD_RULES hold for an answer."""
    answer = fakevlm.parse_trained(text).answer
    explanation = (answer.explanation or "").lower() if answer else ""
    opposite = {"real": "fake", "fake": "real"}[label]
    says = {match[1] for match in _SAYS.finditer(explanation)} | stated_verdicts(explanation)[0]
    found = {"contradictions"} if opposite in says else set()
    return found | ({"junk"} if not {*_WORD.findall(_FORM.sub(" ", explanation))} - _FILLERS else set())


def find_source(src: Path) -> dict[str, Path]:
    """name -> each annotation file, from DQ_FF++ or the folder that holds it; ValueError if there is none."""
    for root in (src, src / "DQ_FF++"):
        names = [f"{split}_set/{folder}/{folder}.json" for split in SPLITS for folder in FOLDERS]
        if files := {name: root / name for name in names if (root / name).is_file()}:
            return files
    raise ValueError(f"{src} holds no train_set/Deepfakes/Deepfakes.json or the like: {DOWNLOAD} and name its DQ_FF++")


def read_answers(name: str, path: Path) -> Iterator[Item]:
    """Yield each answer of a file, or (where, its key, why there is none)."""
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
            yield where, key[:80], f"key: expected <number of {folder}>_<video>, got {key[:40]!r}"
        elif ("_" in match[2]) == (made == ffpp.ORIGINAL):
            yield where, key, f"key: expected one id for a real and two for a fake, got {key!r}"
        elif not isinstance(questions, dict):
            yield where, key, f"question: expected an object of questions, got {questions!r:.60}"
        else:
            yield from _read_image(where, split, key, Video(made, match[2]), questions)


def _read_image(where: str, split: str, key: str, video: Video, questions: dict[str, Any]) -> Iterator[Item]:
    number: Counter[str] = Counter()
    for name, asked in questions.items():
        place = f"{where}[{name[:40]}]"
        question, answers = (asked.get(part) if isinstance(asked, dict) else None for part in ("question", "answer"))
        if not isinstance(question, str) or question not in PARTS:
            yield place, key, f"question: not one of the six of DD-VQA: {question!r:.80}"
        elif not isinstance(answers, list):
            yield place, key, f"answer: expected a list of answers, got {answers!r:.60}"
        else:
            for index, text in enumerate(answers):
                number[question] += 1
                if isinstance(text, str):
                    yield Said(f"{place}[{index}]", split, key, video, question, number[question], text)
                else:
                    yield f"{place}[{index}]", key, f"answer: expected a text, got {text!r:.60}"


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


def _csv_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        table = csv.DictReader(file)
        try:
            yield from ((table.line_num, row) for row in table)
        except csv.Error as error:
            raise ValueError(f"{path}:{table.line_num + 1}: not CSV: {error}") from None
