"""Train by a recipe: its YAML and the environment become a command of `swift sft`, checked before anything starts.

    python swift_plugins/launch.py RECIPE.yaml [any flag of swift sft]
    python swift_plugins/launch.py RECIPE.yaml --latest|--conversion

From the environment, each in place of what the recipe says:
  MODEL       model folder or hub id
  DATASET     a converter's output folder, the folder above it, or a JSONL file; several make a mixture, of which
              #N behind one takes so many rows: DATASET="data/fakeclue data/mine#2000"
  OUTPUT_DIR  where checkpoints go          TUNER    lora or full           DEEPSPEED  zero0 … zero3, zero2_offload …
  PACKING     padding_free, no row of a batch is padded: the default on GPUs with flash-attention; packing, as many rows
              as fit together; no
  VISION_CACHE=GB        of memory in which each process keeps what a frozen vision tower makes of images and clips
  BALANCE_VERDICTS=yes   each verdict of the data counts the same in the loss: sets WEIGHT_REAL, WEIGHT_FAKE …
  NUM_GPUS (or NPROC_PER_NODE), GPU_IDS (or CUDA_VISIBLE_DEVICES)
  NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT   several nodes, on each of which the same command is started; they wait
              NODES_TIMEOUT s (300) for each other, then compare code, data, settings and disk and try the network
--latest trains nothing: it prints the newest checkpoint of the run; nor does --conversion, which prints the command
that converts the recipe's data. shell/train.sh installs what is missing first.
Progress is printed, all else is in OUTPUT_DIR/train.log; what says that rows or readers are others than stated ends it.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)

from swift_plugins.core import next_steps
from swift_plugins.core.balance import balanced, count_verdicts
from swift_plugins.core.commands import INTERRUPTED
from swift_plugins.core.kernels import use_flash, use_liger, use_packing
from swift_plugins.core.memory import VISION_CACHE, bytes_of
from swift_plugins.core.mixtures import describe_all, sampled
from swift_plugins.core.nodes import cannot_train, meet, node_of, report_of
from swift_plugins.core.preflight import Lengths, check_mixed, check_packages, check_resumed, vision_in_force
from swift_plugins.core.printable import say
from swift_plugins.core.records import has_lines
from swift_plugins.core.runs import Run, find_recipe
from swift_plugins.core.settings import CHECKPOINT_FILE, VISION_ENV
from swift_plugins.core.speed import SPEED_FILE, read_speed, told
from swift_plugins.core.tasks import TASKS
from swift_plugins.core.vision import PATCHES, vision_of
from swift_plugins.progress import follow

TUNERS = ("full", "lora")
TOLD = 30  # seconds in which the other nodes are told that one cannot train
# How many GPUs there are, and whether all of them run PyTorch's own flash-attention.
LOOK_AT_GPUS = """import torch
count = torch.accelerator.device_count()
print(count, torch.version.cuda is not None and torch.backends.cuda.is_flash_attention_available() and count > 0
      and min(map(torch.cuda.get_device_capability, range(count))) >= (8, 0))"""
# key of a row -> the settings that bound its media, of which a recipe for a Qwen-VL must state one; others' processors
# have bounds of their own.
LIMITS = {"images": ("MAX_PIXELS", "IMAGE_MAX_TOKEN_NUM"), "videos": ("VIDEO_MAX_PIXELS", "VIDEO_MAX_TOKEN_NUM")}


def whole(name: str) -> str:
    """A dataset's name without #N."""
    return re.sub("#[0-9]+$", "", name)


def named_in(given: str, start: Path) -> list[str]:
    """The names in DATASET: one that is there as it stands, or several with spaces between them, quoted or not."""
    return [given] if os.path.exists(start / whole(given)) else shlex.split(given)


def find_data(name: str, start: Path, below: str) -> str:
    """The training file that a name of DATASET means, by its whole path."""
    data = os.path.join(start, whole(name))
    if not os.path.isfile(f"{data}/train.jsonl") and os.path.isdir(f"{data}/{below}"):
        data = f"{data}/{below}"
    return data if data.endswith(".jsonl") else f"{data}/train.jsonl"


