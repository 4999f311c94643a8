"""Rows as prediction writes them, and their scoring through the command line."""

import contextlib
import io
import json

import numpy as np

from eval.score import main


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


def resampled(draws, replicate):
    """The rows of one replicate, each as often as its cluster is drawn."""
    return np.repeat(np.arange(len(draws.index)), draws.weights[replicate][draws.index])


def values(report):
    return {name: metric["value"] for name, metric in report["metrics"].items()}


def dfj_row(task, row_id, response, choice_probs=None, **meta):
    """A row of one of DeepfakeJudge's tasks; each is of an image of its own unless meta says otherwise."""
    facts = {
        "media_id": row_id,
        "image": "x.png",
        "split": "test",
        "source": "Gemini",
        "label": "fake",
        "task_version": "1",
    }
    prompt = {"role": "user", "content": "<image>Judge: it melts, it shines."}
    return {
        "id": row_id,
        "task": task,
        "messages": [prompt],
        "images": [],
        "labels": None,
        "response": response,
        "choice_probs": choice_probs,
        "meta": facts | meta,
    }
