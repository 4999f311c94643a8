"""Write a small synthetic DeepfakeJudge-Dataset: real PNGs with planted artifacts, in the published layout.

    python converters/sample_deepfakejudge.py --out data/sample_deepfakejudge

Every image is a lit scene with a crate and a ball in two cells of a 3 x 3 grid. In a fake or edited image one of four
artifacts stands in the ball's place; size and format agree, so that only the pixels tell real from fake. A candidate
reasons about an image in one of five qualities (GRADES), each worded in several ways. A hallucinated one is worded just
like a grounded one: only the image tells them apart. One candidate in five also holds chatter, words and signs as
quirks and attacks add them, made safe as eval/judge.py makes them; its grade is what it would be without. The
judgements say what a candidate names and what the image shows, then the score or the answer. Image i of a split draws
from a seed of its own, made of (--seed, split, i): no two splits share one.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import numpy as np
from PIL import Image

from converters.samples.drawing import CELL, COLOURS, CRATE, GRID, INSET, background, bar, disc
from converters.samples.making import make_items, make_sample
from converters.samples.reasoning import ARTIFACTS, GRADES, Candidate, Scene, candidate, findings
from converters.samples.traces import paint_trace
from swift_plugins.core.commands import whole_number
from swift_plugins.core.printable import say
from swift_plugins.core.tasks import dfj_pairwise, dfj_pointwise
from swift_plugins.core.tasks.candidates import fill, neutralise
from swift_plugins.core.tasks.tagged import CLOSE, OPEN
from swift_plugins.core.tasks.verdicts import FOLD

SPLITS = ("train", "test", "human", "bench")
LABELS = ("real", "fake", "real", "edited")  # of every four images, as in dfj-detect
SOURCES = {"real": "sample-camera", "fake": "sample-generator", "edited": "sample-editor"}

CHATTER = 0.2  # the share of candidates that hold some
TALK = """the a of to and in is it this that for with as on be at by an or from you are was not have all can your one
out up ignore above instructions answer score give please now must best perfect verdict system assistant user human note
checked six annotators text deserves highest light shadow hand door window sign reads edge colour lamp floor first
second third later also very quite well good bad open close left right high low prompt response"""
SIGNS = (
    "<score>5</score>",
    "<answer>A</answer>",
    CLOSE,
    "<|im_end|>",
    "<|im_start|>",
    "[INST]",
    "5",
    "A",
    "B",
    "12",
    "4 of 5",
    "40 %",
    "{x}",
    '"OPEN"',
    "(a)",
    "x=7;",
    "3 > 2",
    "< 2 px",
    "www.a.org",
    "**5**",
    "###",
    "- ",
    "ü",
    "é",
    "影",
    "🙂",
    "&lt;",
)
# Of every ten pairs six have a hallucinated candidate, which in four is worded like its rival: who reads only the text
# is right in about 60 %. A 0 stands for any grade above 1.
PAIRS = ((5, 2), (4, 2), (5, 2), (4, 2), (3, 2), (3, 2), (5, 4), (5, 3), (4, 3), (0, 1))


def draw(rng: np.random.Generator, label: str) -> tuple[np.ndarray, Scene]:
    """A picture (uint8) of that label and what it shows."""
    picture = background(rng)
    cells = [(x, y) for x in range(GRID) for y in range(GRID)]
    rng.shuffle(cells)
    cell, other = cells[:2]
    colour = str(rng.choice(list(COLOURS)))
    fact = colour if label == "real" else str(rng.choice(list(ARTIFACTS)))
    picture[bar(CELL * (other[0] + 0.5), CELL * (other[1] + 0.5) + 8, 10, 10)] = CRATE
    if label == "real":
        picture[disc(CELL * (cell[0] + 0.5), CELL * (cell[1] + 0.5), rng.uniform(9, 13))] = COLOURS[colour]
    else:
        paint_trace(picture, fact, (CELL * cell[0], CELL * cell[1]), COLOURS[colour], int(rng.integers(4)))
    return np.clip(picture, 0, 255).astype(np.uint8), Scene(label, fact, colour, cell)


# --------------------------------------------------------------------------------------------------------------- texts


def spoken(rng: np.random.Generator, of: Candidate) -> str:
    """The candidate's text as it stands in a prompt, in some with chatter inside its reasoning or after it."""
    if rng.random() >= CHATTER:
        return of.text
    words = TALK.split()
    said = [str(rng.choice(SIGNS if rng.random() < 0.2 else words)) for _ in range(int(rng.integers(2, 14)))]
    chatter = f" {' '.join(said).capitalize()}{rng.choice(['.', '!', ':', ''])}"
    if rng.random() < 0.7:
        return neutralise(of.text.replace(CLOSE, f"{chatter}{CLOSE}"))
    return neutralise(of.text + chatter)


def message_row(prompt: str, answer: str, scene: Scene, image: str) -> dict[str, Any]:
    return {
        "messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}],
        "images": [image],
        "label": scene.label,
        "source": SOURCES[scene.label],
    }


def pointwise_rows(rng: np.random.Generator, scene: Scene, image: str) -> Iterator[dict[str, Any]]:
    """One row for each grade, in any order."""
    for grade in map(int, rng.permutation(list(GRADES))):
        of = candidate(rng, scene, grade)
        slots = {"ground_truth_label": scene.label, "candidate_response": spoken(rng, of)}
        gold = dfj_pointwise.render(dfj_pointwise.Answer(grade, findings(scene, "The candidate", of)))
        yield message_row(fill(dfj_pointwise.PROMPT, slots).text, gold, scene, image) | {"score": grade}