def use_data(run: Run) -> None:
    """DATASET: each part's train.jsonl and, where the recipe has validation data, val.jsonl; they must be there."""
    recipe = run.recipe
    if given := run.env.get("DATASET"):
        names = named_in(given, run.start)
        found = [find_data(name, run.start, Path(recipe.files("dataset")[0]).parent.name) for name in names]
        folders = list(dict.fromkeys(os.path.dirname(file) for file in found))
        run.use("dataset", *(file + name[len(whole(name)) :] for file, name in zip(found, names, strict=True)))
        if recipe.files("val_dataset") and not run.gives("val_dataset"):
            val = [f"{folder}/val.jsonl" for folder in folders]
            run.use("val_dataset", *([file for file in val if os.path.isfile(file)] or val[:1]))  # a part may have none
        if len(folders) == 1 and whole(names[0]).endswith(".jsonl"):
            run.env.setdefault("ROOT_IMAGE_DIR", folders[0])  # to it the paths of a raw dataset's own file are relative
    for key in ("dataset", "val_dataset"):
        for file in run.files(key):
            use_file(run, key, file)


def use_file(run: Run, key: str, file: str) -> None:
    """Each file must be there and have rows; without any to validate on there is no evaluation (hooks/arguments.py)."""
    if not os.path.isfile(file):
        commands = [run.recipe.header[word] for word in ("get", "data") if word in run.recipe.header]
        raise ValueError(
            f"no {file}: run `source .venv/bin/activate && {' && '.join(commands)}`, or set DATASET to a "
            f"converter's output folder or a JSONL file; {run.on_cpu}"
        )
    if not has_lines(file):
        if key == "dataset":
            raise ValueError(f"{file} has no rows: there is nothing to train on; convert with other splits")
        run.notes.append(f"{file} has no rows and is left out; without any there is no evaluation")


def check_limits(run: Run) -> None:
    """ValueError for a mixture of images and videos of which nothing bounds the size of one: they would not fit."""
    files = {kind: [file for file in run.files("dataset") if holds(file, kind)] for kind in LIMITS}
    if not all(files.values()) or run.says("model_type") not in PATCHES:
        return
    stated = {*(run.recipe.keys.get("ENV") or {}), *(name for name, value in run.env.items() if value)}
    for kind, names in LIMITS.items():
        if stated.isdisjoint(names):
            least, more = names[0].replace("MAX", "MIN"), ", FPS, FPS_MAX_FRAMES" if kind == "videos" else ""
            raise ValueError(
                f"{files[kind][0]} has {kind}, whose size neither {run.recipe.path} nor the environment bounds: set "
                f"{names[0]} ({least}{more}) as a recipe for {kind} does, and --max_length to what such rows take"
            )


def holds(file: str, kind: str) -> bool:
    """Whether rows of a file have images, or videos."""
    if not os.path.isfile(file):  # a hub's dataset
        return False
    with open(file, "rb") as lines:
        return any(f'"{kind}":'.encode() in line for line in lines)


def use_plugins(run: Run) -> None:
    """The recipe's plug-ins by their whole paths: a checkpoint names them to swift infer, wherever that is called."""
    if plugins := run.recipe.keys.get("external_plugins"):
        paths = plugins if isinstance(plugins, list) else [plugins]
        run.flags += ["--external_plugins", *(os.path.abspath(path) for path in paths)]


def check(run: Run) -> None:
    """What training would only stop on once everything is loaded: packages, contradicting data, rows too long."""
    check_packages(run.stated)
    own = run.recipe.keys["ENV"]
    bytes_of(run.env.get(VISION_CACHE, str(own.get(VISION_CACHE, ""))))
    vision, changed = vision_in_force(own, run.env)
    run.notes += [changed] if changed else []
    if (resumed := run.stated("resume_from_checkpoint")) and run.says("resume_only_model") != "true":
        check_resumed(Path(*resumed), vision)
    kind = run.says("model_type") or None
    describe_all(run.stated("dataset"), vision, kind, None)
    limit, strategy = run.says("max_length"), run.says("truncation_strategy") or "delete"
    if run.says("strict") == "true" and strategy in ("delete", "right") and limit.isdecimal():
        explained = (run.env.get("ANSWER_FORM") or own.get("ANSWER_FORM")) != "word"
        Lengths(
            int(limit),
            Path(*run.stated("model"), "tokenizer.json"),
            vision_of(vision, kind),
            explained and run.says("task_type") != "seq_cls",
            run.env.get("ROOT_IMAGE_DIR", ""),
            cut=strategy == "right",
        ).check(file for key in ("dataset", "val_dataset") for file in run.files(key))


