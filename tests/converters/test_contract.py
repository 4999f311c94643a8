"""What is true of every converter: each converters/*_to_swift.py that there is, on a small source of its own."""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from converters.conversion import command, output
from swift_plugins.core import records
from swift_plugins.core.locks import held
from swift_plugins.core.records import check_row, read_rows, sha256_file
from tests.converters.sources import ROWS, SOURCES
from tests.killing import contents, put, states_of

CONVERTERS = sorted(path.stem for path in (Path(__file__).parents[2] / "converters").glob("*_to_swift.py"))
HOSTILE = {
    "absolute": "/etc/hostname",
    "two slashes": "//etc/hostname",
    "above": "../" * 9 + "secret.png",
    "down and above": "a/./" + "../" * 9 + "secret.png",
    "url": "https://example.org/x.png",
    "file url": "file:///etc/hostname",
    "nul": "a\0.png",
}
ODD = ("..\\..\\secret.png", "file:/etc/hostname", "data:image/png;base64,iVBORw0KGgo=", "~/secret.png", "$HOME/x.png")


class Converter:
    """One converter and its source of good rows, which is made once."""

    def __init__(self, name: str, folder: Path):
        self.name, self.main, self.source = name, importlib.import_module(f"converters.{name}").main, SOURCES[name]
        self.folder = folder / "Data"
        self.options = [*self.source.make(self.folder, None), "--workers", "1"]

    def __call__(self, out: Path, *options: str) -> list[dict[str, Any]]:
        """Convert, and return the rows."""
        assert self.main([*self.options, "--out", str(out), *options]) == 0
        return rows_of(out, self.source.file)


def rows_of(out: Path, name: str) -> list[dict[str, Any]]:
    return [row for _, row in read_rows(out / f"{name}.jsonl")]


