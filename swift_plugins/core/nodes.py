"""The nodes of one training: what each tells the others before anything is loaded, and what must not differ.

Differences that training does not notice, or only after hours: other code, packages, settings, data or weights, and a
folder for checkpoints that the nodes do not share.
"""

from __future__ import annotations

import json
import os
import platform
import re
import socket
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from swift_plugins.core.mixtures import sampled
from swift_plugins.core.preflight import vision_in_force
from swift_plugins.core.records import media_of, scan_rows, sha256_file, spread
from swift_plugins.core.runs import ROOT, Run
from swift_plugins.core.settings import library_versions

PORT, SECONDS = 29500, 300  # torchrun's, and how long nodes wait for each other
COMPARED_MEDIA = 100  # of a file of rows
_HASHED = 64 * 2**20  # bytes up to which a file of a model is compared by its content, a larger one by its size
_OWN = ("NODE_RANK", "MASTER_ADDR", "MASTER_PORT", "CUDA_VISIBLE_DEVICES")  # settings of a node's own
_PATHS = ("dataset", "val_dataset", "model", "adapters", "resume_from_checkpoint", "external_plugins", "output_dir")
_WEIGHT = re.compile("WEIGHT_[A-Z_]+")

Facts = dict[str, dict[str, str]]
# What is compared -> whether what each node has is told, and what to do.
KINDS = {
    "code": (False, "bring the same files to both"),
    "packages": (True, "run bash shell/setup.sh in the same folder on both, or share it"),
    "settings": (True, "start all nodes by the same command in the same environment"),
    "data": (False, "convert once and share the folder"),
    "media": (True, "share the folder, or copy it anew"),
    "model": (False, "share the folder, or copy it anew"),
}


@dataclass(frozen=True)
class Node:
    """One of `count` nodes, and where they meet: on the first one's address."""

    count: int
    rank: int
    address: str
    port: int = PORT
    seconds: float = SECONDS

    @property
    def meeting(self) -> str:
        return f"{self.address}:{self.port}"


def node_of(env: Mapping[str, str]) -> Node | None:
    """The node that torchrun's variables make of this machine, None where it is the only one; ValueError else."""
    count = _number(env, "NNODES", 1, least=1)
    if count == 1:
        return None
    if not env.get("NODE_RANK") or not env.get("MASTER_ADDR"):
        raise ValueError(
            f"NNODES={count} needs NODE_RANK (0 on the first node, 1 on the second …) and MASTER_ADDR (the first "
            "node's name or address) on each"
        )
    rank = _number(env, "NODE_RANK", 0)
    if rank >= count:
        raise ValueError(f"NODE_RANK must be less than NNODES={count}, got {rank}: the first node has 0")
    port, seconds = _number(env, "MASTER_PORT", PORT, least=1), _number(env, "NODES_TIMEOUT", SECONDS, least=1)
    return Node(count, rank, env["MASTER_ADDR"], port, seconds)


def _number(env: Mapping[str, str], name: str, default: int, least: int = 0) -> int:
    text = env.get(name) or str(default)
    if not re.fullmatch("[0-9]{1,5}", text) or int(text) < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, got {text}")
    return int(text)


def cannot_train(error: Exception) -> dict[str, Any]:
    """What a node tells that cannot train."""
    return {"host": socket.gethostname(), "fault": str(error)}