def use_balance(run: Run) -> None:
    """BALANCE_VERDICTS: the factors of the verdicts' weights, from how often each is trained on."""
    wanted = run.setting("BALANCE_VERDICTS", "no")
    if wanted not in ("yes", "no"):
        raise ValueError(f"BALANCE_VERDICTS must be yes or no, got {wanted}")
    if wanted == "no":
        return
    if run.says("loss_scale") not in TASKS:
        raise ValueError("BALANCE_VERDICTS weighs verdicts in the loss: give --loss_scale a task's name")
    counts = count_verdicts(file for file in run.stated("dataset") if sampled(file)[0] in run.files("dataset"))
    weights = {f"WEIGHT_{verdict.upper()}": f"{weight:.4g}" for verdict, weight in balanced(counts).items()}
    if given := sorted(weights.keys() & run.env.keys()):
        raise ValueError(f"{given[0]} is set and BALANCE_VERDICTS would set it: leave out one of them")
    run.env.update(weights)
    run.notes.append(f"{dict(counts)} verdicts, balanced by {' '.join(f'{k}={v}' for k, v in weights.items())}")


def use_model(run: Run) -> None:
    """MODEL: a folder, relative to where the command was given, or a hub id."""
    given = run.env.get("MODEL")
    model = given or str(run.recipe.keys.get("model", ""))
    if given and (given.startswith(".") or (run.start / given).is_dir()):
        model = os.path.join(run.start, given)
    if model.startswith((".", "/")) and not os.path.isfile(f"{model}/config.json"):
        made = f"run `{run.recipe.header['model']}`, or " if "model" in run.recipe.header and not given else ""
        raise ValueError(f"no model in {model} (no config.json): {made}set MODEL to a model's folder or hub id")
    if given:
        run.use("model", model)


def check_output(run: Run) -> None:
    """The output must hold no checkpoints unless one of them is resumed."""
    if (checkpoint := latest(run.output)) and not run.stated("resume_from_checkpoint"):
        raise ValueError(
            f"{run.output} already holds checkpoints: set OUTPUT_DIR, or go on with "
            f"--resume_from_checkpoint {checkpoint}"
        )


def latest(out: Path) -> Path | None:
    """The newest whole checkpoint of a run, none that was exported beside it; None where there is none."""
    found = [path for path in out.glob("checkpoint-*") if path.name[11:].isdecimal()]
    whole = [path for path in found if (path / CHECKPOINT_FILE).is_file()] or found
    return max(whole, key=lambda path: path.stat().st_mtime, default=None)


def use_devices(run: Run) -> None:
    """NUM_GPUS and GPU_IDS, of which there must be enough, or the CPU; what they run is noted."""
    env = run.env
    for name, own in (("NUM_GPUS", "NPROC_PER_NODE"), ("GPU_IDS", "CUDA_VISIBLE_DEVICES")):
        if env.get(name):
            env[own] = env[name]
    want = run.setting("NPROC_PER_NODE", "1")
    if not re.fullmatch("[1-9][0-9]*", want):
        raise ValueError(f"NUM_GPUS (or NPROC_PER_NODE) must be a whole number of at least 1, got {want}")
    if run.says("use_cpu") == "true":
        env |= {"CUDA_VISIBLE_DEVICES": "", "DS_ACCELERATOR": "cpu"}
        return
    if sys.stderr.isatty():
        say("looking at the GPUs, for which torch is loaded", sys.stderr)
    looking = [str(ROOT / ".venv/bin/python"), "-c", LOOK_AT_GPUS]
    have, flash = subprocess.run(looking, env=env, stdout=subprocess.PIPE, check=True, text=True).stdout.split()
    run.torch_flash = flash == "True"
    if int(have) < int(want):
        less = "" if run.says("tuner_type") == "lora" else " (one GPU: TUNER=lora)"
        raise ValueError(
            f"this needs {want} GPU(s), {have} found: set NUM_GPUS to what there is{less} and keep the batch by "
            f"--gradient_accumulation_steps; {run.on_cpu}"
        )


