"""What the tests of the DeepfakeJudge converter make their datasets of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from PIL import Image

from converters.deepfakejudge_to_swift import main
from converters.layouts.deepfakejudge import SUBSETS
from swift_plugins.core.records import read_rows
from swift_plugins.core.tasks.candidates import fill

NAMES = "abcdef"  # of the images that every subset's folder has
POINT = "<image>\nThe image is {ground_truth_label}.\nThe candidate:\n{candidate_response}\nRate it from 1 to 5."
PAIR = "<image>\nThe image is {ground_truth_label}.\nA: {response_a}\nB: {response_b}\nWhich one is better?"
LABELS = ("real", "fake", "edited")


def said(text: str, verdict: str = "fake") -> str:
    """A candidate in the dataset's form."""
    return f"<reasoning>{text}</reasoning> <answer>{verdict}</answer>"


def messages(prompt: str, answer: str | None = None) -> list[dict[str, str]]:
    found = [{"role": "user", "content": prompt}]
    return found if answer is None else [*found, {"role": "assistant", "content": answer}]


def pointwise(i: int = 0, template: str = POINT, text: str | None = None, **changes: Any) -> dict[str, Any]:
    """Row i of a pointwise subset in ms-swift's form; labels, images and scores take turns."""
    label, text = LABELS[i % 3], said(f"sign {i}") if text is None else text
    prompt = fill(template, {"ground_truth_label": label, "candidate_response": text}).text
    answer = f"<reasoning>It is {label} because of {i}.</reasoning>\n<score>{i % 5 + 1}</score>"
    return {"messages": messages(prompt, answer), "images": [f"images/{NAMES[i % 6]}.png"], "label": label} | changes


def pairwise(i: int = 0, template: str = PAIR, **changes: Any) -> dict[str, Any]:
    label = LABELS[i % 3]
    slots = {"ground_truth_label": label, "response_a": said(f"left {i}"), "response_b": said(f"right {i}", "real")}
    return {
        "messages": messages(fill(template, slots).text, f"<answer>{'AB'[i % 2]}</answer>"),
        "images": [f"images/{NAMES[i % 6]}.png"],
        "label": label,
    } | changes


def bare(**changes: Any) -> dict[str, Any]:
    """A pointwise row of fields alone."""
    return {"images": ["images/a.png"], "label": "fake", "candidate_response": said("a sign"), "score": 4} | changes


BENCH = {"images": ["images/b.png"], "answer": "fake", "reasoning": "Odd."}  # a row of detect or reason


def source(root: Path, parts: dict[str, list[Any] | bytes]) -> Path:
    """A dataset of these subsets, whose images all differ."""
    for name, rows in parts.items():
        folder = (root / SUBSETS[name].path).parent
        (folder / "images").mkdir(parents=True, exist_ok=True)
        for i, letter in enumerate(NAMES):
            Image.new("RGB", (40, 40), (list(SUBSETS).index(name), i, 0)).save(folder / "images" / f"{letter}.png")
        text = rows if isinstance(rows, bytes) else "".join(json.dumps(row) + "\n" for row in rows).encode()
        (folder / "data.jsonl").write_bytes(text)
    return root


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


class Converted:
    """What a conversion wrote."""

    def __init__(self, src: Path, out: Path, *options: str):
        assert main(["--src", str(src), "--out", str(out), "--workers", "1", *options]) == 0
        self.out = out
        self.manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        self.subsets = {name: [row for _, row in read_rows(out / f"{name}.jsonl")] for name in self.manifest["counts"]}
        self.rows = [row for rows in self.subsets.values() for row in rows]
        self.rejects = [row for _, row in read_rows(out / "rejects.jsonl")]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