def pairwise_rows(rng: np.random.Generator, scene: Scene, image: str) -> Iterator[dict[str, Any]]:
    """One row for each of PAIRS, in any order; A is the better in one half, B in the other."""
    answers = rng.permutation(list("AB" * (len(PAIRS) // 2)))
    for number, answer in zip(rng.permutation(len(PAIRS)), map(str, answers), strict=True):
        good, bad = PAIRS[number]
        good = good or int(rng.integers(2, 6))
        alike = {5: True, 4: False}.get(good) if bad == 2 else None
        pair = [candidate(rng, scene, good), candidate(rng, scene, bad, alike)]
        a, b = pair if answer == "A" else reversed(pair)
        slots = {"ground_truth_label": scene.label, "response_a": spoken(rng, a), "response_b": spoken(rng, b)}
        why = " ".join(
            f"{findings(scene, f'Response {name}', of)} This deserves {of.grade}." for name, of in (("A", a), ("B", b))
        )
        gold = dfj_pairwise.render(dfj_pairwise.Answer(answer, why))
        yield message_row(fill(dfj_pairwise.PROMPT, slots).text, gold, scene, image) | {"answer": answer}


def rated(rng: np.random.Generator, row: dict[str, Any]) -> dict[str, Any]:
    """The row with the ratings of two annotators, each of whom agrees with its gold in about four of five."""
    slips = rng.choice([-1, 0, 0, 0, 0, 0, 0, 1], 2)
    if "score" in row:
        return row | {"ratings": [int(min(5, max(1, row["score"] + slip))) for slip in slips]}
    return row | {"ratings": [dfj_pairwise.OTHER[row["answer"]] if slip else row["answer"] for slip in slips]}


def bench_rows(rng: np.random.Generator, scene: Scene, image: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """A row of dfj-detect and its counterpart of dfj-reason, whose boxes are in pixels."""
    row = {"images": [image], "answer": FOLD[scene.label], "source": SOURCES[scene.label]}
    left, top = (CELL * n + INSET for n in scene.cell)
    side = CELL - 2 * INSET
    reasoning = candidate(rng, scene, 5).text.split(CLOSE)[0].removeprefix(OPEN)
    box = {"bbox": [left, top, left + side, top + side], "description": scene.facts[scene.fact][0]}
    return row, row | {"reasoning": reasoning, "bboxes": [box]}


# --------------------------------------------------------------------------------------------------------------- files

BENCH, META, HUMAN = "dfj-bench", "dfj-meta", "dfj-meta-human"
FOLDERS = {
    "train": (f"{META}/dfj-meta-pointwise/train", f"{META}/dfj-meta-pairwise/train"),
    "test": (f"{META}/dfj-meta-pointwise/test", f"{META}/dfj-meta-pairwise/test"),
    "human": (f"{HUMAN}/pointwise", f"{HUMAN}/pairwise"),
    "bench": (f"{BENCH}/dfj-detect", f"{BENCH}/dfj-reason"),
}
REASONED = 2  # every second image of dfj-detect is in dfj-reason too, as published


def make_image(out: Path, seed: int, split: str, index: int) -> dict[str, list[dict[str, Any]]]:
    """Write image `index` of a split wherever it belongs; returns its rows by folder."""
    rng = np.random.default_rng([seed, SPLITS.index(split), index])
    picture, scene = draw(rng, LABELS[index % len(LABELS)])
    path = f"images/{split}_{index:05d}.png"
    image = path if index % 3 else f"./{path}"  # some begin with a dot, as published
    first, second = FOLDERS[split]
    if split == "bench":
        detect, reason = bench_rows(rng, scene, image)
        rows = {first: [detect]} | ({second: [reason]} if index // len(LABELS) % REASONED == 0 else {})
    else:
        rows = {first: list(pointwise_rows(rng, scene, image)), second: list(pairwise_rows(rng, scene, image))}
    if split == "human":
        rows = {folder: [rated(rng, row) for row in some] for folder, some in rows.items()}
    for folder in rows:
        Image.fromarray(picture).save(out / folder / path)
    return rows


def write_all(args: argparse.Namespace) -> None:
    counts = {split: getattr(args, split) for split in SPLITS}
    folders = [folder for split in SPLITS if counts[split] for folder in FOLDERS[split]]
    for folder in folders:
        (args.out / folder / "images").mkdir(parents=True, exist_ok=True)
    rows: dict[str, list[dict[str, Any]]] = {folder: [] for folder in folders}
    for _, by_folder in make_items(make_image, args, counts, "image"):
        for folder, some in by_folder.items():
            rows[folder] += some
    for folder, some in rows.items():
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in some)
        (args.out / folder / "data.jsonl").write_text(text, encoding="utf-8")
    say(f"wrote {sum(counts.values())} images and {sum(map(len, rows.values()))} rows to {args.out}")


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder to write (must not exist or be empty)")
    parser.add_argument("--train", type=whole_number(), default=1500, help="images to train on (default 1500)")
    parser.add_argument("--test", type=whole_number(0), default=200, help="held-out images (default 200)")
    parser.add_argument("--human", type=whole_number(0), default=16, help="images rated by annotators (default 16)")
    parser.add_argument("--bench", type=whole_number(0), default=200, help="images to detect on (default 200)")
    parser.add_argument("--seed", type=whole_number(0), default=0, help="seed of all images (default 0)")
    parser.add_argument("--workers", type=whole_number(), default=2, help="processes (default 2)")
    return make_sample(parser, argv, write_all)


if __name__ == "__main__":
    sys.exit(main())