@pytest.fixture(scope="module", params=CONVERTERS)
def converter(request, tmp_path_factory) -> Converter:
    return Converter(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def whole(converter, tmp_path_factory) -> Path:
    """What the converter makes of all rows; read it, do not change it."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert len(converter(out)) == ROWS
    return out


def test_the_converters_are_found():
    assert {"deeptrace_to_swift", "folder_to_swift"} <= set(CONVERTERS)
    assert set(CONVERTERS) == set(SOURCES), "every converter has a source here, on which its contract is tested"


def test_every_row_has_the_form_of_a_training_row_and_an_id_of_its_own(converter, whole):
    rows = rows_of(whole, converter.source.file)
    for row in rows:
        check_row(row)
    assert len({row["id"] for row in rows}) == ROWS
    assert len({tuple(row["meta"]) for row in rows}) == 1


@pytest.mark.parametrize("limit", [5, 1000])
def test_limit_takes_rows_from_all_over_the_file(converter, whole, tmp_path, limit):
    ids = [row["id"] for row in rows_of(whole, converter.source.file)]
    taken = [ids.index(row["id"]) for row in converter(tmp_path / "out", "--limit", str(limit))]
    assert [at * min(limit, ROWS) // ROWS for at in taken] == list(range(min(limit, ROWS)))


def told(out: Path) -> dict[str, Any]:
    """The manifest, after a look that it counts what was written and set aside, and names its files."""
    manifest = json.loads((out / "manifest.json").read_text())
    written = {split: rows_of(out, split) for split in manifest["counts"]}
    rejects = rows_of(out, "rejects")
    assert {split: len(rows) for split, rows in written.items()} == {
        split: sum(of.values()) for split, of in manifest["counts"].items()
    }
    assert manifest["rows_out"] == sum(map(len, written.values()))
    assert manifest["rows_rejected"] == len(rejects) == sum(manifest["reject_reasons"].values())
    assert manifest["rows_in"] == manifest["rows_out"] + manifest["rows_rejected"]
    assert {reject["reason"].split(":")[0] for reject in rejects} == {*manifest["reject_reasons"]}
    assert all(reject["where"] and reject["reason"] for reject in rejects)
    assert manifest["files"] == {f"{split}.jsonl": sha256_file(out / f"{split}.jsonl") for split in written}
    assert manifest["versions"]["msgspec"]
    return manifest


def test_the_manifest_tells_of_the_source_and_of_what_was_made(converter, whole):
    manifest = told(whole)
    assert (manifest["rows_in"], manifest["rows_rejected"]) == (ROWS, 0)
    assert manifest["sources"]
    for name, digest in manifest["sources"].items():
        assert digest in {sha256_file(path) for path in converter.folder.rglob(Path(name).name)}
    assert not {"src", "out", "workers"} & {*manifest["options"]}
    assert manifest["licence"]
    assert manifest["media_missing"] == 0


@pytest.mark.parametrize("path", HOSTILE.values(), ids=HOSTILE.keys())
@pytest.mark.parametrize("check", ["none", "header"])
def test_no_path_leaves_the_source(converter, tmp_path, capsys, path, check):
    """A hostile path costs its row, or is refused with the file that holds it."""
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    root, out = tmp_path / "a" / "Data", tmp_path / "out"
    options = converter.source.make(root, path)
    if converter.main([*options, "--out", str(out), "--check", check, "--workers", "1"]):
        assert capsys.readouterr().err.splitlines()[-1].startswith("error: ")
        assert contents(out) == {}
        return
    assert told(out)["rows_rejected"] == 1
    media = media_of(out, converter)
    assert len(media) == ROWS
    assert all(path.startswith(f"{root}/") for path in media)


def media_of(out: Path, converter: Converter) -> list[str]:
    return [path for row in rows_of(out, converter.source.file) for path in row.get("images") or row["videos"]]


@pytest.mark.parametrize("path", ODD)
def test_what_only_looks_like_another_place_is_a_name_in_the_source(converter, tmp_path, path):
    root, out = tmp_path / "Data", tmp_path / "out"
    options = converter.source.make(root, path)
    if converter.main([*options, "--out", str(out), "--check", "none", "--workers", "1"]) == 0:
        assert all(path.startswith(f"{root}/") for path in media_of(out, converter))


@pytest.mark.parametrize("check", ["none", "header"])
def test_a_folder_that_is_a_link_out_of_the_source_is_not_followed(converter, tmp_path, capsys, check):
    """Wherever a converter looks for the media: no part of a dataset's folder may lead out of it."""
    root, out, elsewhere = tmp_path / "Data", tmp_path / "out", tmp_path / "elsewhere"
    options = converter.source.make(root, None)
    top = root / Path(converter.source.medium).parts[0]
    shutil.move(top, elsewhere)
    top.symlink_to(elsewhere)
    code = converter.main([*options, "--out", str(out), "--check", check, "--workers", "1"])
    said = capsys.readouterr().err if code else (out / "rejects.jsonl").read_text()
    assert "the path leaves " in said
    assert str(elsewhere) not in (out / f"{converter.source.file}.jsonl").read_text() if code == 0 else code == 2


def test_media_beside_the_source_are_not_taken(converter, tmp_path):
    """They are not in the folder that was named, however the dataset is usually unpacked."""
    root, out = tmp_path / "Data", tmp_path / "out"
    options = converter.source.make(root, None)
    top = root / Path(converter.source.medium).parts[0]
    shutil.copytree(top, tmp_path / top.name)
    for medium in (path for path in top.rglob("*") if path.suffix in (".png", ".mp4")):
        medium.unlink()
    if converter.main([*options, "--out", str(out), "--check", "none", "--workers", "1"]) == 0:
        assert all(path.startswith(f"{root}/") for path in media_of(out, converter))


def test_a_link_out_of_the_source_is_not_followed(converter, tmp_path):
    root, out, secret = tmp_path / "Data", tmp_path / "out", tmp_path / "secret"
    options = converter.source.make(root, None)
    medium = root / converter.source.medium
    shutil.move(medium, secret)
    medium.symlink_to(secret)
    assert converter.main([*options, "--out", str(out), "--check", "none", "--workers", "1"]) == 0
    assert told(out)["rows_rejected"] > 0
    assert all("the path leaves " in reject["reason"] for reject in rows_of(out, "rejects"))
    assert str(secret) not in (out / f"{converter.source.file}.jsonl").read_text()


def test_it_runs_from_any_folder_and_repeats_to_the_byte(converter, whole, tmp_path, root):
    """Another process in another folder, with another seed for hashes and other workers, twice into one folder."""
    script = [sys.executable, str(root / "converters" / f"{converter.name}.py"), "--out", "out", "--workers", "2"]
    near = ["--src", os.path.relpath(converter.options[1], tmp_path), *converter.options[2:-2]]
    env = os.environ | {"PYTHONHASHSEED": "7", "PYTHONPATH": ""}
    done = subprocess.run([*script, *near], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr[-2000:]
    assert contents(tmp_path / "out") == contents(whole)
    converter(tmp_path / "out")
    assert contents(tmp_path / "out") == contents(whole)


def test_without_a_source_it_says_how_to_get_it(converter, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert converter.main([]) == 2
    said = capsys.readouterr()
    assert said.err.startswith("error: ")
    assert (said.err.count("\n"), said.out) == (1, "")
    assert converter.source.cure in said.err
    assert not list(tmp_path.iterdir())


def test_no_connection_is_opened(converter, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError(f"a connection to {args[1:]}")

    for name in ("connect", "connect_ex", "sendto", "bind"):
        monkeypatch.setattr(socket.socket, name, refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert len(converter(tmp_path / "out", "--check", "header")) == ROWS


class Torn(Exception):
    """What no converter expects."""


@pytest.mark.parametrize(
    ("owner", "name", "after"),
    [(command, "check_files", 0), (output, "encode_into", 9), (records.os, "fsync", 0)],
    ids=["while media are read", "while rows are written", "while files are completed"],
)
def test_an_interrupted_run_leaves_what_was_there(converter, whole, tmp_path, monkeypatch, owner, name, after):
    out = tmp_path / "out"
    converter(out, "--limit", "2")
    before, really = contents(out), getattr(owner, name)
    for error, code in ((Torn(), None), (KeyboardInterrupt(), 130), (OSError(28, "No space left on device"), 2)):
        calls = iter(range(1000))

        def breaks(*args, error=error, calls=calls):
            if next(calls) >= after:
                raise error
            return really(*args)

        with monkeypatch.context() as patched, pytest.raises(Torn) if code is None else contextlib.nullcontext():
            patched.setattr(owner, name, breaks)
            assert converter.main([*converter.options, "--out", str(out)]) == code
        assert contents(out) == before
    converter(out)
    assert contents(out) == contents(whole)


def test_two_never_write_one_folder(converter, tmp_path, capsys):
    out = tmp_path / "out"
    with held(out):
        assert converter.main([*converter.options, "--out", str(out)]) == 2
    assert capsys.readouterr().err.endswith(f"error: {out} is being written by another process\n")
    assert not [path for path in out.rglob("*") if path.suffix in (".json", ".jsonl")]


def test_a_run_that_was_killed_at_any_step_is_made_good_by_the_next(converter, whole, tmp_path):
    """What was there stays whole until the new files take its place, and nothing of the killed run is left."""
    out = tmp_path / "out"
    converter(out, "--limit", "2")
    before = contents(out)
    states = states_of(lambda: converter(out), out, tmp_path / "states")
    assert len(states) >= 6
    for state in states:
        left = {name: text for name, text in contents(state).items() if not name.endswith(".tmp")}
        assert left == before or "manifest.json" not in left  # which tells of no other files than its own
        put(state, out)
        converter(out)
        assert contents(out) == contents(whole)
