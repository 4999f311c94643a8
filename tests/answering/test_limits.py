"""How much is asked of servers: fewer at once when they are busy, in all no more than a budget allows."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import datetime, timedelta, timezone
from email.utils import format_datetime

import httpx
import pytest

from swift_plugins.answering import limits
from swift_plugins.answering import server as module
from swift_plugins.answering.limits import Budget, Endpoint, OverBudget, Prices, Use, read_prices
from swift_plugins.answering.server import Server
from tests.answering.misbehaving import GOOD, serving
from tests.answering.test_server import row


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setattr(module, "FIRST_PAUSE", 0.02)
    monkeypatch.setattr(limits, "FIRST_PAUSE", 0.02)


def ask(urls, count, most=4, budget=None):
    """(answers by number, the server as it was asked)."""
    server = Server({"model": "m", "base_url": " ".join(urls)}, most, 8, budget=budget)
    found = {number: results[0] for number, results, _ in server.stream((i, [row(str(i))]) for i in range(count))}
    return found, server


def test_a_busy_endpoint_takes_half_as_many_and_by_and_by_more_again():
    endpoint = Endpoint("http://x/v1", 16)
    assert endpoint.limit == 1  # the first request goes alone
    endpoint.answered()
    assert endpoint.limit == 16
    begun = time.monotonic()
    assert [endpoint.failed(begun) for _ in range(5)] == [True, False, False, False, False]
    assert endpoint.limit == 8  # five that were sent together are one sign
    assert not endpoint.is_free()
    for _ in range(8):
        endpoint.answered()
    assert 8.9 < endpoint.limit < 9
    for _ in range(9):
        endpoint.failed(time.monotonic())
    assert endpoint.limit == 1


def test_a_server_that_is_asked_to_rest_is_left_alone_for_so_long():
    at = []

    def behave(request):
        at.append(time.monotonic())
        busy = len(at) == 1
        request.reply(GOOD, 429 if busy else 200, Retry_After="0.4")

    with serving(behave) as url:
        found, _ = ask([url], 3)
    assert {one["response"] for one in found.values()} == {"REAL"}
    assert at[1] - at[0] >= 0.4


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("2", 2),
        ("0.25", 0.25),
        ("600", limits.MAX_PAUSE),
        ("0", None),
        ("-5", None),
        ("1e3", None),
        ("soon", None),
        ("Fri, 99 Foo 9999 99:99:99 GMT", None),
        ("", None),
    ],
)
def test_how_long_a_server_asks_to_be_left_alone(header, seconds):
    found = module.wanted_pause(httpx.Response(429, headers={"Retry-After": header}))
    assert found == seconds


def test_a_server_may_ask_to_be_left_alone_until_a_date():
    def asked(seconds):
        date = format_datetime(datetime.now(timezone.utc) + timedelta(seconds=seconds), usegmt=True)
        return module.wanted_pause(httpx.Response(429, headers={"Retry-After": date}))

    assert asked(40) == pytest.approx(35, abs=10)
    assert asked(86_400) == limits.MAX_PAUSE
    assert asked(-86_400) is None


def test_concurrency_falls_to_what_a_server_takes_and_no_row_is_lost():
    """A server that answers two at once and turns away the rest, as a rate limit does."""
    running, refused = Counter(), Counter()

    def behave(request):
        running["now"] += 1
        try:
            if running["now"] > 2:
                refused["all"] += 1
                return request.reply({"error": {"message": "slow down"}}, 429)
            time.sleep(0.02)
            request.reply(GOOD)
        finally:
            running["now"] -= 1

    with serving(behave) as url:
        found, server = ask([url], 60, most=16)
    assert [found[i]["response"] for i in range(60)] == ["REAL"] * 60
    assert refused["all"] < 60  # without limits nearly each of the first hundred
    assert server.pool.endpoints[0].limit < 8


def test_a_pool_shares_its_requests_and_goes_on_without_a_server_that_is_gone(capsys):
    asked: Counter[str] = Counter()

    def as_server(name, seconds):
        def behave(request):
            asked[name] += 1
            time.sleep(seconds)
            request.reply(GOOD)

        return behave

    with serving(as_server("fast", 0)) as fast, serving(as_server("slow", 0.3)) as slow:
        with serving(as_server("gone", 0)) as gone:
            pass  # nobody listens there any more
        found, _ = ask([gone, slow, fast], 60)
    assert len(found) == 60
    assert {one["response"] for one in found.values()} == {"REAL"}
    assert asked["fast"] > asked["slow"] > 0
    assert asked["gone"] == 0
    assert capsys.readouterr().err.count(f"note: {gone}: ") == 1


def test_a_run_without_any_server_ends_in_bounded_time():
    with serving(lambda request: request.reply(GOOD)) as url, serving(lambda request: request.reply(GOOD)) as other:
        pass
    begin = time.monotonic()
    with pytest.raises(ConnectionError, match="no server was reached in 8 tries; a rerun goes on"):
        ask([url, other], 100)
    assert time.monotonic() - begin < 20  # here the pauses begin at 0.02 s


@pytest.mark.parametrize(
    ("budget", "answered"),
    [
        (Budget(requests=7), 7),
        (Budget(tokens=64), 8),  # 5 read and 3 written each
        (Budget(cost=1.0, prices=Prices(100_000, 0)), 2),  # 0.5 each
    ],
)
def test_a_budget_ends_a_run_at_the_last_request_that_it_allows(budget, answered):
    seen, found = [], []

    def behave(request):
        seen.append(request.asked)
        request.reply(GOOD)

    with serving(behave) as url:
        stream = Server({"model": "m", "base_url": url}, 4, 3, budget=budget).stream((i, [row()]) for i in range(40))
        with pytest.raises(OverBudget, match=r"the budget \(.*\) is used up: \d requests, .*; a rerun goes on"):
            found.extend(number for number, _, _ in stream)
    assert len(found) == len(seen) == budget.used.requests
    assert len(found) == pytest.approx(answered, abs=1)
    assert (budget.used.read, budget.used.written) == (5 * len(found), 3 * len(found))


def test_what_is_asked_again_is_of_the_budget_too(monkeypatch):
    seen = []

    def behave(request):
        seen.append(request.asked)
        request.reply(GOOD, 503)

    with serving(behave) as url:
        found = Server({"model": "m", "base_url": url}, 1, 8, budget=Budget(requests=3)).answer([row()])
    assert len(seen) == 3
    assert "HTTP 503" in str(found[0])


def test_a_request_whose_server_does_not_count_has_used_what_was_put_aside():
    budget = Budget(tokens=1000)
    budget.count(estimate := Use(1, 100, 50), None, None)
    assert budget.used == Use(1, 100, 50)
    budget.count(estimate, 200, 10)
    assert budget.used == Use(2, 300, 60)
    assert budget.reserve(estimate).read == 200  # the estimate was half of what it is


def test_a_price_table_is_read_for_the_model_that_is_asked(tmp_path):
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"gpt-4.1": [2.0, 8], "free": [0, 0], "odd": ["2", 8], "minus": [1, -1]}))
    assert read_prices(path, "gpt-4.1").of(Use(1, 1_000_000, 500_000)) == 6.0
    for model, said in {"gpt-4": "did you mean 'gpt-4.1'", "odd": "must have", "minus": "must have"}.items():
        with pytest.raises(ValueError, match=said):
            read_prices(path, model)
