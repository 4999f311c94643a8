"""Parts of a run, each with an output of its own, make the same file as the run; what does not fit is not merged."""

from __future__ import annotations

import argparse
import json
import shutil

import pytest
from PIL import Image

from eval import merge, predict
from swift_plugins.answering import asking
from swift_plugins.answering.options import add_engine_options, asking_of
from swift_plugins.answering.shards import Shard, shard_of_job
from swift_plugins.answering.workers import device_shares
from swift_plugins.core.records import encode
from tests.answering.misbehaving import GOOD, serving
from tests.answering.test_server import row

ROWS = 11


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """Rows with an image each, and what a run without shards makes of them, answered by a server that says their id."""
    folder = tmp_path_factory.mktemp("home")
    rows = []
    for number in range(ROWS):
        Image.new("RGB", (8, 8), (20 * number, 0, 0)).save(folder / f"{number}.png")
        asked = row(f"r{number}", media_id=str(number), label="real") | {"images": [str(folder / f"{number}.png")]}
        asked["messages"][0]["content"] = f"<image>{number}"
        rows.append(asked)
    (folder / "data.jsonl").write_bytes(b"".join(encode(one) + b"\n" for one in rows))
    return folder


@pytest.fixture(scope="module")
def url():
    def behave(request):
        said = request.asked["messages"][0]["content"][-1]["text"]
        reply = json.loads(json.dumps(GOOD))
        reply["choices"][0]["message"]["content"] = f"FAKE {said}"
        request.reply(reply)

    with serving(behave) as url:
        yield url


@pytest.fixture
def run(home, url, tmp_path, monkeypatch, capsys):
    """Predict into tmp_path/out.jsonl with these flags; the exit code."""
    monkeypatch.setattr(asking.time, "perf_counter", lambda: 0.0)
    monkeypatch.setenv("OPENAI_API_KEY", "none")

    def call(*flags, data=home / "data.jsonl", out="out.jsonl"):
        files = ("--data", str(data), "--out", str(tmp_path / out))
        return predict.main(["--backend", "openai", "--base-url", url, "--model", "m", *files, *flags])

    return call


def merged(tmp_path):
    return merge.main(["--out", str(tmp_path / "out.jsonl")])


@pytest.mark.parametrize("count", [1, 3, 13])
def test_the_shards_of_a_run_merge_to_what_a_run_without_them_writes(run, tmp_path, capsys, count):
    assert run(out="whole.jsonl") == 0
    for number in range(count, 0, -1):
        assert run("--shard", f"{number}/{count}") == 0
    if count == 1:
        assert not list(tmp_path.glob("out.*-of-*"))
        return
    assert f"merge.py --out {tmp_path / 'out.jsonl'}" in capsys.readouterr().out
    assert merged(tmp_path) == 0
    assert f"{ROWS} rows of {count} shards in " in capsys.readouterr().out
    assert (tmp_path / "out.jsonl").read_bytes() == (tmp_path / "whole.jsonl").read_bytes()
    record, whole = (json.loads((tmp_path / f"{name}.jsonl.run.json").read_text()) for name in ("out", "whole"))
    assert record == whole
    assert merged(tmp_path) == 0  # a second time changes nothing
    before = (tmp_path / "out.jsonl").read_bytes()
    assert run() == 0  # and the run itself finds all done
    assert (tmp_path / "out.jsonl").read_bytes() == before


@pytest.fixture
def parts(run, tmp_path):
    """The paths of three shards that are done."""
    for number in (1, 2, 3):
        assert run("--shard", f"{number}/3") == 0
    return [tmp_path / f"out.{number}-of-3.jsonl" for number in (1, 2, 3)]


def without_last_line(path):
    path.write_bytes(b"".join(path.read_bytes().splitlines(True)[:-1]))


@pytest.mark.parametrize(
    ("spoil", "complaint"),
    [
        (
            lambda parts: [path.unlink() for path in parts[1].parent.glob("*2-of-3*")],
            "of 3 shards these are missing: 2",
        ),
        (lambda parts: without_last_line(parts[1]), "10 of 11 rows are there (out.1-of-3.jsonl 4, out.2-of-3.jsonl 3"),
        (lambda parts: shutil.copy(parts[0], parts[2]), "row 'r0' stands in "),
        (
            lambda parts: parts[1].write_bytes(parts[1].read_bytes().replace(b"r4", b"x4")),
            "hold other rows than were asked",
        ),
        (lambda parts: parts[0].with_name("out.jsonl").write_text("{}\n"), "holds something else than its shards"),
        (lambda parts: parts[2].write_text('{"id": '), "out.3-of-3.jsonl:1: not JSON"),
    ],
)
def test_what_is_missing_doubled_or_other_is_not_merged(parts, tmp_path, capsys, spoil, complaint):
    spoil(parts)
    before = (tmp_path / "out.jsonl").read_bytes() if (tmp_path / "out.jsonl").exists() else None
    assert merged(tmp_path) == 2
    assert complaint in capsys.readouterr().err
    assert ((tmp_path / "out.jsonl").read_bytes() if before else None) == before


