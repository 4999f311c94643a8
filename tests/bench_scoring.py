"""How fast predictions are scored, beside a script of pandas and scikit-learn that scores verdicts alone.

    python tests/bench_scoring.py

Synthetic answers of every task, with texts of 10 to 60 words, two rows a medium. Times are CPU seconds of the whole
command, start and imports included. A run with a --baseline has the exchanges of every metric in it. The script
(`BY_PANDAS`) computes accuracy, both F1s, AUC, average precision and the Brier score of dfj_detect, and their intervals
by a bootstrap of media with as many draws as score.py has exchanges; it reads no explanations and knows no slices.
"""

from __future__ import annotations

import argparse
import random
import resource
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval import score
from eval.estimates.swaps import SWAPS
from eval.scorers import SCORERS
from swift_plugins.core.records import encode
from tests.bench_converter import sentence
from tests.benching import SMALLER, fewer
from tests.scorers.test_deeptrace import fake, real, said
from tests.scorers.test_dfj_detect import verdict
from tests.scorers.test_dfj_pairwise import both
from tests.scorers.test_dfj_pointwise import judged
from tests.scorers.test_dfj_reason import reasoned
from tests.scorers.test_fakevlm import answered
from tests.scorers.test_loki import asked, chosen, explained

FEW, MANY = 10_000, 100_000
TARGETS = {FEW: 4.0, MANY: 30.0}  # CPU seconds
MEMORY, REPORT = 1500, 10.0  # MB; s for the report of FEW cases
LARGE = ("deeptrace", "dfj_detect", "dfj_reason", "fakevlm")  # the tasks that are scored with MANY rows, too
BY_PANDAS = f"""
import re, sys
import numpy as np, pandas as pd
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, f1_score, roc_auc_score

rows = pd.read_json(sys.argv[1], lines=True)
meta = pd.DataFrame(rows.meta.tolist())
fake = (meta.label != "real").to_numpy()
said = rows.response.str.extract(r"<answer>(\\w+)</answer>")[0]
told = np.where(said.isna(), ~fake, said == "fake")
p = np.where(said.isna(), 1.0 - fake, rows.p_fake)

def metrics(i):
    return [accuracy_score(fake[i], told[i]), f1_score(fake[i], told[i]), f1_score(~fake[i], ~told[i]),
            roc_auc_score(fake[i], p[i]), average_precision_score(fake[i], p[i]), brier_score_loss(fake[i], p[i])]

groups = [g.to_numpy() for g in meta.groupby("media_id").groups.values()]
rng, names = np.random.default_rng(0), ["accuracy", "fake_f1", "real_f1", "auc", "average_precision", "brier"]
drawn = (np.concatenate([groups[g] for g in rng.integers(0, len(groups), len(groups))]) for _ in range({SWAPS}))
draws = [metrics(rows) for rows in drawn]
for name, value, ends in zip(names, metrics(np.arange(len(fake))), np.percentile(draws, [2.5, 97.5], axis=0).T):
    print(name, round(value, 4), ends.round(4))
"""


def rows_of(task: str, count: int, skill: float, seed: int) -> Iterator[dict[str, Any]]:
    """So many answers, two of a medium, that are right as often as `skill` makes them."""
    truth, rng = random.Random(0), random.Random(seed)
    for i in range(count):
        label, gold, medium = truth.choice(("real", "fake")), sentence(truth, 10, 60), {"media_id": f"m{i // 2}"}
        right = rng.random() < skill
        p = (0.5 + 0.5 * rng.random()) if (label == "fake") == right else 0.5 * rng.random()
        told, place, level = "fake" if p > 0.5 else "real", truth.choice("AB"), truth.randint(1, 5)
        text = " ".join(word for word in gold.split() if rng.random() < skill) or "nothing"
        pick = place if right else "AB".replace(place, "")
        if task == "deeptrace":
            x = truth.randint(0, 200)
            box, facts = [x, 20, x + 100, 120], {"source": truth.choice(("Sora", "Gen-3")), "explanation": gold}
            spoken = said(str([x + rng.randint(0, 40), 20, x + 110, 120]), str(level), f" The reason is because {text}")
            told_of = spoken if told == "fake" else "REAL. The video is real. There is no unnatural part."
            yield (
                real(f"r{i}", told_of, **medium)
                if label == "real"
                else fake(f"r{i}", told_of, bbox=box, **facts | medium)
            )
        elif task == "dfj_detect":
            yield verdict(f"r{i}", label, told, p, **medium)
        elif task == "dfj_reason":
            yield reasoned(f"r{i}", text, gold, level, told, label=label, **medium) | {"p_fake": p}
        elif task == "dfj_pairwise" and i % 2 == 0:
            yield from both(f"p{i}", place, pick, rng.choice("AB"))
        elif task == "dfj_pointwise":
            yield judged(f"r{i}", level, level if right else rng.randint(1, 5), dict.fromkeys("12345", 0.2), **medium)
        elif task == "fakevlm":
            yield answered(f"r{i}", label, f"This is a {told} image. {text}", p, gold=gold, **medium)
        elif task == "loki_tf" and i % 2 == 0:
            yield from (asked(f"m{i}", label, asks, "Yes" if asks == told else "No", p) for asks in ("real", "fake"))
        elif task == "loki_mc":
            yield chosen(f"r{i}", label, place, pick, **medium)
        elif task == "loki_open":
            yield explained(f"r{i}", gold, text, **medium)


def write(folder: Path, task: str, count: int) -> list[Path]:
    """The files of a trained model's answers and of an untrained one's."""
    paths = []
    for name, skill, seed in (("trained", 0.9, 1), ("untrained", 0.6, 2)):
        paths.append(folder / f"{task}_{count}_{name}.jsonl")
        with open(paths[-1], "wb") as file:
            file.writelines(encode(row) + b"\n" for row in rows_of(task, fewer(count), skill, seed))
    return paths


def timed(*command: object) -> tuple[float, float]:
    """(CPU seconds, peak MB of the largest process so far) of a command."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *map(str, command)], check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, after.ru_maxrss / 1024


def told(what: str, seconds: float, target: float, peak: float = 0.0) -> None:
    met = seconds < target and peak < MEMORY
    print(f"{what:44}{seconds:8.2f} s{peak:8.0f} MB   target {target:g} s: {'met' if met else 'NOT met'}", flush=True)


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    script = Path(score.__file__)
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        for task in SCORERS:
            this, other = write(folder, task, FEW)
            told(f"{task}, {FEW:,} rows", *_with(timed(script, "--pred", this), FEW))
            told(
                f"{task}, {FEW:,} rows and a baseline",
                *_with(timed(script, "--pred", this, "--baseline", f"b={other}"), FEW),
            )
        this = folder / f"dfj_detect_{FEW}_trained.jsonl"
        told(f"report of {FEW:,} cases", timed(script, "--pred", this, "--out", folder / "report")[0], REPORT)
        if SMALLER == 1:
            seconds, _ = timed("-c", BY_PANDAS, this)
            print(f"{f'pandas and scikit-learn, {SWAPS} draws':44}{seconds:8.2f} s")
        for task in LARGE:
            told(f"{task}, {MANY:,} rows", *_with(timed(script, "--pred", write(folder, task, MANY)[0]), MANY))


def _with(measured: tuple[float, float], count: int) -> tuple[float, float, float]:
    return measured[0], TARGETS[count], measured[1]


if __name__ == "__main__":
    main()
