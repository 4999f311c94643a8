"""Answer every row of a JSONL with a checkpoint, through ms-swift's own engine.

    python eval/predict.py --model output/deeptrace/checkpoint-383 --data data/deeptrace/test.jsonl --out out.jsonl

One row in, one row out: the input row with `response`, `labels` (the gold text), `p_fake`, `usage` and `latency_s`, or
with `error`. Killed at any point and started again it continues and ends with the same file. What the run depends on
stands in OUT.run.json; a rerun that differs in any of it is refused. The vision settings come from the checkpoint, or,
for a model that was not trained here, from --recipe.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

if not __package__:
    sys.path[0] = str(Path(__file__).resolve().parents[1])

from eval.engine import Engine, Row
from swift_plugins import settings
from swift_plugins.media import LEVELS, check_many
from swift_plugins.records import (
    atomic_write,
    jsonl_writer,
    read_rows,
    read_training_rows,
    sha256_file,
    sha256_text,
    write_json,
)
from swift_plugins.tasks import get_task


def load_data(path: Path, limit: int | None, prompt: str) -> list[Row]:
    """The rows to answer, checked; with the prompt "zero_shot" they ask the task's zero-shot question instead."""
    rows, seen = [], set()
    for line, row in read_training_rows(path):
        try:
            task = get_task(row["task"])
        except ValueError as error:
            raise ValueError(f"{path}:{line}: {error}") from None
        if row["id"] in seen:
            raise ValueError(f"{path}:{line}: id {row['id']!r} stands in an earlier line already")
        if prompt == "zero_shot":
            row["messages"][0]["content"] = task.ZERO_SHOT_QUESTION
        seen.add(row["id"])
        rows.append(row)
        if len(rows) == limit:
            break
    if not rows:
        raise ValueError(f"{path}: no rows")
    return rows


