"""A run of prediction against a server: it goes on where it was, with what it was, and shows no secret."""

from __future__ import annotations

import json
import os
import shutil

import pytest
from PIL import Image

from eval import predict
from swift_plugins.answering import asking
from swift_plugins.answering import server as module
from swift_plugins.core.media import content_hash
from swift_plugins.core.records import MAX_LINE, encode, read_rows
from tests.answering.misbehaving import GOOD, serving
from tests.answering.test_server import KEY, message, row
from tests.killing import contents, put, states_of


@pytest.fixture(autouse=True)
def environment(monkeypatch):
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
    monkeypatch.setattr(asking.time, "monotonic", lambda: 0.0)  # else no two runs take the same time
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
