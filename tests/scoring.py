"""Rows as prediction writes them, and their scoring through the command line."""

import contextlib
import io
import json

import numpy as np
import pytest

from eval.estimates.clusters import Clusters
from eval.estimates.permutation import swapped
from eval.estimates.sums import Sums
from eval.estimates.swaps import Swaps
from eval.score import main
from swift_plugins.core.media import content_hash


def read_by_run(row):
    """The row of a run that read the media which it names."""
    return row | {"media_sha256": content_hash([*row.get("images", []), *row.get("videos", [])])}


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def score_rows(folder, rows, *options):
    """The report of the rows, as eval/score.py prints it."""
    pred, out = write_rows(folder / "out.jsonl", rows), io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["--pred", str(pred), "--json", *map(str, options)]) == 0
    return json.loads(out.getvalue())


def table_of(folder, rows, *options):
    """What eval/score.py prints for people."""
    pred, out = write_rows(folder / "out.jsonl", rows), io.StringIO()
    with contextlib.redirect_stdout(out):
        assert main(["--pred", str(pred), *map(str, options)]) == 0
    return out.getvalue()


def refusal(folder, capsys, rows, *options):
    """The one line with which the rows are refused."""
    pred = write_rows(folder / "out.jsonl", rows)
    assert main(["--pred", str(pred), *map(str, options)]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def check_influences(scorer, cases, names, weighted=()):
    """The variance of every metric but the AUCs is the jackknife's, by measuring without each cluster in turn.

    Not of those `weighted` by what the other rows are.
    """
    index = Clusters(names).index
    without = [
        scorer.measure([cases[i] for i in np.flatnonzero(keep)], np.arange(keep.sum()), Clusters(np.array(names)[keep]))
        for keep in (index != cluster for cluster in range(index.max() + 1))
    ]
    for name, found in scorer.measure(cases, np.arange(len(cases)), Clusters(names)).items():
        if isinstance(found.statistic, Sums) and found.value is not None and name not in weighted:
            left = np.array([one[name].value for one in without])[found.statistic.measured]
            variance = (1 - 1 / len(left)) * ((left - left.mean()) ** 2).sum()
            assert (found.statistic.influence**2).sum() == pytest.approx(variance), name


def exchanged(this, other, flags):
    """The difference of two runs' statistics for each line of flags (lines, clusters), which clusters are exchanged."""
    swaps = Swaps(np.packbits(np.asarray(flags).T, axis=1), len(flags))
    return swapped([(this, other)], swaps)[0]


def check_swaps(scorer, cases, others, names):
    """The difference of every metric after an exchange is the one measured on the exchanged answers."""
    clusters, every = Clusters(names), np.arange(len(cases))
    this, other = (scorer.measure(some, every, clusters) for some in (cases, others))
    for swap in np.random.default_rng(0).random((5, clusters.count)) < 0.5:
        pairs = [(b, a) if swap[i] else (a, b) for a, b, i in zip(cases, others, clusters.index, strict=True)]
        here, there = (scorer.measure(some, every, clusters) for some in zip(*pairs, strict=True))
        for name, found in this.items():
            if None not in (found.value, other[name].value):
                apart = exchanged(found.statistic, other[name].statistic, swap[None])[0]
                assert apart == pytest.approx(here[name].value - there[name].value, abs=1e-9), name


def values(report):
    return {name: metric["value"] for name, metric in report["metrics"].items()}


def answer_row(task, row_id, response, question, **meta):
    """A row of predictions about one image of its own, unless meta says otherwise."""
    facts = {"media_id": row_id, "image": "x.png", "split": "test", "label": "fake", "task_version": "1"}
    return {
        "id": row_id,
        "task": task,
        "messages": [{"role": "user", "content": f"<image>{question}"}],
        "images": [],
        "labels": None,
        "response": response,
        "meta": facts | meta,
    }


def dfj_row(task, row_id, response, choice_probs=None, **meta):
    """A row of one of DeepfakeJudge's tasks."""
    made = answer_row(task, row_id, response, "Judge: it melts, it shines.", **{"source": "Gemini"} | meta)
    return made | {"choice_probs": choice_probs}


def page_data(report):
    """What a report's page holds for its script: the cases as it shows them."""
    page = (report / "report.html").read_text()
    return json.loads(page.partition('<script type="application/json" id="data">')[2].partition("</script>")[0])


def shown_case(report, row_id):
    return next(case for case in page_data(report)["cases"] if case["id"] == row_id)