def meet(node: Node, report: dict[str, Any], env: dict[str, str]) -> list[str]:
    """What is at fault with the nodes, a line each; empty where they can train. They meet in processes of their own."""
    request = json.dumps({"node": asdict(node), "report": report})
    command = [str(ROOT / ".venv/bin/python"), str(ROOT / "swift_plugins/meeting.py")]
    quiet = env | {"TORCH_CPP_LOG_LEVEL": "FATAL"}  # of what is tried again
    done = subprocess.run(command, input=request, env=quiet, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise ValueError(f"the nodes could not meet: {' '.join(command)} ended with exit code {done.returncode}")
    return json.loads(done.stdout)


def report_of(run: Run) -> dict[str, Any]:
    """What a node tells: its name, and by kind what must not differ."""
    facts: Facts = {
        "code": dict(_code(run)),
        "packages": {**{k: str(v) for k, v in library_versions().items()}, "Python": platform.python_version()},
        "settings": _settings(run),
        "data": {_named(file): f"{sha256_file(file)}, {count or 'all'} rows" for file, count in _data(run)},
        "media": dict(_media(run)),
        "model": dict(_models(run)),
    }
    each = run.says("save_on_each_node") == "true"
    return {"host": socket.gethostname(), "facts": facts, "each": each, "output": os.path.abspath(run.output)}


def _named(path: str | Path) -> str:
    """A path as nodes name it to each other, whose copies of the project may lie in other folders."""
    return str(path).replace(str(ROOT), ".")


def _code(run: Run) -> Iterator[tuple[str, str]]:
    own = sorted(map(str, (ROOT / "swift_plugins").rglob("*.py")))
    for path in (*own, run.recipe.path, *run.stated("external_plugins")):
        if os.path.isfile(path):
            yield _named(path), sha256_file(path)


def _settings(run: Run) -> dict[str, str]:
    """The flags and variables that steer a training, with the value of each."""
    own = {key: str(value) for key, value in run.recipe.keys["ENV"].items()}
    names = [key for key in run.env if key in own or _WEIGHT.fullmatch(key) or key in ("ANSWER_FORM", "NNODES")]
    found = own | vision_in_force(own, run.env)[0] | {key: run.env[key] for key in names}
    flag = ""
    for word in (*run.flags, *run.extra):
        if word.startswith("--"):
            name, _, word = word[2:].partition("=")
            flag = f"--{name.replace('-', '_')}"
            found[flag] = ""
        found[flag] = f"{found[flag]} {_named(word)}".strip()
    apart = {*_OWN, *(f"--{key}" for key in _PATHS)}  # of the latter, what lies there is compared
    return {key: value for key, value in found.items() if key not in apart}


def _data(run: Run) -> list[tuple[str, int | None]]:
    """The files of rows, and how many of each are taken."""
    stated = map(sampled, [*run.stated("dataset"), *run.stated("val_dataset")])
    return [(file, count) for file, count in stated if os.path.isfile(file)]


def _media(run: Run) -> Iterator[tuple[str, str]]:
    """The sizes of some media, from all over the data."""
    root = run.env.get("ROOT_IMAGE_DIR", "")
    for file, _ in _data(run):
        with open(file, "rb") as lines:
            count = sum(1 for _ in lines)
        taken = set(spread(count, COMPARED_MEDIA))
        for index, (_, row) in enumerate(scan_rows(file)):
            for path in media_of(row) if index in taken and isinstance(row, dict) else ():
                whole = os.path.join(root, path)
                yield _named(whole), f"{os.path.getsize(whole)} bytes" if os.path.isfile(whole) else "missing"


def _models(run: Run) -> Iterator[tuple[str, str]]:
    for folder in (name for key in ("model", "adapters", "resume_from_checkpoint") for name in run.stated(key)):
        for path in sorted(Path(folder).iterdir()) if os.path.isdir(folder) else ():
            if path.is_file():
                size = path.stat().st_size
                yield _named(path), sha256_file(path) if size <= _HASHED else f"{size} bytes"


def faults_of(node: Node, reports: list[dict[str, Any] | None]) -> list[str]:
    """What must not be so, a line each, of the nodes' reports in order; None is the report of one that did not come.

    Beside what `report_of` and `cannot_train` tell, a report says whether the node has `seen` what the first one wrote
    to the folder of checkpoints, and how many came `as` that rank.
    """
    first = reports[0] or {}
    names = [f"node {rank} ({report['host']})" if report else "" for rank, report in enumerate(reports)]
    found: list[str] = []
    for rank, report in enumerate(reports):
        if report is None:
            found.append(
                f"node {rank} did not come to {node.meeting} within {node.seconds:g} s: start it with NODE_RANK={rank} "
                f"and the same NNODES, MASTER_ADDR and MASTER_PORT; NODES_TIMEOUT sets another limit"
            )
        elif report["as"] > 1:
            found.append(f"{report['as']} nodes have NODE_RANK={rank}: number them from 0, each once")
        elif report.get("fault"):
            found.append(f"{names[rank]}: {report['fault']}")
        elif rank and not first.get("fault"):
            found += [*_shared(names, rank, report), *_differences(names, rank, first["facts"], report["facts"])]
    return found


def _shared(names: list[str], rank: int, report: dict[str, Any]) -> Iterator[str]:
    """Checkpoints are parts of one folder: ms-swift writes the arguments and the trainer's state on the first node
    alone, ZeRO a part of the optimizer on each, and all of them are read by each node to go on."""
    if not report["seen"]:
        yield (
            f"{names[rank]} does not see what {names[0]} writes to {report['output']}: set OUTPUT_DIR to a folder on a "
            "disk that the nodes share; each holds a part of a checkpoint, and could not go on from it"
        )
    elif report["each"]:
        yield f"{names[rank]} would write over the checkpoints of {names[0]}: leave out --save_on_each_node"


def _differences(names: list[str], rank: int, first: Facts, facts: Facts) -> Iterator[str]:
    for kind, (shown, cure) in KINDS.items():
        one, other = first[kind], facts[kind]
        # Which media there are follows from the data.
        keys = one.keys() & other.keys() if kind == "media" else one.keys() | other.keys()
        differing = sorted(key for key in keys if one.get(key) != other.get(key))
        if not differing:
            continue
        told = []
        for key in differing[:3]:
            here, there = other.get(key, "none"), one.get(key, "none")
            both = key in one and key in other
            told.append(key + ("" if both and not shown else f": {here}, not {there}" if shown else " on one of them"))
        more = f" and {len(differing) - 3} more" if len(differing) > 3 else ""
        yield f"{names[rank]} has other {kind} than {names[0]} ({'; '.join(told)}{more}): {cure}"
