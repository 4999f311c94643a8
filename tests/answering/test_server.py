"""A server is asked as OpenAI's protocol says; an ill reply costs its own row, in bounded time and memory."""

from __future__ import annotations

import copy
import gzip
import json
import math
import threading
import time
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from swift_plugins.answering import server as module
from swift_plugins.answering.asking import error_text
from swift_plugins.answering.probabilities import result_of
from swift_plugins.answering.replies import MAX_ANSWER, answer_of
from swift_plugins.answering.server import Server
from swift_plugins.core.records import encode_line, scan_rows
from tests.answering.misbehaving import GOOD, serving

KEY = "sk-CANARY-0123456789abcdef"


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(module, "RETRIES", 0)


def row(name: str = "a", **meta) -> dict:
    question, gold = {"role": "user", "content": "Real or fake?"}, {"role": "assistant", "content": "REAL"}
    return {"id": name, "task": "deeptrace", "messages": [question, gold], "meta": meta}


def ask(behave, *rows, batch_size=4, max_tokens=8):
    with serving(behave) as url:
        return Server({"model": "m", "base_url": url}, batch_size, max_tokens).answer(list(rows) or [row()])


def changed(**choice) -> dict:
    """The good reply with its choice changed."""
    return GOOD | {"choices": [GOOD["choices"][0] | choice]}


def message(content) -> dict:
    return changed(message={"role": "assistant", "content": content})


def test_what_is_asked_is_as_before():
    seen = []

    def behave(request):
        seen.append((request.path, dict(request.headers), request.asked))
        request.reply(GOOD)

    assert ask(behave) == [
        {
            "response": "REAL",
            "p_fake": None,
            "usage": {"prompt_tokens": 5, "completion_tokens": 3},
            "finish_reason": "stop",
        }
    ]
    ((path, headers, asked),) = seen
    assert path == "/v1/chat/completions"
    assert headers["Authorization"] == f"Bearer {KEY}"
    assert asked == {
        "model": "m",
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Real or fake?"}]}],
        "max_tokens": 8,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 20,
    }


def test_the_probabilities_are_those_of_the_first_token():
    top = [{"token": t, "logprob": math.log(p), "bytes": None} for t, p in (("FAKE", 0.75), ("REAL", 0.25))]
    content = [{"token": "FAKE", "logprob": math.log(0.75), "top_logprobs": top}]
    reply = message("FAKE") | {"object": "chat.completion", "system_fingerprint": None}
    reply["choices"][0]["logprobs"] = {"content": content}
    assert ask(lambda request: request.reply(reply))[0]["p_fake"] == 0.75


ANSWERS = {
    "no usage": ({k: v for k, v in GOOD.items() if k != "usage"}, "REAL"),
    "null usage": (GOOD | {"usage": None, "error": None}, "REAL"),
    "parts": (message([{"type": "text", "text": "RE"}, {"type": "thinking", "thinking": []}, {"text": "AL"}]), "REAL"),
    "nothing said": (message(""), ""),
    "half a pair": (message("REAL \ud800\\ \\ud800 \U0001f642\udc00"), "REAL \ufffd\\ \\ud800 \U0001f642\ufffd"),
    "counts as texts": (GOOD | {"usage": {"prompt_tokens": "5", "completion_tokens": None}}, "REAL"),
    "tokens without alternatives": (changed(logprobs={"content": [{"token": "REAL", "top_logprobs": None}]}), "REAL"),
    "the key": (message(f"REAL {KEY} REAL"), "REAL [masked] REAL"),
}


@pytest.mark.parametrize(("reply", "text"), ANSWERS.values(), ids=ANSWERS)
def test_a_sloppy_reply_is_an_answer(reply, text):
    (found,) = ask(lambda request: request.reply(reply))
    assert found["response"] == text
    encode_line(found)


