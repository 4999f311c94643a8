"""The LOKI converter: its media, wherever they lie, and what they could give away."""

from __future__ import annotations

import shutil

import pytest
from PIL import Image

from converters.loki_to_swift import main
from swift_plugins.core.records import read_rows
from tests.converters.loki.making import WHOLE, Converted, both, path_of, refused, seen, source


def test_missing_and_damaged_media_are_set_aside_and_sizes_are_known(tmp_path, sample):
    parts = {
        "image/true_or_false": [*both("a.png", "real"), *both("gone.png", "fake"), *both("torn.png", "fake")],
        "video/true_or_false": [*both("v.mp4", "real", "Sora", "video"), *both("a.mp4", "fake", "Sora", "video")],
    }
    src = source(tmp_path / "LOKI", parts)
    (src / path_of("torn.png")).write_bytes(b"\x89PNG\r\n")
    (src / path_of("", "video")).mkdir()
    shutil.copy(next(sample.rglob("*.mp4")), src / path_of("v.mp4", "video"))
    shutil.copy(src / path_of("a.png"), src / path_of("a.mp4", "video"))
    args = ["--src", str(src), "--out", str(tmp_path / "out"), "--question", "fakevlm"]
    assert main(args) == 0  # header is the default
    rows = [row for file in (tmp_path / "out").rglob("test.jsonl") for _, row in read_rows(file)]
    sizes = {row["meta"]["image"]: (row["meta"]["width"], row["meta"]["height"]) for row in rows}
    assert sizes[path_of("a.png")] == (40, 30)
    assert all(side > 0 for side in sizes[path_of("v.mp4", "video")])
    reasons = [row["reason"] for _, row in read_rows(tmp_path / "out" / "rejects.jsonl")]
    assert len(reasons) == 3
    assert reasons[0] == "media: the file does not exist: 'media_data/image/gone.png'"
    assert all(reason.startswith("media: ") for reason in reasons)


def test_media_that_are_all_absent_are_one_clear_line(tmp_path, capsys):
    src = source(tmp_path / "LOKI", {"image/true_or_false": both("gone.png", "fake")})
    said = refused(capsys, "--src", src, "--out", tmp_path / "out")
    assert f"none of the 1 media is in {src}: name their folder with --media" in said
    assert "unzip -q" in said
    assert "convert with --check none" in said


@pytest.mark.parametrize(
    ("where", "options"),
    [("LOKI", []), ("LOKI/media_data", []), (".", ["--media", "."]), ("far/media_data", ["--media", "far"])],
)
def test_the_media_are_found_in_the_source_or_where_they_are_said_to_be(tmp_path, monkeypatch, where, options):
    monkeypatch.chdir(tmp_path)
    src = source(tmp_path / "LOKI", WHOLE)
    shutil.move(src / "media_data", tmp_path / "aside")
    (tmp_path / where).mkdir(parents=True, exist_ok=True)
    shutil.move(tmp_path / "aside", tmp_path / where / "media_data")
    found = Converted(src, tmp_path / "out", "--check", "none", *options)
    assert found.manifest["media_root"] == str((tmp_path / where).resolve())
    assert found.manifest["media_missing"] == 2  # the videos
    assert found.rows[0]["images"] == [str((tmp_path / where / path_of("a.png")).resolve())]


def test_the_manifest_tells_what_could_give_the_images_away(tmp_path, capsys):
    names = [f"{label}{i:02}" for label in ("real", "fake") for i in range(20)]
    rows = [row for name in names for row in both(f"{name}.png", name[:4])]
    src = source(tmp_path / "LOKI", {"image/true_or_false": rows})
    for i, name in enumerate(names):
        Image.new("RGB", (50 + i % 20, 50), "red").save(src / path_of(f"{name}.png"), "JPEG" if i < 20 else "PNG")
    found = Converted(src, tmp_path / "out")
    assert found.manifest["image_audit"]["rules"]["format"]["balanced_accuracy"] == 100
    assert found.manifest["image_audit"]["images"] == 40
    assert "shortcut: format alone gives 100.0 % balanced accuracy" in capsys.readouterr().out


def test_what_is_printed_names_what_deserves_a_look(convert, capsys):
    remark = 'The text translates to: "Six legs."'
    found = convert({"image/open_ended": [seen("b.png", "Waxy.", ([1, 2, 3, 4], remark)), seen("c.png", "")]})
    said = capsys.readouterr().out
    assert "1 rows to" in said
    assert "rejected 1: explanation" in said
    assert "1 of 2 descriptions hold the words of whoever translated them" in said
    assert found.rows[0]["meta"]["translator_remarks"] == 1
    assert found.manifest["leakage"]["shared"] == []
    assert "MIT" in found.manifest["licence"]


def test_files_that_share_media_are_named(convert):
    shared = convert(WHOLE).manifest["leakage"]["shared"]
    assert {"subsets": ["image/true_or_false", "image/open_ended"], "media": 1} in shared