def use_tuner(run: Run) -> None:
    if tuner := run.env.get("TUNER"):
        if run.gives("tuner_type"):  # by the variable a launcher has chosen the recipe
            raise ValueError("TUNER is set and --tuner_type is given: leave out one of them")
        run.use("tuner_type", tuner)
    if deepspeed := run.env.get("DEEPSPEED"):
        run.use("deepspeed", deepspeed)


def run_of(argv: Sequence[str], start: Path, env: dict[str, str]) -> Run | str:
    """The training that a command line and an environment mean, or what --latest or --conversion prints.

    ValueError says what is missing, or contradicts.
    """
    if not argv:
        raise ValueError("name a recipe, for example: bash shell/train.sh recipes/deeptrace/tiny.yaml")
    if (tuner := env.get("TUNER") or TUNERS[0]) not in TUNERS:
        raise ValueError(f"TUNER must be full or lora, got {tuner}")
    name, *extra = argv
    # An empty variable would keep ms-swift from taking the recipe's.
    env = {key: value for key, value in env.items() if value or key not in VISION_ENV}
    run = Run(find_recipe(name, start), extra, start, [], env)
    if given := env.get("OUTPUT_DIR"):
        run.use("output_dir", os.path.join(start, given))
    if extra[-1:] == ["--latest"]:
        return str(latest(run.output) or "")
    if extra == ["--conversion"]:
        return run.recipe.header["data"].split(" && ")[-1]  # what comes before it draws a sample
    if "--tiny" in extra:
        raise ValueError(f"--tiny is not for this recipe: {run.on_cpu}")
    settle = (use_data, use_balance, check_limits, use_model, check_output, use_tuner, use_devices)
    for use in (*settle, use_flash, use_packing, use_liger, use_plugins, check, check_mixed):
        use(run)
    for note in run.notes:
        say(f"train: {note}")
    return run


def prepared(argv: Sequence[str], start: Path, env: dict[str, str]) -> Run | str:
    """What `run_of` makes; with several nodes only where all of them can train, on the same."""
    if (node := node_of(env)) is None:
        return run_of(argv, start, env)
    try:
        run = run_of(argv, start, env)
    except (ValueError, OSError) as error:
        say(f"train: {error}", sys.stderr)
        meet(replace(node, seconds=min(node.seconds, TOLD)), cannot_train(error), env)
        raise ValueError("the other nodes are told, and end too") from None
    if isinstance(run, Run):
        say(f"train: node {node.rank} of {node.count} meets the others at {node.meeting}, within {node.seconds} s")
        if faults := meet(node, report_of(run), run.env):
            raise ValueError("\n".join(faults))
    return run


def main(argv: Sequence[str]) -> int:
    if argv[:1] in (["-h"], ["--help"]):
        sys.stdout.write(f"usage: launch.py RECIPE.yaml [--latest|--conversion | any flag of swift sft]\n\n{__doc__}\n")
        return 0
    start = Path.cwd()
    os.chdir(ROOT)
    try:
        run = prepared(argv, start, dict(os.environ))
        if isinstance(run, str):
            say(run)
            return 0
        (run.output / SPEED_FILE).unlink(missing_ok=True)  # of an earlier run
        code = follow(run.command, run.env, run.output)
    except (ValueError, OSError) as error:
        for line in str(error).splitlines():
            say(f"train: {line}", sys.stderr)
        return 2
    except KeyboardInterrupt:
        say("train: interrupted", sys.stderr)
        return INTERRUPTED
    if os.environ.get("NODE_RANK") not in (None, "", "0"):  # the first node tells of all
        return code
    if not code and (speed := read_speed(run.output)):
        say(f"speed: {told(speed)}")
    if not code and (checkpoint := latest(run.output)):
        tiny = ("--batch-size", 16, "--max-tokens", 96) if run.says("use_cpu") == "true" else ()
        next_steps.say(next_steps.after_training(checkpoint, run.files("dataset"), *tiny), f", from {ROOT}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
