"""The next command, whole and with the flags that fit: what a conversion, a training and a prediction end with."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any

from swift_plugins.core import printable
from swift_plugins.core.manifests import find_manifest
from swift_plugins.core.records import has_lines
from swift_plugins.core.settings import CHECKPOINT_FILE, read_checkpoint_settings
from swift_plugins.core.tasks import answers_of, get_task

ROOT = Path(__file__).resolve().parents[2]
LAUNCHERS = {
    "deeptrace": "shell/train_deeptrace.sh",
    "dfj_pointwise": "shell/train_pointwise.sh",
    "dfj_pairwise": "shell/train_pairwise.sh",
    "fakevlm": "shell/train_fakevlm.sh",
}
SHOWN = 3  # predictions after one conversion
UNKNOWN = "CHECKPOINT"  # in the place of a checkpoint, where there is none yet


def say(commands: Iterable[str], where: str = "") -> None:
    """Print commands below one another; nothing where there are none, or a script takes them: NEXT_STEPS=no."""
    lines = [*commands]
    note = f" ({UNKNOWN}: a training's, or a base model's folder with --recipe)" if UNKNOWN in " ".join(lines) else ""
    if lines and os.environ.get("NEXT_STEPS") != "no":
        for line in (f"next{where}{note}:", *(f"  {line}" for line in lines)):
            printable.say(line)


def script(name: str) -> str:
    """A script of the project as it is named from the working folder."""
    return name if Path.cwd() == ROOT else shlex.quote(str(ROOT / name))


def python(name: str, *flags: object) -> str:
    """The command that runs one of the project's scripts with this interpreter."""
    active = os.environ.get("VIRTUAL_ENV") == sys.prefix
    inside = Path(sys.executable).is_relative_to(Path.cwd())
    interpreter = "python" if active else os.path.relpath(sys.executable) if inside else sys.executable
    return " ".join([shlex.quote(interpreter), script(name), *(shlex.quote(str(flag)) for flag in flags)])


def after_conversion(out: Path, counts: Mapping[str, Mapping[str, int]]) -> list[str]:
    """The trainings on a conversion's files, with `counts` of rows by split; where there is none, the predictions."""
    files = [out / f"{split}.jsonl" for split, rows in counts.items() if rows]
    facts = {file: found[2] for file in files if (found := find_manifest(file))}
    trained = [file for file in facts if file.stem == "train" and facts[file]["task"] in LAUNCHERS]
    if trained:
        return [training(file, facts[file]) for file in trained]
    asked = [file for file in facts if file.stem == "test"] or [*facts]
    return [prediction(newest_checkpoint(facts[file]["task"]), file, file.parent) for file in asked[:SHOWN]]


def training(file: Path, facts: Mapping[str, Any]) -> str:
    """The command that trains on a converter's folder, with the frames that its boxes are stated for."""
    env: dict[str, object] = {"DATASET": file.parent}
    if facts.get("box_space") == "norm1000":
        env["MODEL"] = "videollama3-7b"  # the base that states its boxes so
    env |= dict(zip(("VIDEO_MIN_PIXELS", "VIDEO_MAX_PIXELS"), facts.get("pixel_limits") or (), strict=False))
    stated = [f"{name}={shlex.quote(str(value))}" for name, value in env.items()]
    return " ".join([*stated, "bash", script(LAUNCHERS[facts["task"]])])


def newest_checkpoint(task: str) -> str:
    """The checkpoint below output/ that was written last of those that answer a task."""
    found = [file for below in ("*/", "*/*/") for file in ROOT.glob(f"output/{below}checkpoint-*/{CHECKPOINT_FILE}")]
    for file in sorted(found, key=os.path.getmtime, reverse=True):
        try:
            data = (read_checkpoint_settings(file.parent) or {}).get("data") or []
        except ValueError:
            continue
        if answers_of(task) in {answers_of(one["task"]) for one in data if one.get("task")}:
            return str(file.parent.relative_to(ROOT) if Path.cwd() == ROOT else file.parent)
    return UNKNOWN


def prediction(model: object, data: Path, home: Path, *flags: object) -> str:
    """The command that answers a file's rows into a folder; a judge's pairs are asked in both orders."""
    facts = (find_manifest(data) or ("", "", {}))[2]
    swap = ["--swap"] if facts.get("task") == "dfj_pairwise" else []
    return python("eval/predict.py", "--model", model, "--data", data, "--out", home / "out.jsonl", *swap, *flags)


def after_training(checkpoint: Path, trained: Iterable[str], *flags: object) -> list[str]:
    """Answering what lies beside the training's files and was held out, and scoring it."""
    folders = [Path(file).parent for file in trained]
    held_out = [folder / name for name in ("test.jsonl", "val.jsonl") for folder in folders]
    data = next((file for file in held_out if file.is_file() and has_lines(file)), Path("TEST.jsonl"))
    return [
        prediction(checkpoint, data, checkpoint.parent, *flags),
        *after_prediction(checkpoint.parent / "out.jsonl", ()),
    ]


def judging(predictions: Path, grammar: str | None = None) -> str:
    """The command that has explanations scored by DeepTraceReward's own judge, into a file beside the predictions."""
    out = predictions.with_name(f"{predictions.stem}_judged.jsonl")
    judge = ("--model", "gpt-4.1", "--backend", "openai", "--base-url", "https://api.openai.com/v1")
    read = ("--grammar", grammar) if grammar else ()
    return python("eval/judge_explanations.py", *judge, "--data", predictions, "--out", out, *read)


def after_prediction(
    out: Path, tasks: Collection[str], form_known: bool = True, grammar: str | None = None
) -> list[str]:
    """Scoring answers of one task; in whatever form they stand, where the model was not trained to give one."""
    if len(tasks) > 1:
        return []  # they are scored apart, as score.py would say
    if not form_known and all("auto" in get_task(task).GRAMMARS for task in tasks):
        grammar = "auto"
    report = out.with_name("report" if out.stem == "out" else f"report_{out.stem}")
    return [python("eval/score.py", "--pred", out, "--out", report, *(["--grammar", grammar] if grammar else []))]
