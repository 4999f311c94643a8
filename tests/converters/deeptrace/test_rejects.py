"""The DeepTraceReward converter: a row that cannot be used costs itself, a file that cannot is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from converters.deeptrace_to_swift import main
from tests.converters.deeptrace.making import REAL_ID, Converted, earlier, fake, real, source


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (fake(faketrace_bbox={"left": 1280, "top": 0, "width": 9, "height": 9}), "bbox outside the frame: "),
        (fake(faketrace_bbox={"left": 5, "top": 5, "width": 0, "height": 9}), "bbox outside the frame: "),
        (fake(faketrace_first_frame=200), "onset outside the video: 6.67 s of 5.1 s"),
        (fake(faketrace_first_frame=-1), "onset outside the video: "),
        (fake(faketrace_bbox=None), "no trace: "),
        (fake(faketrace_first_frame=None), "no trace: "),
        (fake(video_width="wide"), "malformed row: "),
        (fake(faketrace_bbox=[1, 2, 3, 4]), "malformed row: "),
        ({"video_type": "fake_video"}, "malformed row: "),
        ({}, "malformed row: "),
        (7, "malformed row: "),
        (None, "malformed row: "),
        (fake(video_height=0), "bad numbers: "),
        (fake(video_frame_rate=0), "bad numbers: "),
        (fake(video_type="cartoon"), "unknown video_type: 'cartoon'"),
        (fake("cm2", split="dev"), "unknown split: 'dev'; expected one of train, val, test"),
        (fake("cm2", split=None), "unknown split: None"),
        (fake(video_path="../secret.mp4"), "the path leaves RewardData/: "),
        (fake(video_path="https://example.org/x.mp4"), "not a file path: "),
        (
            fake(faketrace_explanations="Odd. REAL. Or not."),
            "contradiction: the explanation says real, the label is fake",
        ),
        (fake(faketrace_explanations="see <video>"), "messages: 2 <video> tags but 1 videos"),
    ],
)
def test_a_row_that_cannot_be_used_is_rejected_with_its_reason(convert, row, reason):
    done = convert([fake("good"), row, real()])
    assert [r["meta"]["media_id"] for r in done.rows] == ["good", f"{REAL_ID}W7EHF"]
    (reject,) = done.rejects
    assert reject["where"] == "all_data.json[1]"
    assert reject["reason"].startswith(reason)
    assert [done.manifest[key] for key in ("rows_in", "rows_out", "rows_rejected")] == [3, 2, 1]
    assert list(done.manifest["reject_reasons"].values()) == [1]


@pytest.mark.parametrize(
    "rows",
    [
        [real(), real()],  # one id twice
        [fake("x"), real(), fake(f"{REAL_ID}W7EHF")],  # one video both real and fake
        [fake(), fake(split="test")],  # one video in two splits
        [earlier(label_bbox=None)],  # a trace without its box is no real video
        [fake(video_width=10**400)],
        [fake(video_path="videos/")],
        [fake(video_path="")],
    ],
    ids=["twice", "both", "two splits", "no box", "huge", "folder", "empty"],
)
def test_rows_that_contradict_each_other_or_themselves_are_rejected(convert, rows):
    assert convert([*rows, fake("good")]).rejects


ROWS = [fake("good"), fake("bad"), real()]


def spoilt(**changes: str) -> bytes:
    """The file of ROWS, the second of them with these fields in JSON's spelling."""
    items = [json.dumps(row) for row in ROWS]
    for key, literal in changes.items():
        items[1] = items[1].replace(f'"{key}": {json.dumps(ROWS[1][key])}', f'"{key}": {literal}')
    assert items[1] != json.dumps(ROWS[1])
    return f"[{', '.join(items)}]".encode("latin-1")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (spoilt(video_width="NaN"), "malformed row: Expected `int`, got `float` - at `$.video_width`"),
        (spoilt(video_duration="NaN"), "bad numbers: video_duration is nan, it must be above 0 and at most 86400"),
        (spoilt(video_frame_rate="Infinity"), "bad numbers: video_frame_rate is inf, it must be above 0 and at most "),
        (spoilt(video_frame_rate='"inf"'), "bad numbers: video_frame_rate is inf"),
        (spoilt(video_duration="1e999"), "bad numbers: video_duration is inf"),
        (spoilt(video_width="9" * 5000), "malformed row: "),
        (spoilt(faketrace_first_frame="9" * 390), "onset outside the video: inf s of 5.1 s"),
        (spoilt(faketrace_bbox='{"left": 1, "top": 1, "width": Infinity, "height": 9}'), "bad numbers: faketrace_bbox"),
        (spoilt(faketrace_explanations=r'"a \ud800"'), r"malformed row: a text holds '\ud800', which is no character"),
        (spoilt(faketrace_explanations='"caf\xe9"'), r"malformed row: a text holds '\udce9', which is no character"),
        (spoilt(faketrace_check_applies=r'["\ud800"]'), "malformed row: a text holds "),
        (spoilt(video_source="7"), "malformed row: Expected `str`, got `int` - at `$.video_source`"),
    ],
)
def test_a_bad_value_costs_its_row_and_not_the_file(tmp_path, content, reason):
    src = source(tmp_path / "RewardData")
    (src / "all_data.json").write_bytes(content)
    done = Converted(src, tmp_path / "out")
    assert [row["meta"]["media_id"] for row in done.rows] == ["good", f"{REAL_ID}W7EHF"]
    (reject,) = done.rejects
    assert (reject["where"], reject["id"]) == ("all_data.json[1]", "bad")
    assert reject["reason"].startswith(reason)


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbf" + json.dumps(ROWS).encode(),
        spoilt(video_prompt=r'"\ud800"'),
        spoilt(video_frame_count="NaN"),
        spoilt(video_prompt='"a\tdog"'),
    ],
    ids=["byte order mark", "half a character", "NaN", "tab"],
)
def test_what_no_row_uses_costs_nothing(tmp_path, content):
    src = source(tmp_path / "RewardData")
    (src / "all_data.json").write_bytes(content)
    assert Converted(src, tmp_path / "out").manifest["rows_out"] == 3