def model_settings(model: Path, recipe: Path | None) -> dict[str, Any]:
    """model, adapter, model_type, template and vision settings, from the checkpoint or from a recipe."""
    if not model.is_dir():
        raise ValueError(f"{model} is not a folder: name a checkpoint or a downloaded model")
    found = settings.read_checkpoint_settings(model)
    if found is not None and recipe is not None:
        raise ValueError(f"{model} holds its own settings ({settings.CHECKPOINT_FILE}): leave out --recipe")
    if found is None and recipe is None:
        raise ValueError(
            f"{model} holds no {settings.CHECKPOINT_FILE}: name the recipe whose template and vision settings apply, "
            "for example --recipe recipes/deeptrace/qwen2_5_vl_7b_full.yaml"
        )
    if found is None and recipe is not None:
        import yaml

        try:
            content = yaml.safe_load(recipe.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(f"{recipe}: not YAML: {str(error).splitlines()[0]}") from None
        if not isinstance(content, dict) or not isinstance(content.get("ENV"), dict):
            raise ValueError(f"{recipe}: not a recipe: it has no ENV block")
        found = {"vision": {k: str(v) for k, v in content["ENV"].items() if k in settings.VISION_ENV}}
        found |= {key: content.get(key) for key in ("model_type", "template", "torch_dtype")}
    assert found is not None
    is_adapter = (model / "adapter_config.json").is_file()
    base = str(found.get("model")) if is_adapter else str(model)
    if base.startswith("/") and not os.path.isdir(base):
        raise ValueError(f"{model} is an adapter of {base}, which is no longer there")
    return {
        "model": base,
        "adapter": str(model) if is_adapter else None,
        "model_type": found.get("model_type"),
        "template": found.get("template"),
        "torch_dtype": found.get("torch_dtype"),
        "vision": found["vision"],
        "trained": {k: found.get(k) for k in ("data", "seed", "global_step", "loss_weights", "versions")},
    }


class OutFile:
    """The growing output: knows what is done, loses nothing, and is written by one process at a time."""

    def __init__(self, path: Path):
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        self.file = self._locked()
        self.done: set[str] = set()

    def _locked(self) -> BinaryIO:
        file: BinaryIO = open(self.path, "ab")  # noqa: SIM115
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ValueError(f"{self.path} is being written by another process") from None
        return file

    def resume(self, retry_errors: bool) -> None:
        """Take over what an earlier run wrote; it may end in a torn line, as a killed writer leaves one."""
        self.file.truncate(self.path.read_bytes().rfind(b"\n") + 1)
        rows = [row for _, row in read_rows(self.path)]
        kept = [row for row in rows if not (retry_errors and "error" in row)]
        if len(kept) < len(rows):
            with atomic_write(self.path) as file:
                jsonl_writer(file).write_all(kept)
            self.file.close()
            self.file = self._locked()
        self.done = {row["id"] for row in kept}

    def write(self, rows: list[Row]) -> None:
        jsonl_writer(self.file).write_all(rows)
        self.file.flush()
        os.fsync(self.file.fileno())
        self.done.update(row["id"] for row in rows)

    def finish(self, order: list[str]) -> None:
        """Put the rows into the order of the input, in which a retry may have left them not."""
        rows = {row["id"]: row for _, row in read_rows(self.path)}
        if list(rows) != order:
            with atomic_write(self.path) as file:
                jsonl_writer(file).write_all(rows[i] for i in order)


def out_row(row: Row, result: Row | Exception | str, seconds: float) -> Row:
    """The output row of one input row."""
    out = {k: v for k, v in row.items() if k != "messages"}
    out["messages"] = [m for m in row["messages"] if m["role"] != "assistant"]
    out["labels"] = next((m["content"] for m in row["messages"] if m["role"] == "assistant"), None)
    if isinstance(result, dict):
        return out | result | {"latency_s": round(seconds, 4)}
    text = result if isinstance(result, str) else f"{type(result).__name__}: {result}"
    return out | {"response": None, "error": text[:500]}


def answer_batch(engine: Engine, rows: list[Row]) -> Iterator[tuple[Row | Exception, float]]:
    """(result, seconds) per row; if a whole batch fails, its rows are tried one by one."""
    begin = time.monotonic()
    try:
        results = engine.answer(rows)
    except (RuntimeError, ValueError, OSError) as error:
        if len(rows) == 1:
            yield error, 0.0
            return
        for row in rows:
            yield from answer_batch(engine, [row])
        return
    each = (time.monotonic() - begin) / len(rows)
    yield from ((result, each) for result in results)


def check_run(path: Path, run: dict[str, Any], has_output: bool) -> None:
    """Write run.json, or refuse when the one that is there says that the output came from another run."""
    import msgspec

    if has_output:
        if not path.is_file():
            raise ValueError(f"the output exists but {path} does not: delete the output or name another --out")
        before = msgspec.json.decode(path.read_bytes())
        changed = sorted(k for k in run.keys() | before.keys() if run.get(k) != before.get(k))
        if changed:
            raise ValueError(
                f"the output was made with other settings ({', '.join(changed)} differ, see {path.name}): "
                "delete it or name another --out"
            )
    write_json(path, run)


def check_rows_fit(rows: list[Row], model: dict[str, Any], path: Path) -> None:
    """Refuse rows whose question, box space or task version is not what the checkpoint was trained on."""
    for data in model["trained"]["data"] or []:
        for key in ("task_version", "box_space", "setting"):
            wanted = data.get(key)
            other = next((row for row in rows if wanted and row["meta"].get(key, wanted) != wanted), None)
            if other is not None:
                raise ValueError(
                    f"{path}: row {other['id']!r} has {key} {other['meta'][key]!r}, the checkpoint was trained on "
                    f"{wanted!r} (see {settings.CHECKPOINT_FILE}): convert the data with the same options"
                )


def model_fingerprint(model: dict[str, Any]) -> dict[str, str]:
    """What tells one model from another: hashes of its folder's files, of an adapter's base too; sizes of huge ones."""
    found = {}
    for folder in (model["adapter"], model["model"]):
        if folder is None or not os.path.isdir(folder):
            continue
        for file in sorted(Path(folder).iterdir()):
            if file.suffix not in (".json", ".jinja", ".safetensors"):
                continue
            name = f"{'adapter' if folder == model['adapter'] else 'model'}/{file.name}"
            facts = file.stat()
            huge = facts.st_size > 1 << 30
            found[name] = f"{facts.st_size} bytes, modified {facts.st_mtime:.0f}" if huge else sha256_file(file)
    return found


def predict(args: argparse.Namespace) -> None:
    rows = load_data(args.data, args.limit, args.prompt)
    model = model_settings(args.model.resolve(), args.recipe)
    check_rows_fit(rows, model, args.data)
    settings.apply_vision_settings(model["vision"], f"{args.model} (or its recipe)")
    prompts = {m["content"] for row in rows for m in row["messages"] if m["role"] == "user"}
    run = {
        "model": model,
        "fingerprint": model_fingerprint(model),
        "data": {"path": str(args.data.resolve()), "sha256": sha256_file(args.data), "rows": len(rows)},
        "tasks": {name: get_task(name).VERSION for name in sorted({row["task"] for row in rows})},
        "prompts_sha256": sha256_text("\n".join(sorted(prompts))),
        "prompt": args.prompt,
        "generation": {"max_tokens": args.max_tokens, "temperature": 0.0, "batch_size": args.batch_size},
        "backend": args.backend,
        "check": args.check,
        "versions": settings.library_versions(),
    }
    out = OutFile(args.out)
    check_run(args.out.with_name(args.out.name + ".run.json"), run, has_output=args.out.stat().st_size > 0)
    out.resume(args.retry_errors)
    # Batches are cut by place in the input, so a row shares its batch with the same rows in every run.
    batches = [rows[i : i + args.batch_size] for i in range(0, len(rows), args.batch_size)]
    todo = [batch for batch in batches if any(row["id"] not in out.done for row in batch)]
    failed = run_batches(todo, args, model, out) if todo else 0
    out.finish([row["id"] for row in rows])
    print(f"{len(rows)} rows in {args.out}" + (f", {failed} of this run with an error" if failed else ""))


def run_batches(todo: list[list[Row]], args: argparse.Namespace, model: dict[str, Any], out: OutFile) -> int:
    """Answer the batches and write each as it is done; returns how many rows failed."""
    from tqdm import tqdm

    os.environ.setdefault("LOG_LEVEL", "ERROR")  # ms-swift's; its settings stand in run.json
    paths = sorted({p for batch in todo for row in batch for p in (*row.get("images", []), *row.get("videos", []))})
    bad: dict[str, str] = {}
    if args.check != "none":
        checks = tqdm(check_many(paths, args.check, args.workers), total=len(paths), unit="file", desc="check media")
        bad = {path: found for path, found in checks if isinstance(found, str)}
    engine = Engine(model, args.batch_size, args.max_tokens)
    failed = 0
    with tqdm(total=sum(map(len, todo)), unit="row", desc="predict") as progress:
        for batch in todo:
            faults = {row["id"]: bad[p] for row in batch for p in (*row.get("images", []), *row.get("videos", []))
                      if p in bad}  # fmt: skip
            good = [row for row in batch if row["id"] not in faults]
            results = {row["id"]: r for row, r in zip(good, answer_batch(engine, good), strict=True)} if good else {}
            done = [out_row(row, *results.get(row["id"], (faults.get(row["id"], ""), 0.0))) for row in batch]
            out.write([row for row in done if row["id"] not in out.done])
            failed += sum("error" in row for row in done)
            progress.update(len(batch))
    return failed


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="checkpoint folder (full or LoRA), or a base model's")
    parser.add_argument("--data", type=Path, required=True, help="JSONL of a converter")
    parser.add_argument("--out", type=Path, required=True, help="JSONL to write or continue")
    parser.add_argument("--backend", choices=("transformers",), default="transformers", help="engine (transformers)")
    parser.add_argument("--recipe", type=Path, help="for a model not trained here: the recipe whose template, model "
                        "type and ENV (pixels, fps, frames) apply")  # fmt: skip
    parser.add_argument("--prompt", choices=("trained", "zero_shot"), default="trained",
                        help="ask the rows' own question, or the paper's zero-shot one, for models that were not "
                        "trained on it (default trained)")  # fmt: skip
    parser.add_argument(
        "--batch-size", type=settings.whole_number(), default=8, help="rows answered at once (default 8)"
    )
    parser.add_argument(
        "--max-tokens", type=settings.whole_number(), default=512, help="longest answer in tokens (default 512)"
    )
    parser.add_argument("--limit", type=settings.whole_number(), help="answer only the first rows (default all)")
    parser.add_argument("--check", choices=LEVELS, default="decode",
                        help="check each media file first, in a process with a time limit, so that a damaged one gives "
                        "an error row instead of hanging the run (default decode)")  # fmt: skip
    parser.add_argument(
        "--workers",
        type=settings.whole_number(),
        default=os.cpu_count() or 1,
        help="processes for --check (default all)",
    )
    parser.add_argument("--retry-errors", action="store_true", help="answer the rows with an error again")
    args = parser.parse_args(argv)
    try:
        predict(args)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
