"""What scoring loads: nothing for its help, and no library that takes longer than the scoring itself."""

import json
import subprocess
import sys

import pytest

from eval.scorers import SCORERS, scorer_of
from eval.scorers.base import Scorer
from tests.scorers.test_deeptrace import fake, real, said
from tests.scorers.test_dfj_detect import verdict
from tests.scorers.test_dfj_pairwise import both
from tests.scorers.test_dfj_pointwise import judged, sure_of
from tests.scorers.test_dfj_reason import reasoned
from tests.scorers.test_fakevlm import FACES
from tests.scorers.test_loki import BY_HAND, chosen, explained
from tests.scoring import write_rows

ROWS = {
    "deeptrace": [fake(response=said()), real()],
    "dfj_pointwise": [judged("a", 2, 1, sure_of(1), ratings=[3, 4]), judged("b", 4, 4, sure_of(4))],
    "dfj_pairwise": both("p", "A", "A", "B"),
    "dfj_detect": [verdict("a", "real", "real", 0.1), verdict("b", "fake", "fake", 0.9)],
    "dfj_reason": [reasoned("a", judge_score=5), reasoned("b", None)],
    "fakevlm": FACES,
    "loki_tf": BY_HAND,
    "loki_mc": [chosen("a", "fake", "A", "A"), chosen("b", "real", "B", "A")],
    "loki_open": [explained("a", "odd shadows", "odd light"), explained("b", "dim", "")],
}


def loaded(root, folder, *options):
    """(what the command prints, the modules that it has loaded, its CPU time in s)."""
    code = (
        "import sys, runpy; sys.argv[:] = sys.argv[1:]\n"
        "try: runpy.run_path(sys.argv[0], run_name='__main__')\n"
        "except SystemExit: pass\n"
        "import time; print(time.process_time(), *sys.modules)"
    )
    command = [sys.executable, "-c", code, str(root / "eval" / "score.py"), *map(str, options)]
    out = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True).stdout
    *said, modules = out.splitlines()
    seconds, *names = modules.split()
    return "\n".join(said), set(names), float(seconds)


def test_help_loads_nothing_and_runs_from_anywhere(root, tmp_path):
    said, modules, _ = loaded(root, tmp_path, "--help")
    assert "--pred" in said
    assert not modules & {"torch", "numpy", "scipy", "sklearn", "pandas", "jinja2", "av"}


def copies(rows, n):
    """The rows under other ids, of other media."""
    for row in rows:
        meta = row["meta"] | {key: f"{row['meta'][key]}{n}" for key in ("media_id", "pair") if key in row["meta"]}
        yield row | {"id": f"{row['id']}{n}", "meta": meta}


@pytest.mark.parametrize("task", SCORERS)
def test_scores_come_without_scikit_learn_scipy_and_pandas(root, tmp_path, task):
    rows = [row for i in range(0, 30, len(ROWS[task])) for row in copies(ROWS[task], i)]
    said, modules, seconds = loaded(root, tmp_path, "--pred", write_rows(tmp_path / "out.jsonl", rows), "--json")
    report = json.loads(said)
    assert any(metric["value"] is not None for metric in report["metrics"].values())
    assert "numpy" in modules
    assert not modules & {"torch", "scipy.stats", "sklearn", "pandas", "jinja2", "av", "PIL"}
    assert seconds < 1.5


@pytest.mark.parametrize("task", SCORERS)
def test_each_task_has_one_scorer_which_states_what_a_report_shows(task):
    scorer = scorer_of(task)
    assert isinstance(scorer, Scorer)
    assert {*scorer.slice_metrics} <= {*scorer.metrics}
    assert scorer.policy["unparsed"]
