"""Judge new reasoning about images with a trained judge, a checkpoint or a server.

    python eval/judge.py --model CKPT --image x.png --label fake --response '<reasoning>… <answer>fake</answer>'
    python eval/judge.py --model CKPT --image x.png --label fake --response-a '…' --response-b '…' --swap
    python eval/judge.py --model CKPT --data candidates.jsonl --out judged.jsonl

A row of --data is {"image", "label", "response"}, or "response_a" and "response_b", with image paths relative to the
file; or a row of eval/predict.py, whose answers are then the candidates: score.py takes the judged file as its --pred.
Each row comes back with judge_score and judge_expected (pointwise), or judge_better (pairwise; with --swap only what
both orders agree on). A rerun continues. Candidates are only ever text (--candidates safe): what could close a tag, be
a special token or fake a turn is written differently. --candidates exact leaves them untouched, as the paper does.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval.asking import (
    Item,
    Result,
    add_engine_options,
    answer_file,
    answer_items,
    check_paths,
    error_text,
    make_engine,
    media_of,
    run_record,
    settings_of,
)
from eval.engine import Row
from swift_plugins.commands import run, whole_number
from swift_plugins.records import check_row, encode, read_rows, sha256_text, write_json
from swift_plugins.tasks import dfj_pairwise, dfj_pointwise
from swift_plugins.tasks.candidates import LABELS, MODES, fill, neutralise

Candidates = Mapping[str, str]  # slot -> text


def prompt_of(args: argparse.Namespace, model: dict[str, Any], task: ModuleType) -> tuple[str, str]:
    """(the prompt with slots, where it comes from): --prompt-file, the checkpoint's training data, or the project."""
    if args.prompt_file is not None:
        text = args.prompt_file.read_text(encoding="utf-8")
        return text if "<image>" in text else f"<image>{text}", str(args.prompt_file)
    trained = model["trained"].get("data") or []
    for data in trained:
        if data.get("task") == task.NAME and data.get("prompt"):
            return data["prompt"], "the checkpoint's training data"
    others = sorted({data["task"] for data in trained if data.get("task") not in (None, task.NAME)})
    if others:
        raise ValueError(f"{args.model} was trained for {', '.join(others)}, this needs a judge for {task.NAME}")
    if trained:
        raise ValueError(f"the prompt that {args.model} was trained with is not on record: name a --prompt-file")
    return task.PROMPT, "the project's own"


def candidates_of(row: Row) -> tuple[ModuleType, Candidates | None]:
    """(the task, the candidates by slot); None where a predicted row has no response to judge."""
    task: ModuleType
    texts: dict[str, Any]
    if "response_a" in row or "response_b" in row:
        task, texts = dfj_pairwise, {"response_a": row.get("response_a"), "response_b": row.get("response_b")}
    elif "response" in row:
        task, texts = dfj_pointwise, {"candidate_response": row["response"]}
        if row["response"] is None:
            return task, None
    else:
        raise ValueError("no response, or response_a and response_b, to judge; rows of a converter, which hold their "
                         "prompt, are for eval/predict.py")  # fmt: skip
    for name, text in texts.items():
        if not isinstance(text, str):
            raise ValueError(f"{name.removeprefix('candidate_')} must be a text, got {text!r:.80}")
    return task, texts


def judge_row(row_id: str, task: ModuleType, prompt: str, image: str, label: str, texts: Candidates) -> Row:
    """A row that asks the judge."""
    content = fill(prompt, {"ground_truth_label": label, **texts}).text
    row = {"id": row_id, "task": task.NAME, "messages": [{"role": "user", "content": content}], "images": [image],
           "meta": {"label": label}}  # fmt: skip
    check_row(row)
    return row


def item_of(row: Row, where: Path, args: argparse.Namespace, task: ModuleType, prompt: str) -> Item:
    """What to ask about one row of --data; its image path is relative to `where`."""
    _, texts = candidates_of(row)
    meta = row.get("meta") or {}
    if not isinstance(meta, dict):
        raise ValueError(f"meta must be an object, got {meta!r:.80}")
    label = row.get("label") or meta.get("label")
    if label not in LABELS:
        raise ValueError(f"label must be one of {', '.join(LABELS)}, got {label!r:.40}")
    images = row.get("images") or [row.get("image")]
    if not isinstance(images, list) or len(images) != 1 or not isinstance(images[0], str):
        raise ValueError(f"expected one image, got {images!r:.80}")
    if texts is None:
        return Item(row["id"], [], problem="no response to judge")
    if args.candidates == "safe":
        try:
            texts = {name: neutralise(text) for name, text in texts.items()}
        except ValueError as error:
            return Item(row["id"], [], problem=str(error))
    orders = [texts]
    if args.swap and task is dfj_pairwise:
        orders.append({"response_a": texts["response_b"], "response_b": texts["response_a"]})
    rows = [judge_row(row["id"], task, prompt, str(where / images[0]), label, order) for order in orders]
    return Item(row["id"], rows, list(texts.values()) if args.candidates == "safe" else ())