FAULTS = {
    "no choices": ({"usage": None}, "has no choices"),
    "null choices": ({"choices": None, "error": {"message": "Too Many Requests"}}, "error.*Too Many Requests"),
    "empty choices": (GOOD | {"choices": []}, "has no choices"),
    "choices an object": (GOOD | {"choices": {"0": 1}}, "Expected `array"),
    "no message": ({"choices": [{"index": 0}]}, "missing required field `message`"),
    "null message": (changed(message=None), "Expected `object`, got `null`"),
    "null content": (message(None), r"has no text \(finish_reason stop\)"),
    "refused": (changed(message={"content": None, "refusal": "I cannot."}), r"no text \(I cannot\.\)"),
    "number": (message(7), "got `int`"),
    "object": (message({"text": "REAL"}), "got `object`"),
    "no parts": (message([]), "has no text"),
    "part a text": (message(["REAL"]), "got `str`"),
    "null part": (message([{"type": "text", "text": None}]), "got `null`"),
    "usage a text": (GOOD | {"usage": "many"}, "got `str`"),
    "negative usage": (GOOD | {"usage": {"prompt_tokens": -1}}, ">= 0"),
    "null": (None, "got `null`"),
    "text": ("REAL", "got `str`"),
    "list": ([], "got `array`"),
    "logprobs a text": (changed(logprobs="none"), "got `str`"),
    "null token": (changed(logprobs={"content": [{"token": None, "top_logprobs": []}]}), "got `null`"),
    "null logprob": (
        changed(logprobs={"content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": None}]}]}),
        "got `null`",
    ),
    "logprob above 0": (
        changed(logprobs={"content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": 710}]}]}),
        "<= 0.001",
    ),
    "logprob NaN": (
        changed(logprobs={"content": [{"token": "A", "top_logprobs": [{"token": "A", "logprob": math.nan}]}]}),
        "not JSON",
    ),
    "long finish reason": (changed(finish_reason="x" * 101), "length <= 100"),
    "error beside an answer": (GOOD | {"error": {"message": "filtered"}}, "error.*filtered"),
    "long answer": (message("x" * (MAX_ANSWER + 1)), f"at most {MAX_ANSWER}"),
}


@pytest.mark.parametrize(("reply", "complaint"), FAULTS.values(), ids=FAULTS)
def test_a_reply_without_an_answer_says_why(reply, complaint):
    (found,) = ask(lambda request: request.reply(reply))
    assert isinstance(found, ValueError)
    with pytest.raises(ValueError, match=complaint):
        raise found


def drip(request):
    request.head(Transfer_Encoding="chunked")
    while True:
        request.wfile.write(b"1\r\n \r\n")
        time.sleep(0.05)


def drip_the_head(request):
    request.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
    while True:
        request.wfile.write(b"x")
        time.sleep(0.05)


def say_nothing(request):
    time.sleep(30)


@pytest.mark.parametrize("behave", [drip, drip_the_head, say_nothing])
def test_a_slow_server_costs_a_row_in_bounded_time(monkeypatch, behave):
    monkeypatch.setattr(module, "TIMEOUT", 0.7)
    begin = time.monotonic()
    (found,) = ask(behave)
    assert str(found) == "the server gave no whole reply within 0.7 s"
    assert time.monotonic() - begin < 5


def endless(request):
    request.head(Transfer_Encoding="chunked")
    while True:
        request.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")


def bomb(request):
    """A quarter of a gigabyte when it is unpacked."""
    request.send(gzip.compress(b" " * (1 << 20)) * 256, Content_Encoding="gzip", Content_Type="application/json")


@pytest.mark.parametrize(("behave", "complaint"), [(endless, "longer than"), (bomb, r"is compressed \(gzip\)")])
def test_a_huge_reply_costs_a_row_in_bounded_memory(behave, complaint):
    tracemalloc.start()
    with serving(behave) as url:
        client = Server({"model": "m", "base_url": url}, 4, 8)
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        found = client.answer([row(name) for name in "ab"])
        peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    for one in found:
        with pytest.raises(ValueError, match=complaint):
            raise one
    assert peak < 48 << 20  # the server of this test, which makes the bodies, is measured with it


def test_a_redirect_is_not_followed_and_hands_nothing_on():
    reached = threading.Event()

    with serving(lambda request: reached.set()) as elsewhere:
        (found,) = ask(lambda request: request.send(b"", 307, Location=f"{elsewhere}/chat/completions"))
    assert not reached.is_set()
    assert str(found) == f"the server redirects (HTTP 307) to {elsewhere}/chat/completions: not followed"


