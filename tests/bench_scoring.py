"""How fast predictions are scored, beside a script of pandas and scikit-learn that scores their verdicts alone.

    python tests/bench_scoring.py

Synthetic answers of every task, with texts of 10 to 60 words, two rows a medium. Times are CPU seconds of the whole
command, start and imports included, memory is its peak. A run with a --baseline has the exchanges of every metric in
it. The script (`BY_PANDAS`) computes accuracy, F1 and kappa, and with P(fake) AUC, average precision and the Brier
score, and their intervals by a bootstrap of media with as many draws as score.py has exchanges, of which it makes some
and says how long all would take; it reads no explanations and knows no slices.
"""

from __future__ import annotations

import argparse
import os
import random
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
MEMORY, REPORT = 1500, 10.0  # MB; CPU seconds for the report of FEW cases
DRAWS = SWAPS // 50  # that the script makes
# What an answer says, as the script finds it in the text, and the key of meta with the truth.
SAID = {
    "deeptrace": (r"^(\w+)", "label"),
    "dfj_pointwise": (r"<score>(\d)</score>", "score"),
    "dfj_pairwise": (r"<answer>(\w+)</answer>", "answer"),
    "dfj_detect": (r"<answer>(\w+)</answer>", "label"),
    "dfj_reason": (r"<answer>(\w+)</answer>", "label"),
    "fakevlm": (r"This is a (\w+) image", "label"),
    "loki_mc": (r"^(\w)", "answer"),
}
BY_PANDAS = """
import sys, time
import numpy as np, pandas as pd
from sklearn.metrics import accuracy_score, average_precision_score, brier_score_loss, cohen_kappa_score, f1_score
from sklearn.metrics import roc_auc_score

SCORES = roc_auc_score, average_precision_score, brier_score_loss
path, pattern, key, count, wanted = sys.argv[1:]
rows = pd.read_json(path, lines=True)
meta = pd.DataFrame(rows.meta.tolist())
true = meta[key].astype(str).str.lower().to_numpy()
told = rows.response.str.extract(pattern)[0].str.lower().fillna("none").to_numpy()
fake = true == "fake"
true, told = np.unique([true, told], return_inverse=True)[1].reshape(2, -1)
p = rows.p_fake.to_numpy(float) if "p_fake" in rows and rows.p_fake.notna().all() else None

def metrics(i):
    found = [accuracy_score(true[i], told[i]), f1_score(true[i], told[i], average="macro", zero_division=0)]
    found.append(cohen_kappa_score(true[i], told[i]))
    if p is not None:
        found += [score(fake[i], p[i]) for score in SCORES]
    return found

groups, rng = [g.to_numpy() for g in meta.groupby("media_id").groups.values()], np.random.default_rng(0)
begin = time.process_time()
drawn = (np.concatenate([groups[g] for g in rng.integers(0, len(groups), len(groups))]) for _ in range(int(count)))
draws = [metrics(some) for some in drawn]
seconds = time.process_time() - begin
for value, ends in zip(metrics(np.arange(len(true))), np.percentile(draws, [2.5, 97.5], axis=0).T):
    print(round(value, 4), ends.round(4), file=sys.stderr)
print(time.process_time() + seconds * (int(wanted) / int(count) - 1))
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
    """(CPU seconds, peak MB) of a command."""
    with open(os.devnull, "w") as nothing:
        process = subprocess.Popen([sys.executable, *map(str, command)], stdout=nothing)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise RuntimeError(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def by_pandas(path: Path, task: str) -> float | None:
    """The CPU seconds that the script would take with all draws; None for answers of which it knows nothing."""
    if task not in SAID or SMALLER > 1:
        return None
    command = [sys.executable, "-c", BY_PANDAS, str(path), *SAID[task], str(DRAWS), str(SWAPS)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def tell(what: str, measured: tuple[float, float], target: float, beside: str = "") -> None:
    seconds, peak = measured
    met = "met" if seconds < target and peak < MEMORY else "NOT met"
    print(f"{what:44}{seconds:8.2f} s{peak:8.0f} MB   target {target:g} s, {MEMORY} MB: {met}{beside}", flush=True)


def score_both(folder: Path, task: str, count: int, before: tuple[float, float] | None = None) -> tuple[float, float]:
    """The CPU seconds of so many rows, alone and with a baseline, of which it tells beside those of fewer rows."""
    this, other = write(folder, task, count)
    script = by_pandas(this, task) if before is None else None
    seconds = []
    for i, (beside_it, more) in enumerate((("", []), (" and a baseline", ["--baseline", f"b={other}"]))):
        measured = timed(score.__file__, "--pred", this, *more)
        beside = f"   {measured[0] / before[i]:.1f} times as long as {FEW:,}" if before else ""
        if script and more:
            beside = f"   the script {script:.0f} s, {script / measured[0]:.0f} times as long"
        tell(f"{task}, {count:,} rows{beside_it}", measured, TARGETS[count], beside)
        seconds.append(measured[0])
    return seconds[0], seconds[1]


def main() -> None:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    with tempfile.TemporaryDirectory() as root:
        folder = Path(root)
        few = {task: score_both(folder, task, FEW) for task in SCORERS}
        page = ("--pred", folder / f"dfj_detect_{FEW}_trained.jsonl", "--out", folder / "report")
        tell(f"report of {FEW:,} cases", timed(score.__file__, *page), REPORT)
        for task in SCORERS:
            score_both(folder, task, MANY, few[task])


if __name__ == "__main__":
    main()