# ---------------------------------------------------------------------------------------------------------- judgements


def judgement(item: Item, results: Sequence[Result], task: ModuleType) -> Row:
    """What the judge said of one item: the fields that its row gains."""
    if item.problem:
        return _nothing(task) | {"judge_unparsed": item.problem}
    for result in results:
        if not isinstance(result, dict):
            return _nothing(task) | {"error": f"judge: {error_text(result)}"}
    answers = [result for result in results if isinstance(result, dict)]
    parsed = [task.GRAMMARS["trained"](answer["response"]) for answer in answers]
    said = {"judge_response": [a["response"] for a in answers] if len(answers) > 1 else answers[0]["response"]}
    why = next((p.reason for p in parsed if p.answer is None), None)
    if why is not None:
        return _nothing(task) | said | {"judge_unparsed": why}
    if task is dfj_pointwise:
        score, probabilities = parsed[0].answer, answers[0].get("choice_probs")
        expected = round(dfj_pointwise.expected_score(probabilities), 4) if probabilities else None
        return {"judge_score": score.score, "judge_expected": expected, "judge_reasoning": score.reasoning, **said}
    better = [p.answer.better if i == 0 else dfj_pairwise.OTHER[p.answer.better] for i, p in enumerate(parsed)]
    agreed = len(set(better)) == 1
    return {"judge_better": better[0] if agreed else None, "judge_consistent": agreed if len(better) > 1 else None,
            "judge_prob_a": probability_of_a([a.get("choice_probs") for a in answers]), **said}  # fmt: skip


def _nothing(task: ModuleType) -> Row:
    if task is dfj_pointwise:
        return {"judge_score": None, "judge_expected": None, "judge_reasoning": None}
    return {"judge_better": None, "judge_consistent": None, "judge_prob_a": None}


def probability_of_a(orders: Sequence[Mapping[str, float] | None]) -> float | None:
    """P(the first candidate is better), the mean of the orders asked."""
    found = [probs["A" if i == 0 else "B"] for i, probs in enumerate(orders) if probs]
    return round(sum(found) / len(found), 6) if found else None


def read_data(path: Path, limit: int | None) -> tuple[ModuleType, dict[str, tuple[int, Row]]]:
    """(the one task of the rows, id -> (line, row))."""
    rows: dict[str, tuple[int, Row]] = {}
    task = None
    for line, row in read_rows(path):
        row.setdefault("id", str(line))
        try:
            its = candidates_of(row)[0]
        except ValueError as error:
            raise ValueError(f"{path}:{line}: {error}") from None
        if not isinstance(row["id"], str) or row["id"] in rows:
            raise ValueError(f"{path}:{line}: id must be a text of its own, got {row['id']!r:.80}")
        if its is not (task := task or its):
            raise ValueError(f"{path}:{line}: single responses and pairs in one file; judge them apart")
        rows[row["id"]] = line, row
        if len(rows) == limit:
            break
    if task is None:
        raise ValueError(f"{path}: no rows")
    return task, rows


def judge_file(args: argparse.Namespace) -> int:
    """Judge the rows of --data; 1 if not one of them could be asked."""
    task, rows = read_data(args.data, args.limit)
    model = settings_of(args)
    prompt, origin = prompt_of(args, model, task)
    items = []
    for line, row in rows.values():
        try:
            items.append(item_of(row, args.data.resolve().parent, args, task, prompt))
        except ValueError as error:
            raise ValueError(f"{args.data}:{line}: {error}") from None
    record = run_record(args, model, [row for item in items for row in item.rows])
    record |= {"candidates": args.candidates, "swap": args.swap, "prompt_is": origin,
               "prompt_sha256": sha256_text(prompt)}  # fmt: skip

    def finish(item: Item, results: Sequence[Result], _: float) -> Row:
        return rows[item.id][1] | judgement(item, results, task)

    failed = answer_file(items, args, model, record, finish, "judge")
    keep_record(args.data, args.out, len(rows))
    print(f"{len(rows)} rows judged in {args.out} (prompt: {origin})"
          + (f", {failed} of this run with an error" if failed else ""))  # fmt: skip
    return 1 if failed == len(rows) else 0


