"""Nodes meet over a socket of this machine: who does not come, and what cannot be shared, is named on all of them."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from swift_plugins import meeting
from swift_plugins.core.nodes import KINDS, Node


@pytest.fixture
def port():
    pytest.importorskip("torch")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def node(rank, port, count=2, seconds=2.0):
    return Node(count, rank, "127.0.0.1", port, seconds)


def report(out, **data):
    facts = {kind: {} for kind in KINDS} | {"data": data}
    return {"host": "h", "facts": facts, "each": False, "output": str(out)}


def meet(*nodes_with_reports):
    """What each node is told, without the network, which two nodes of one process cannot try."""
    with ThreadPoolExecutor(8) as pool:
        return list(pool.map(lambda both: meeting.faults(*both), nodes_with_reports))


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    monkeypatch.setattr(meeting, "try_network", lambda store, node, names: [])


def test_nodes_that_share_a_folder_and_have_the_same_may_train(port, tmp_path):
    out = tmp_path / "new" / "out"
    assert meet((node(0, port), report(out, a="1")), (node(1, port), report(out, a="1"))) == [[], []]
    assert list(out.iterdir()) == []


def test_what_differs_is_told_to_all_nodes(port, tmp_path):
    told = meet(*((node(rank, port, 3), report(tmp_path, a=str(rank // 2))) for rank in range(3)))
    assert told == [["node 2 (h) has other data than node 0 (h) (a): " + KINDS["data"][1]]] * 3


def test_a_folder_of_each_node_is_not_shared(port, tmp_path):
    told = meet(*((node(rank, port), report(tmp_path / str(rank))) for rank in range(2)))
    assert "node 1 (h) does not see what node 0 (h) writes" in told[0][0]
    assert told[0] == told[1]


def test_a_node_that_does_not_come_is_named_to_those_that_came(port, tmp_path):
    told = meet(*((node(rank, port, 3), report(tmp_path)) for rank in (0, 2)))
    assert told[0][0].startswith(f"node 1 did not come to 127.0.0.1:{port} within 2 s")
    assert told[0] == told[1]


def test_two_nodes_with_one_rank_are_told(port, tmp_path):
    for first, second in meet(*((node(rank, port, 3), report(tmp_path)) for rank in (0, 1, 1))):
        assert first == "2 nodes have NODE_RANK=1: number them from 0, each once"
        assert second.startswith("node 2 did not come")


def test_the_second_of_one_rank_may_come_while_others_are_waited_for(port, tmp_path):
    def late(seconds, rank):
        time.sleep(seconds)
        return meeting.faults(node(rank, port, 3), report(tmp_path))

    with ThreadPoolExecutor() as pool:
        told = [*pool.map(late, (0, 0, 1), (0, 1, 1))]
    assert told == [told[0]] * 3
    assert told[0][0] == "2 nodes have NODE_RANK=1: number them from 0, each once"


def test_a_node_that_cannot_train_ends_the_others(port, tmp_path):
    broken = {"host": "b", "fault": "no data"}
    for first, second in ((broken, report(tmp_path)), (report(tmp_path), broken)):
        (fault,), other = meet((node(0, port), first), (node(1, port), second))
        assert fault.endswith("(b): no data")
        assert other == [fault]


def test_a_first_node_that_is_not_reached_is_named(port, tmp_path):
    ((fault,),) = meet((node(1, port), report(tmp_path)))
    assert fault.startswith(f"node 1 did not reach node 0 at 127.0.0.1:{port} within 2 s")


def test_a_port_that_is_taken_is_named(port, tmp_path):
    with socket.socket() as taken:
        taken.bind(("", port))
        taken.listen()
        assert meet((node(0, port), report(tmp_path))) == [
            [f"MASTER_PORT={port} is in use on node 0: set another one, the same on all nodes"]
        ]
