"""Nodes meet at MASTER_ADDR:MASTER_PORT before torchrun takes it, compare what they have, and try the network.

    python swift_plugins/meeting.py < REQUEST

launch.py starts it on each node; what is at fault is printed as a JSON list of lines, the same on all nodes.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
if not __package__:
    sys.path[0] = str(ROOT)

from swift_plugins.core.nodes import Node, faults_of

NETWORK = 60  # seconds for a number to get from one node to another
SHOWN = 200  # characters of an error
GRACE = 30  # seconds that a node waits for one which has come


def gather(store: Any, node: Node, report: dict[str, Any]) -> list[dict[str, Any] | None]:
    """All nodes' reports, in order, None for one that did not come in time; the first node collects them."""
    if node.rank:
        mark = Path(store.get("mark").decode())
        came = store.add(f"as{node.rank}", 1)
        store.set(f"node{node.rank}", json.dumps(report | {"seen": sees(report, mark), "as": came}))
        store.wait(["all"], timedelta(seconds=node.seconds + GRACE))
        reports = json.loads(store.get("all"))
        if own := reports[node.rank]:  # what the first one does not know of one that came too late
            own["as"] = max(own["as"], came)
        return reports
    with marked(report) as mark:
        store.set("mark", str(mark))
        end = time.monotonic() + node.seconds
        others = [collect(store, rank, end) for rank in range(1, node.count)]
    # Counted when all have come or their time is over: a second node of one rank may come after the first.
    counted = [one and one | {"as": store.add(f"as{rank}", 0)} for rank, one in enumerate(others, 1)]
    reports = [report | {"as": 1}, *counted]
    store.set("all", json.dumps(reports))
    return reports


def collect(store: Any, rank: int, end: float) -> dict[str, Any] | None:
    from torch.distributed import DistStoreError

    try:
        store.wait([f"node{rank}"], timedelta(seconds=max(end - time.monotonic(), 0.1)))
    except DistStoreError:
        return None
    return json.loads(store.get(f"node{rank}"))


@contextlib.contextmanager
def marked(report: dict[str, Any]) -> Iterator[Path]:
    """A new file's path in the folder of checkpoints; there is none where a node cannot train."""
    if "fault" in report:
        yield Path()
        return
    output = Path(report["output"])
    output.mkdir(parents=True, exist_ok=True)
    mark = output / f".nodes-{os.getpid()}-{time.time_ns()}"
    mark.touch()
    try:
        yield mark
    finally:
        mark.unlink(missing_ok=True)


def sees(report: dict[str, Any], mark: Path) -> bool:
    """Whether that file of the first node is in this one's folder, which is made: a shared disk then looks anew."""
    if "fault" in report:
        return False
    output = Path(report["output"])
    output.mkdir(parents=True, exist_ok=True)
    return (output / mark.name).is_file()


def within(seconds: float, work: Callable[[], None]) -> str:
    """Why work did not end well in time, else nothing; what hangs is left behind, and ends with the process."""
    ended: list[str] = []

    def call() -> None:
        try:
            work()
            ended.append("")
        except (RuntimeError, ValueError) as error:
            ended.append(str(error).splitlines()[0][:SHOWN])

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    thread.join(seconds)
    return ended[0] if ended else f"no answer within {seconds:g} s"


def add_up(store: Any, backend: str, rank: int, seconds: float) -> None:
    """One node's part in adding up a number of two; an error where another comes out."""
    import torch
    import torch.distributed as dist

    dist.init_process_group(backend, store=store, rank=rank, world_size=2, timeout=timedelta(seconds=seconds))
    number = torch.ones(1, device="cuda" if backend == "nccl" else "cpu")
    dist.all_reduce(number)
    if number.item() != 2:
        raise ValueError(f"1 + 1 came out as {number.item()}")
    dist.destroy_process_group()


def try_network(store: Any, node: Node, names: list[str]) -> list[str]:
    """What is at fault with the network over which training exchanges gradients: the first node tries each other."""
    import torch
    from torch.distributed import PrefixStore

    backend = "nccl" if torch.cuda.is_available() else "gloo"
    seconds = min(NETWORK, node.seconds)
    longest = timedelta(seconds=node.count * (seconds + GRACE))

    def part(other: int) -> str:
        work = functools.partial(add_up, PrefixStore(f"pair{other}", store), backend, int(node.rank > 0), seconds)
        return within(seconds + GRACE, work)

    if node.rank:
        store.wait([f"turn{node.rank}"], longest)
        if not store.check(["network"]):
            store.set(f"why{node.rank}", part(node.rank))
    else:
        fault = ""
        for other in range(1, node.count):
            store.set(f"turn{other}", "")
            if why := part(other):
                store.wait([f"why{other}"], timedelta(seconds=GRACE))
                why = store.get(f"why{other}").decode() or why
                fault = unreachable(node, backend, names[0], names[other], why)
                break
        store.set("network", fault)
        for other in range(1, node.count):
            store.set(f"turn{other}", "")
    store.wait(["network"], longest)
    return [fault] if (fault := store.get("network").decode()) else []


def unreachable(node: Node, backend: str, first: str, other: str, why: str) -> str:
    name = f"{backend.upper()}_SOCKET_IFNAME"
    return (
        f"{first} and {other} meet at {node.meeting} but do not reach each other by {backend} ({why}): set {name} on "
        f"each to the network that joins them (`ip -br addr` lists them; on {first} it is "
        f"{os.environ.get(name) or 'unset'}), and let a firewall pass all ports between them"
    )


def why_not(node: Node, error: Exception) -> str:
    """Why a node could not come to the meeting."""
    if node.rank:
        return (
            f"node {node.rank} did not reach node 0 at {node.meeting} within {node.seconds:g} s: is it started there, "
            "with NODE_RANK=0? does MASTER_ADDR name it, and does a firewall let MASTER_PORT pass?"
        )
    if "EADDRINUSE" in str(error) or "in use" in str(error):
        return f"MASTER_PORT={node.port} is in use on node 0: set another one, the same on all nodes"
    return f"node 0 cannot listen at {node.meeting}: MASTER_ADDR must be its own name or address"


def faults(node: Node, report: dict[str, Any]) -> list[str]:
    from torch.distributed import DistError, TCPStore

    limit = timedelta(seconds=node.seconds)
    try:
        store = TCPStore(node.address, node.port, is_master=node.rank == 0, timeout=limit, wait_for_workers=False)
        reports = gather(store, node, report)
    except DistError as error:
        return [why_not(node, error)]
    found = faults_of(node, reports)
    names = [f"node {rank} ({one['host']})" for rank, one in enumerate(reports) if one]
    try:
        found = found or try_network(store, node, names)
        leave(store, node, sum(one["as"] for one in reports[1:] if one))
    except DistError:
        found = found or [f"node {node.rank} lost the others at {node.meeting}: start all nodes again"]
    return found


def leave(store: Any, node: Node, others: int) -> None:
    """The first node leaves last: the store ends with its process."""
    if node.rank:
        store.add("left", 1)
        return
    end = time.monotonic() + GRACE
    while store.add("left", 0) < others and time.monotonic() < end:
        time.sleep(0.05)


def main(argv: list[str]) -> None:
    if argv in (["-h"], ["--help"]):
        sys.stdout.write(f"usage: meeting.py < REQUEST\n\n{__doc__}\n")
        return
    request = json.load(sys.stdin)
    sys.stdout.write(json.dumps(faults(Node(**request["node"]), request["report"])))
    sys.stdout.flush()
    os._exit(0)  # what hangs in the network would keep it


if __name__ == "__main__":
    main(sys.argv[1:])