def keep_record(data: Path, out: Path, rows: int) -> None:
    """Put the record of the predictions that were judged beside the output, so that they can be scored there."""
    predicted = data.with_name(f"{data.name}.run.json")
    if predicted.is_file() and data.resolve() != out.resolve():
        record = json.loads(predicted.read_text(encoding="utf-8"))
        if isinstance(record.get("data"), dict):
            record["data"]["rows"] = rows
        write_json(out.with_name(f"{out.name}.run.json"), record)


def judge_one(args: argparse.Namespace) -> int:
    """Judge what the command line holds; 1 if there is no judgement, or the two orders of a pair disagree."""
    given = {"response": args.response, "response_a": args.response_a, "response_b": args.response_b}
    row: Row = {
        "id": "1",
        "label": args.label,
        "image": args.image,
        **{k: v for k, v in given.items() if v is not None},
    }
    task, _ = candidates_of(row)
    model = settings_of(args)
    prompt, origin = prompt_of(args, model, task)
    item = item_of(row, Path.cwd(), args, task, prompt)
    print(f"prompt: {origin}", file=sys.stderr)
    bad = check_paths(set(media_of(item.rows)), args)
    for path, problem in bad.items():
        raise ValueError(f"{path}: {problem}")
    found = judgement(item, answer_items(make_engine(args, model), [item], bad)[0], task)
    if args.json:
        print(encode(found).decode())
    else:
        print("\n".join(lines_of(found)))
    return 0 if found.get("judge_score") or found.get("judge_better") else 1


def lines_of(found: Row) -> list[str]:
    """A judgement for people."""
    if "error" in found or found.get("judge_unparsed"):
        return [
            f"no judgement: {found.get('error') or found['judge_unparsed']}",
            str(found.get("judge_response") or ""),
        ]
    if "judge_score" in found:
        expected = found["judge_expected"]
        head = f"score {found['judge_score']}" + (f" (expected {expected:.2f})" if expected is not None else "")
        return [head, found["judge_reasoning"] or ""]
    probability = found["judge_prob_a"]
    if found["judge_better"] is None:
        head = "no preference: the two orders disagree"
    else:
        head = f"better: {found['judge_better']}" + (", in both orders" if found["judge_consistent"] else "")
    return [head + (f" (P(A) {probability:.2f})" if probability is not None else "")]


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    add_engine_options(parser)
    parser.add_argument("--image", help="the image that the reasoning is about")
    parser.add_argument("--label", choices=LABELS, help="what the image is in truth")
    parser.add_argument("--response", help="the reasoning to score")
    parser.add_argument("--response-a", help="the first of two to compare")
    parser.add_argument("--response-b", help="the second of two to compare")
    parser.add_argument("--data", type=Path, help="JSONL of many, instead of --image, --label and --response")
    parser.add_argument("--out", type=Path, help="JSONL to write or continue, with --data")
    parser.add_argument("--prompt-file", type=Path, help="the judge's prompt, with the slots {ground_truth_label} and "
                        "{candidate_response}, or {response_a} and {response_b} (default the one on the checkpoint's "
                        "record, else the project's own)")  # fmt: skip
    parser.add_argument("--candidates", choices=MODES, default="safe",
                        help="how candidates stand in the prompt: safe, only ever text; exact, untouched (default "
                        "safe)")  # fmt: skip
    parser.add_argument("--limit", type=whole_number(), help="only the first rows (default all)")
    parser.add_argument("--swap", action="store_true", help="pairs: ask in both orders")
    parser.add_argument("--json", action="store_true", help="print one judgement as JSON")
    args = parser.parse_args(argv)
    if (args.data is None) == (args.image is None):
        parser.error("give either --image, --label and --response (or --response-a and --response-b), or --data")
    if (args.out if args.data else args.label) is None:
        parser.error("--data needs --out" if args.data else "--image needs --label")
    idle = {"--json": args.data and args.json, "--out": args.image and args.out, "--limit": args.image and args.limit,
            "--swap": args.response is not None and args.swap}  # fmt: skip
    if flags := [flag for flag, given in idle.items() if given]:
        parser.error(f"{flags[0]} has nothing to do here: --json is for one judgement, --out and --limit are for "
                     "--data, --swap is for pairs")  # fmt: skip
    return run(judge_one if args.data is None else judge_file, args)


if __name__ == "__main__":
    sys.exit(main())