def test_shards_of_two_runs_are_not_merged(run, parts, tmp_path, capsys):
    for path in tmp_path.glob("*2-of-3*"):
        path.unlink()
    assert run("--shard", "2/3", "--max-tokens", "9") == 0
    assert merged(tmp_path) == 2
    assert "is of another run than the first shard: generation differ" in capsys.readouterr().err
    assert run("--shard", "1/2") == 0
    assert merged(tmp_path) == 2
    assert "has shards of 2, 3" in capsys.readouterr().err


def test_an_output_without_shards_is_told_what_there_is_to_merge(tmp_path, capsys):
    assert merged(tmp_path) == 2
    assert "has no shards beside it, such as out.1-of-2.jsonl" in capsys.readouterr().err


def test_a_shard_that_was_stopped_goes_on(run, parts, tmp_path):
    whole = parts[1].read_bytes()
    parts[1].write_bytes(whole[: len(whole) // 2])
    assert run("--shard", "2/3") == 0
    assert parts[1].read_bytes() == whole


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({}, None),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"RANK": "2", "WORLD_SIZE": "4"}, Shard(3, 4)),
        (
            dict.fromkeys(["SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_TASK_COUNT"], "8") | {"SLURM_ARRAY_TASK_MIN": "1"},
            Shard(8, 8),
        ),
        (
            {"SLURM_ARRAY_TASK_ID": "0", "SLURM_ARRAY_TASK_MIN": "0", "SLURM_ARRAY_TASK_COUNT": "2", "RANK": "7"},
            Shard(1, 2),
        ),
        (
            {
                "SLURM_ARRAY_TASK_ID": "9",
                "SLURM_ARRAY_TASK_MIN": "1",
                "SLURM_ARRAY_TASK_COUNT": "3",
                "SLURM_ARRAY_TASK_STEP": "4",
            },
            Shard(3, 3),
        ),
    ],
)
def test_a_task_of_an_array_knows_its_shard(environ, found):
    assert (shard_of_job(environ) or (None,))[0] == found


@pytest.mark.parametrize(
    "environ", [{"SLURM_ARRAY_TASK_ID": "3"}, {"RANK": "4", "WORLD_SIZE": "4"}, {"RANK": "x", "WORLD_SIZE": "4"}]
)
def test_a_task_whose_shard_is_not_clear_is_asked_to_name_it(environ):
    with pytest.raises(ValueError, match="name the shard by --shard I/N"):
        shard_of_job(environ)


def test_the_environment_names_the_shard_and_a_flag_beats_it(run, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert run() == 0
    assert "note: shard 2/2, as RANK says" in capsys.readouterr().err
    assert [path.name for path in tmp_path.glob("*.jsonl")] == ["out.2-of-2.jsonl"]
    assert run("--shard", "1/1") == 0
    assert (tmp_path / "out.jsonl").is_file()


def test_a_command_whose_output_is_not_made_in_parts_is_none_of_an_array(monkeypatch):
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    parser = argparse.ArgumentParser()
    add_engine_options(parser, in_parts=False)
    asking = asking_of(parser.parse_args(["--backend", "openai", "--base-url", "http://127.0.0.1/v1", "--model", "m"]))
    assert (asking.shard, asking.dry_run) == (None, False)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1", "a/b", "1/0"])
def test_no_shard_is_a_wrong_flag(run, text):
    with pytest.raises(SystemExit):
        run("--shard", text)


def test_the_visible_gpus_are_shared_out():
    assert device_shares(None, 3) == [None] * 3
    assert device_shares(["0", "1", "4", "5"], 2) == ["0,1", "4,5"]
    assert device_shares(["GPU-a", "GPU-b", "GPU-c"], 2) == ["GPU-a", "GPU-b"]
    with pytest.raises(ValueError, match="--data-parallel 3 needs as many GPUs, 2 are visible: 0, 1"):
        device_shares(["0", "1"], 3)


def test_a_dry_run_asks_and_writes_nothing(run, tmp_path, capsys):
    (tmp_path / "prices.json").write_text('{"m": [1000, 1000]}')
    flags = ("--dry-run", "--prices", str(tmp_path / "prices.json"), "--max-tokens", "10", "--budget-requests", "5")
    before = sorted(tmp_path.iterdir())
    assert run(*flags) == 0
    out = capsys.readouterr().out
    assert f"would ask m: {ROWS} requests, 11 tokens read, 110 written, cost 0.121" in out
    assert "more than the budget (requests 5) allows" in out
    assert sorted(tmp_path.iterdir()) == before
    assert run("--shard", "1/2", *flags) == 0
    assert "would ask m: 6 requests" in capsys.readouterr().out


def test_a_dry_run_leaves_out_what_is_answered(run, tmp_path, capsys):
    assert run("--shard", "1/2") == 0
    assert run("--shard", "1/2", "--dry-run") == 0
    assert "would ask m: 0 requests" in capsys.readouterr().out