def test_a_page_or_a_cut_connection_costs_its_row():
    def behave(request):
        kind = request.asked["messages"][0]["content"][0]["text"]
        if kind == "page":
            request.send(b"<html>\x1b[31mlogin</html>", Content_Type="text/html")
        elif kind == "cut":
            request.head(Content_Length=1000)
            request.wfile.write(b'{"choices": ')
            request.close_connection = True
        elif kind == "closed":
            request.close_connection = True
        elif kind == "latin":
            request.send(json.dumps(message("naïf"), ensure_ascii=False).encode("latin-1"))
        else:
            request.reply(GOOD)

    kinds = ("good", "page", "cut", "closed", "latin", "good")
    rows = [row(name) | {"messages": [{"role": "user", "content": name}]} for name in kinds]
    first, page, cut, closed, latin, last = ask(behave, *rows, batch_size=2)
    assert first["response"] == last["response"] == "REAL"
    assert latin["response"] == "na\ufffdf"
    assert "not JSON" in error_text(page)
    assert "\x1b" not in error_text(page)
    assert error_text(cut).startswith("RemoteProtocolError: ")
    assert error_text(closed).startswith("RemoteProtocolError: ")


@pytest.mark.parametrize(("status", "asked"), [(429, 3), (503, 3), (400, 2), (401, 1)])
def test_a_busy_server_is_asked_again(monkeypatch, status, asked):
    monkeypatch.setattr(module, "RETRIES", 2)
    seen = []

    def behave(request):
        seen.append(request.asked)
        request.reply({"error": {"message": f"no, {request.headers['Authorization']}"}}, status, Retry_After="0.01")

    (found,) = ask(behave)
    assert len(seen) == asked
    text = error_text(found)
    assert text.startswith(f"ValueError: the server replies HTTP {status}: ")
    assert "Bearer [masked]" in text
    assert "CANARY" not in text


def test_a_server_that_was_busy_once_is_no_fault(monkeypatch):
    monkeypatch.setattr(module, "RETRIES", 2)
    replies = iter([503, 200])

    def behave(request):
        request.reply(GOOD, next(replies), Retry_After="0.01")

    assert ask(behave)[0]["response"] == "REAL"


def test_as_many_are_asked_at_once_as_the_batch_holds():
    lock, now, most = threading.Lock(), [0], [0]

    def behave(request):
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.1)
        with lock:
            now[0] -= 1
        request.reply(GOOD)

    assert len(ask(behave, *(row(str(i)) for i in range(9)), batch_size=3)) == 9
    assert most[0] == 3


@pytest.mark.parametrize(
    "url", ["ftp://x/v1", "http://", "http://u:p@x/v1", "http://x/v1?api-key=1", f"http://x/{KEY}/v1", "x", None]
)
def test_an_address_that_cannot_be_recorded_is_refused(url):
    with pytest.raises(ValueError, match="--base-url"):
        Server.settings("m", None, url)


# Anything that JSON can say, with the protocol's own keys among it.
KEYS = st.sampled_from(
    ["choices", "message", "content", "logprobs", "top_logprobs", "token", "logprob", "usage", "error", "text", "type"]
)
TEXTS = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(["\ud800", "REAL", "\x1b[31m", KEY])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_infinity=False, allow_nan=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS | TEXTS, inner, max_size=3),
    max_leaves=8,
)


@st.composite
def replies(draw):
    """The good reply with any value in any one of its places."""
    reply = copy.deepcopy(
        changed(logprobs={"content": [{"token": "REAL", "top_logprobs": [{"token": "R", "logprob": -1}]}]})
    )
    places = [(reply, key) for key in reply] + [(reply["choices"][0], key) for key in reply["choices"][0]]
    places += [(reply["choices"], 0), (reply["choices"][0]["message"], "content")]
    tokens = reply["choices"][0]["logprobs"]["content"]
    places += [(tokens, 0), (tokens[0], "token"), (tokens[0], "top_logprobs"), (tokens[0]["top_logprobs"], 0)]
    holder, key = draw(st.sampled_from(places))
    holder[key] = draw(VALUES)
    return json.dumps(reply).encode()


@given(body=replies() | VALUES.map(lambda value: json.dumps(value).encode()) | st.binary(max_size=40))
def test_any_reply_is_an_answer_that_can_be_read_back_or_a_reason(tmp_path_factory, body):
    asked = row()
    try:
        line = asked | result_of(asked, *answer_of(body))
    except ValueError as error:
        line = asked | {"response": None, "error": error_text(error)}
    path = tmp_path_factory.getbasetemp() / "line.jsonl"
    path.write_bytes(encode_line(line) + b"\n")
    assert list(scan_rows(path)) == [(1, line)]
    assert "CANARY" not in path.read_text()
