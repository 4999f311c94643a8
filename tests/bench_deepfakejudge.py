"""How fast the DeepfakeJudge converter is on one core, beside Hugging Face `datasets` doing the same.

    python tests/bench_deepfakejudge.py

Both read the same synthetic pointwise training set (as many rows on as many images as published, no image files), build
every row by the same make_row and write JSONL; the converter also tells the keys and the prompt from the rows, looks
for leakage, hashes its files and writes the manifest. Each repeat runs in a new process; its start and imports are not
counted, CPU time is.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import sys
import tempfile
from pathlib import Path

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from converters import deepfakejudge_to_swift
from converters.conversion.sources import Sourced
from converters.layouts.deepfakejudge import SUBSETS
from converters.layouts.deepfakejudge_rows import Fields, read_raw
from converters.rows.deepfakejudge import make_row
from converters.rows.judge_prompts import find_candidates
from swift_plugins.core.tasks import get_task
from swift_plugins.core.tasks.candidates import fill
from swift_plugins.core.tasks.verdicts import LABELS
from tests.bench_converter import apart, measured, sentence
from tests.benching import REPEATS, fewer

NAME = "pointwise/train"
SUBSET = SUBSETS[NAME]
TARGET = 10_000  # rows a second
PROMPT = (
    "<image>\nYou grade explanations of whether an image is real, fake or edited. This one is {ground_truth_label}.\n"
    "### Candidate\n{candidate_response}\n### Form\n<reasoning>why {briefly}</reasoning>\n<score>1-5</score>\n"
)


def write_pointwise(folder: Path) -> int:
    """Write the subset as it is published: 25 rows an image, explanations of 60 to 140 words."""
    rng, file = random.Random(0), folder / "src" / SUBSET.path
    file.parent.mkdir(parents=True)
    with file.open("w", encoding="utf-8") as out:
        for i in range(fewer(SUBSET.rows)):
            image = i % fewer(SUBSET.images)
            label = LABELS[image % 3]
            said = f"<reasoning>{sentence(rng, 60, 140)}</reasoning> <answer>{rng.choice(LABELS)}</answer>"
            prompt = fill(PROMPT, {"ground_truth_label": label, "candidate_response": said}).text
            score = rng.randint(1, 5)
            answer = f"<reasoning>{sentence(rng, 30, 80)}</reasoning>\n<score>{score}</score>"
            row = {
                "messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}],
                "images": [f"./images/{image:05d}.png"],
                "label": label,
                "score": score,
                "source": "bench",
            }
            out.write(json.dumps(row) + "\n")
    return fewer(SUBSET.rows)


def by_converter(folder: Path) -> tuple[float, float]:
    options = ["--src", str(folder / "src"), "--out", str(folder / "out"), "--check", "none", "--workers", "1"]
    with contextlib.redirect_stderr(io.StringIO()):
        return measured(lambda: deepfakejudge_to_swift.main(options))


def by_datasets(folder: Path) -> tuple[float, float]:
    import datasets

    datasets.disable_progress_bars()
    file = folder / "src" / SUBSET.path

    def convert() -> None:
        table = datasets.load_dataset("json", data_files=str(file), split="train", cache_dir=str(folder / "cache"))
        fields = Fields(str(file), SUBSET.task, [dict.fromkeys(table.column_names)])

        def row(raw: dict, line: int) -> dict:
            found = read_raw(raw, fields)
            find_candidates([found], tuple(get_task(SUBSET.task).CANDIDATES))
            item = Sourced(str(file), f"{NAME}/{line + 1}", NAME, found, path=str(file.parent / found.image))
            return make_row(item, SUBSET, None)

        table.map(row, with_indices=True, remove_columns=table.column_names).to_json(folder / "datasets.jsonl")

    return measured(convert)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    os.environ["HF_HUB_OFFLINE"] = "1"
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        count = apart(write_pointwise, folder)
        size = (folder / "src" / SUBSET.path).stat().st_size / 1e6
        print(f"{count:,} rows, {size:.0f} MB, one process; best of {REPEATS} (datasets: once)")
        ours = min(apart(by_converter, folder) for _ in range(REPEATS))
        theirs = apart(by_datasets, folder)
    print(f"{'':28}{'us/row':>10}{'rows/s':>10}{'peak MB':>10}")
    for name, (seconds, peak) in {"deepfakejudge_to_swift.py": ours, "datasets": theirs}.items():
        print(f"{name:28}{seconds / count * 1e6:10.1f}{count / seconds:10,.0f}{peak:10,.0f}")
    print(f"{theirs[0] / ours[0]:.1f} times as fast as load_dataset, map and to_json of datasets")
    print(f"target {TARGET:,} rows/s: {'met' if count / ours[0] >= TARGET else 'NOT met'}")


if __name__ == "__main__":
    main()