@pytest.mark.parametrize("literal", [r'"bad\ud800"', "7", "null", '["bad"]'])
def test_an_id_that_cannot_be_read_is_left_out(tmp_path, literal):
    src = source(tmp_path / "RewardData")
    (src / "all_data.json").write_bytes(spoilt(video_id=literal))
    (reject,) = Converted(src, tmp_path / "out").rejects
    assert (reject["id"], reject["reason"].split(":")[0]) == (None, "malformed row")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"video_width": -5}, "video_width is -5, it must be 1..16384"),
        ({"video_height": 20_000}, "video_height is 20000, it must be 1..16384"),
        ({"video_frame_rate": 0}, "video_frame_rate is 0.0, it must be above 0 and at most 1000"),
        ({"video_duration": 1e9}, "video_duration is 1000000000.0, it must be above 0 and at most 86400"),
    ],
)
def test_bad_numbers_are_named(convert, changes, reason):
    (reject,) = convert([fake("good"), fake("bad", **changes)]).rejects
    assert reject["reason"] == f"bad numbers: {reason}"


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ("../secret.mp4", "secret.mp4"),
        ("videos/../../secret.mp4", "secret.mp4"),
        ("out/x.mp4", "elsewhere/x.mp4"),
        ("/etc/passwd", "/etc/passwd"),
        ("/x.mp4", "/x.mp4"),
    ],
)
def test_a_path_that_leaves_is_told_as_given_and_where_it_leads(tmp_path, given, end):
    src = source(tmp_path / "RewardData", fake("good"), fake("bad", video_path=given))
    (tmp_path / "elsewhere").mkdir()
    (src / "out").symlink_to(tmp_path / "elsewhere")
    (reject,) = Converted(src, tmp_path / "out").rejects
    end = str(tmp_path / end)  # an absolute path stays as it is
    told, semicolon, hint = reject["reason"].partition("; ")
    assert told == f"the path leaves RewardData/: {given!r} leads to {end!r}"
    assert bool(semicolon) == given.startswith("out/") == hint.startswith("a link out of the folder is not followed")


def test_a_link_out_of_the_dataset_is_rejected(tmp_path):
    src = source(tmp_path / "RewardData", fake("good"), fake("link"))
    (tmp_path / "secret.mp4").touch()
    (src / "videos" / "link.mp4").symlink_to(tmp_path / "secret.mp4")
    done = Converted(src, tmp_path / "out")
    assert [row["id"] for row in done.rows] == ["good/1"]
    assert done.rejects[0]["reason"].startswith("the path leaves RewardData/")


