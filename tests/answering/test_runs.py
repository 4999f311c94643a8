"""A run of prediction against a server: it goes on where it was, with what it was, and shows no secret."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import time

import pytest
from PIL import Image

from eval import predict
from swift_plugins.answering import asking
from swift_plugins.answering import server as module
from swift_plugins.core.media import content_hash
from swift_plugins.core.records import MAX_LINE, encode, read_rows
from tests.answering.killed import command, counting, kill_often, run, without_times, write_data
from tests.answering.misbehaving import GOOD, serving
from tests.answering.test_server import KEY, message, row
from tests.killing import contents, put, states_of


@pytest.fixture(autouse=True)
def settings(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setattr(module, "RETRIES", 0)


def run_predict(folder, url, rows, *options):
    (folder / "data.jsonl").write_bytes(b"".join(encode(one) + b"\n" for one in rows))
    files = ("--data", str(folder / "data.jsonl"), "--out", str(folder / "out.jsonl"))
    code = predict.main(["--backend", "openai", "--base-url", url, "--model", "m", *files, *options])
    return code, [row for _, row in read_rows(folder / "out.jsonl")]


def test_a_row_too_long_for_its_answer_is_an_error_and_the_run_goes_on(tmp_path):
    rows = [row("a"), row("b"), row("c")]
    rows[1]["meta"]["pad"] = "x" * (MAX_LINE - len(encode(rows[1])) - 1000)
    text = "y" * 2000
    with serving(lambda request: request.reply(message(text))) as url:
        code, found = run_predict(tmp_path, url, rows)
        assert code == 0
        assert [one["response"] for one in found] == [text, None, text]
        assert "would make a line of" in found[1]["error"]
        long, text = text, "REAL"
        code, found = run_predict(tmp_path, url, rows, "--retry-errors")
    assert code == 0
    assert [one["response"] for one in found] == [long, "REAL", long]


def test_nothing_of_the_server_reaches_the_terminal_or_the_report(tmp_path, capsys):
    from eval import score

    def behave(request):
        request.reply({"error": {"message": f"{request.headers['Authorization']} \x1b]0;PWNED\x07\u202e"}}, 400)

    with serving(behave) as url:
        assert run_predict(tmp_path, url, [row(media_id="a", label="real")])[0] == 1
    assert score.main(["--pred", str(tmp_path / "out.jsonl"), "--out", str(tmp_path / "report")]) == 0
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    shown = capsys.readouterr()
    assert "HTTP 400" in shown.out
    for text in (shown.out, shown.err, *(path.read_text() for path in files)):
        assert "CANARY" not in text
        assert "\x1b" not in text
        assert "\u202e" not in text


def test_media_that_change_between_two_runs_are_noticed_and_those_of_a_finished_one_not_read(tmp_path, monkeypatch):
    images = [tmp_path / f"{name}.png" for name in "ab"]
    rows = [row(path.stem) | {"images": [str(path)]} for path in images]
    for one in rows:
        one["messages"][0]["content"] = "<image>Real or fake?"
    Image.new("RGB", (8, 8), "red").save(images[0])
    images[1].write_bytes(b"broken")
    with serving(lambda request: request.reply(GOOD)) as url:
        code, found = run_predict(tmp_path, url, rows)
        assert (code, ["error" in one for one in found]) == (0, [False, True])
        assert found[0]["media_sha256"] == content_hash([str(images[0])])
        with monkeypatch.context() as patched:
            patched.setattr(asking, "content_hashes", None)
            assert run_predict(tmp_path, url, rows) == (0, found)
        before = images[0].read_bytes()
        Image.new("RGB", (8, 8), "blue").save(images[0])
        shutil.copy(images[0], images[1])
        assert run_predict(tmp_path, url, rows, "--retry-errors")[0] == 2
        images[0].write_bytes(before)
        code, found = run_predict(tmp_path, url, rows, "--retry-errors")
        assert (code, ["error" in one for one in found]) == (0, [False, False])
    record = json.loads((tmp_path / "out.jsonl.run.json").read_text())
    assert record["media_sha256"] == content_hash(map(str, images))


def test_a_run_that_was_killed_at_any_step_goes_on_to_the_same_file(tmp_path, monkeypatch):
    monkeypatch.setattr(asking.time, "perf_counter", lambda: 0.0)  # else no two runs take the same time
    rows, out = [row(name) for name in "abcde"], tmp_path / "out"
    out.mkdir()
    with serving(lambda request: request.reply(GOOD)) as url:
        states = states_of(lambda: run_predict(out, url, rows, "--batch-size", "2"), out, tmp_path / "states")
        whole = contents(out)
        assert len(whole["out.jsonl"].splitlines()) == 5
        torn = shutil.copytree(states[-1], tmp_path / "torn")
        os.truncate(torn / "out.jsonl", os.path.getsize(torn / "out.jsonl") - 9)
        for state in (*states, torn):
            put(state, out)
            assert run_predict(out, url, rows, "--batch-size", "2")[0] == 0
            assert contents(out) == whole


def test_a_run_that_is_killed_again_and_again_ends_as_one_that_is_not_and_asks_little_twice(tmp_path):
    kills, at_once = 3, 3
    write_data(tmp_path / "data.jsonl", 60)
    with counting(0.02) as (url, asked):
        whole = command(url, tmp_path / "data.jsonl", tmp_path / "whole.jsonl", "--batch-size", at_once)
        assert run(whole).returncode == 0
        asked.clear()
        line = command(url, tmp_path / "data.jsonl", tmp_path / "out.jsonl", "--batch-size", at_once)
        kill_often(line, tmp_path / "out.jsonl", kills, 0.05)
        assert 0 < (tmp_path / "out.jsonl").read_bytes().count(b"\n") < 60
        assert run(line).returncode == 0
    assert without_times(tmp_path / "out.jsonl") == without_times(tmp_path / "whole.jsonl")
    assert len(asked) == 60
    assert asked.total() <= 60 + kills * at_once


@pytest.mark.parametrize("room", ["a small file system", "a limit of the file's size"])
def test_a_full_disk_leaves_what_is_there_and_a_rerun_goes_on(tmp_path, room):
    rows, folder = 40, tmp_path / "small"
    folder.mkdir()
    write_data(tmp_path / "data.jsonl", rows, filler=400)
    small = room == "a small file system"
    if (
        small
        and subprocess.run(["mount", "-t", "tmpfs", "-o", "size=24k", "tmpfs", folder], capture_output=True).returncode
    ):
        pytest.skip("no file system can be mounted here")
    try:
        with counting(0) as (url, _):
            line = command(url, tmp_path / "data.jsonl", folder / "out.jsonl", "--batch-size", 2)
            limit = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (12_000, 12_000))  # noqa: E731
            done = run(line, preexec_fn=None if small else limit)
            assert done.returncode == 2
            assert done.stderr.count("error: ") == 1
            assert "Traceback" not in done.stderr
            before = (folder / "out.jsonl").read_bytes().splitlines(keepends=True)
            assert 5 < len(before) < rows
            assert json.loads((folder / "out.jsonl.run.json").read_text())["backend"] == "openai"
            done = run(line, preexec_fn=None if small else limit)  # still full: nothing is lost
            assert done.returncode == 2
            kept = (folder / "out.jsonl").read_bytes().splitlines(keepends=True)
            assert kept[: len(before) - 1] == before[:-1]
            if small:
                subprocess.run(["mount", "-o", "remount,size=1m", folder], check=True)
            assert run(line).returncode == 0
        found = without_times(folder / "out.jsonl")
    finally:
        if small:
            subprocess.run(["umount", folder], check=True)
    assert [row["id"] for row in found] == [f"r{number}" for number in range(rows)]
    assert [row["response"] for row in found] == [f"REAL {number}" for number in range(rows)]


def misbehave(request):
    """Each row is met with another ill; what is right, with its secret, is in all of them."""
    ill, secret = request.asked["messages"][0]["content"][0]["text"], request.headers["Authorization"]
    if ill == "page":
        return request.send(f"<html>{secret}</html>".encode(), Content_Type="text/html")
    if ill == "cut":
        request.head(Content_Length=1000)
        request.wfile.write(secret.encode())
        request.close_connection = True
        return None
    if ill == "hang":
        return time.sleep(5)
    if ill == "gigantic":
        request.head(Transfer_Encoding="chunked")
        while True:
            request.wfile.write(b"10000\r\n" + b" " * 65536 + b"\r\n")
    if ill == "redirect":
        return request.send(b"", 307, Location=f"http://127.0.0.1:1/{secret}")
    if ill == "busy":
        return request.reply({"error": secret}, 429, Retry_After="0.01")
    if ill == "refused":
        return request.reply({"error": {"message": f"no such thing: {secret}"}}, 422)
    replies = {
        "no choices": {"usage": None, "id": secret},
        "null choices": {"choices": None, "error": {"message": secret}},
        "empty choices": {"choices": []},
        "null message": {"choices": [{"message": None}]},
        "null usage": GOOD | {"usage": None},
        "parts": message([{"type": "text", "text": f"REAL {secret}"}]),
        "good": GOOD,
    }
    return request.reply(replies[ill])


ILLS = (
    "good",
    "no choices",
    "null choices",
    "empty choices",
    "null message",
    "null usage",
    "parts",
    "page",
    "cut",
    "hang",
)
ILLS += ("gigantic", "redirect", "busy", "refused", "good")
FINE = ("good", "null usage", "parts")


def test_every_ill_costs_its_own_row_a_rerun_goes_on_and_no_file_or_line_holds_the_secret(tmp_path, monkeypatch, capfd):
    from eval import score

    monkeypatch.setattr(module, "TIMEOUT", 1.0)
    rows = [row(f"{number} {ill}", media_id=str(number), label="real") for number, ill in enumerate(ILLS)]
    for one, ill in zip(rows, ILLS, strict=True):
        one["messages"][0]["content"] = ill
    with serving(misbehave) as url:
        code, found = run_predict(tmp_path, url, rows, "--batch-size", "4")
    assert code == 0
    assert [one["id"] for one in found] == [one["id"] for one in rows]
    assert [one["id"] for one in found if "error" not in one] == [
        one["id"] for one in rows if one["id"].split(" ", 1)[1] in FINE
    ]
    assert score.main(["--pred", str(tmp_path / "out.jsonl"), "--out", str(tmp_path / "report")]) == 0
    shown = capfd.readouterr()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"out.jsonl", "out.jsonl.run.json", "report.html", "report.json"} <= {path.name for path in files}
    for text in (shown.out, shown.err, *(path.read_text() for path in files)):
        assert "CANARY" not in text
    with serving(lambda request: request.reply(GOOD)) as again:
        code, found = run_predict(tmp_path, again, rows, "--batch-size", "4", "--retry-errors")
    assert (code, sum("error" in one for one in found)) == (0, 0)
