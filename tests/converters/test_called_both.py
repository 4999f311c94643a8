"""One medium is never real in one row and fake in another: by its file in any converter, by its bytes it is told."""

from __future__ import annotations

import importlib
import os
import shutil

import pytest

from swift_plugins.core.tasks.verdicts import FOLD
from tests.converters.deeptrace import making as deeptrace
from tests.converters.test_contract import CONVERTERS, SOURCES, rows_of, told

# A path of another row's medium, which that row calls otherwise than the one row more of Source.make.
OTHERS = {
    "deeptrace_to_swift": f"./{deeptrace.real('v_0')['video_path']}",
    "deepfakejudge_to_swift": "images/./b.png",
    "fakeclue_to_swift": "./genimage/01.png",
    "folder_to_swift": "real/../real/01.png",
    "loki_to_swift": "media_data/image/./1.png",
    **dict.fromkeys(
        ("table_to_swift", "labelbox_to_swift", "cvat_to_swift", "label_studio_to_swift"), "clips/./01.mp4"
    ),
}
BY_FOLDER = {"ffpp_to_swift", "ddvqa_to_swift"}  # their folders alone say what a medium is


def test_every_converter_is_looked_at():
    assert {*OTHERS, *BY_FOLDER} == {*CONVERTERS}


@pytest.mark.parametrize("name", OTHERS)
def test_a_file_that_a_row_calls_otherwise_is_set_aside(tmp_path, name):
    source, out = SOURCES[name], tmp_path / "out"
    options = source.make(tmp_path / "Data", OTHERS[name])
    assert importlib.import_module(f"converters.{name}").main([*options, "--out", str(out), "--workers", "1"]) == 0
    assert {*told(out)["reject_reasons"]} == {"contradiction"}
    called: dict[str, str] = {}
    for row in rows_of(out, source.file):
        (path,) = row.get("images") or row["videos"]
        label = FOLD[row["meta"]["label"]]
        assert called.setdefault(os.path.realpath(path), label) == label


def test_files_of_the_same_bytes_are_told_where_they_are_called_both(tmp_path, capsys):
    """FakeClue's, as an example: the rows stay, for who is wrong is not known."""
    source = SOURCES["fakeclue_to_swift"]
    options = source.make(tmp_path / "Data", None)
    images = tmp_path / "Data" / "test" / "genimage"
    shutil.copy(images / "00.png", images / "01.png")
    convert = importlib.import_module("converters.fakeclue_to_swift").main
    assert convert([*options, "--out", str(tmp_path / "out"), "--workers", "1"]) == 0
    such = {"fake": "test/genimage/00.png", "real": "test/genimage/01.png"}
    assert told(tmp_path / "out")["called_both"] == {"contents": 1, "such_as": such}
    said = "1 contents are called real and fake in files of the same bytes, such as test/genimage/00.png fake and "
    assert said in capsys.readouterr().out