@pytest.mark.parametrize("level", ["none", "header", "decode"])
def test_check_rejects_what_the_files_contradict(sample, tmp_path, level):
    src = tmp_path / "RewardData"
    shutil.copytree(sample, src)
    rows = json.loads((src / "all_data.json").read_text())
    wide, cut, gone = rows[0], rows[1], rows[-1]
    wide["video_width"] += 2
    video = src / cut["video_path"]
    video.write_bytes(video.read_bytes()[: video.stat().st_size * 6 // 10])
    (src / gone["video_path"]).unlink()
    source(src, *rows, fake(video_path="../outside.mp4"))
    done = Converted(src, tmp_path / "out", "--check", level, "--workers", "2")
    reasons = {reject["id"]: reject["reason"] for reject in done.rejects}
    assert reasons.pop("cm1").removeprefix("media: ").startswith("the path leaves RewardData/")
    assert done.manifest["media_checked"] == level
    if level == "none":
        assert not reasons
        assert done.manifest["shortcuts"]["audio"]["accuracy"] is None
    else:
        assert reasons.keys() == {wide["video_id"], cut["video_id"], gone["video_id"]}
        assert reasons[wide["video_id"]] == "size differs: the file has 168x168, the annotation 170x168"
        assert reasons[cut["video_id"]].startswith("media: the video cannot be read")
        assert reasons[gone["video_id"]] == "media: the file does not exist"


def packed(src: Path) -> None:
    source(src, fake())
    (src / "videos").rmdir()
    (src / "videos.zip.001").touch()


def packed_reals(src: Path) -> None:
    source(src, fake())
    (src / "real_videos").rmdir()
    (src / "real_videos.zip").touch()


def holding(text: str):
    return lambda src: source(src, text=text)


@pytest.mark.parametrize(
    ("prepare", "options", "complaint"),
    [
        (packed, [], "videos is still packed. Unpack it: cd "),
        (packed_reals, [], "unzip -q real_videos.zip"),
        (holding('[{"video_id": "cm1"'), [], "all_data.json: expected one JSON list of rows: "),
        (holding('{"rows": []}'), [], "all_data.json: expected one JSON list of rows: "),
        (holding("[" * 100_000), [], "all_data.json: expected one JSON list of rows: "),
        (holding(""), [], "all_data.json: expected one JSON list of rows: "),
        (holding("[]"), [], "all_data.json: the list is empty"),
        (holding('[{"a": 1}]'), [], "all_data.json: no usable row; the first one: malformed row: "),
        (lambda src: source(src, fake(split=None), real(split=None)), [], "has no splits: choose --split-by parent"),
    ],
)
def test_wrong_input_ends_in_one_clear_line_and_no_output(tmp_path, capsys, prepare, options, complaint):
    prepare(tmp_path / "RewardData")
    assert main(["--src", str(tmp_path / "RewardData"), "--out", str(tmp_path / "out"), *options]) == 2
    told = capsys.readouterr()
    assert complaint in told.err
    lines = [line for line in told.err.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1
    assert "Traceback" not in told.err
    assert told.out == ""
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", ["--limit", "--workers", "--min-pixels", "--max-pixels"])
@pytest.mark.parametrize("value", ["0", "-3", "1.5", "many"])
def test_a_number_that_makes_no_sense_is_refused(tmp_path, capsys, option, value):
    src = source(tmp_path / "RewardData", fake())
    with pytest.raises(SystemExit, match="2"):
        main(["--src", str(src), "--out", str(tmp_path / "out"), f"{option}={value}"])
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.endswith(f"error: argument {option}: must be a whole number of at least 1, got {value!r}")
    assert not (tmp_path / "out").exists()


def test_an_output_that_cannot_be_written_is_one_line(tmp_path, capsys):
    (tmp_path / "out").write_text("a file")
    assert main(["--src", str(source(tmp_path / "src", fake())), "--out", str(tmp_path / "out")]) == 2
    assert capsys.readouterr().err.startswith("error: ")
    assert (tmp_path / "out").read_text() == "a file"


def test_two_rows_never_have_one_id(convert):
    """The first trace of the fake "x" is "x/1", and a real video may be called so."""
    done = convert([fake("x"), real() | {"video_id": "x/1"}])
    assert [row["id"] for row in done.rows] == ["x/1"]
    assert [row["reason"] for row in done.rejects] == ["duplicate: another row has the id 'x/1'"]
