"""A table of one's own annotations: every form of boxes and times comes out as the same rows, contradictions do not."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path

import pytest

from converters.table_to_swift import main
from swift_plugins.core.records import check_row, read_rows
from swift_plugins.core.tasks import deeptrace, fakevlm
from tests.converters.test_ffpp import write_video
from tests.converters.test_folder import tree

CLIPS = ("a.mp4", "b.mp4", "c.mp4")


class Converted:
    """What a conversion wrote."""

    def __init__(self, out: Path):
        self.manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        self.rows = [row for split in self.manifest["counts"] for _, row in read_rows(out / f"{split}.jsonl")]
        self.rejects = {row["where"]: row["reason"] for _, row in read_rows(out / "rejects.jsonl")}

    def of(self, *keys: str) -> list[tuple]:
        return [tuple(row["meta"][key] for key in keys) for row in self.rows]


@pytest.fixture(scope="module")
def media(tmp_path_factory) -> Path:
    """Clips of 64x48 px and 0.48 s at 25 frames/s, all different, and images of 48x32."""
    src = tree(tmp_path_factory.mktemp("media") / "Set", "x.png", "y.png", "z.png")
    for i, name in enumerate(CLIPS):
        write_video(src / name, 12 + i)
    return src


@pytest.fixture
def convert(media, tmp_path, capsys):
    """Convert by a table with this text; `said` is what was printed."""

    def call(text: str, *options: str, name: str = "t.csv", fails: bool = False) -> Converted:
        path = tmp_path / name
        path.write_text(text, encoding="utf-8", newline="")
        out = tmp_path / "out"
        code = main(["--src", str(media), "--table", str(path), "--out", str(out), "--workers", "1", *options])
        call.said = capsys.readouterr()
        assert code == 2 * fails, call.said.err
        return None if fails else Converted(out)

    return call


@pytest.mark.parametrize(
    ("box", "form", "unit"),
    [
        ("16 12 48 36", "xyxy", "px"),
        ("[16, 12, 32, 24]", "xywh", "px"),
        ("25;25;75;75", "xyxy", "percent"),
        ("(25,25,50,50)", "xywh", "percent"),
        ("0.25 0.25 0.75 0.75", "xyxy", "ratio"),
        ("250 250 500 500", "xywh", "norm1000"),
    ],
)
@pytest.mark.parametrize(
    ("start", "time"), [("0.2", "seconds"), ("0:00.2", "mm:ss"), ("00:00:0.2", "mm:ss"), ("5", "frames")]
)
def test_every_form_gives_the_same_row(convert, box, form, unit, start, time):
    options = ("--box-form", form, "--box-unit", unit, "--time-form", time)
    done = convert(f'path,label,box,start,reason\na.mp4,fake,"{box}",{start},The leg melts.\n', *options)
    (row,) = done.rows
    check_row(row)
    assert row["messages"][0]["content"] == deeptrace.QUESTIONS["full"]
    assert row["messages"][1]["content"] == (
        "FAKE. The video is AI-generated. The unnatural part is at [16, 12, 48, 36] starting 0.2 seconds."
        " The reason is because The leg melts."
    )
    assert done.of("bbox", "start", "width", "height", "fps") == [([16.0, 12.0, 48.0, 36.0], 0.2, 64, 48, 25.0)]
    assert f"a.mp4, box {'16 12 48 36' if unit == 'px' else ''}" in convert.said.out
    assert (
        "-> FAKE. The video is AI-generated. The unnatural part is at [16, 12, 48, 36] starting 0.2" in convert.said.out
    )


def test_several_traces_of_a_video_stand_in_rows_of_their_own(convert):
    text = (
        "path,label,x0,y0,x1,y1,start,end\na.mp4,fake,1,2,30,40,0.1,0.2\na.mp4,fake,5,6,50,40,0.3,\nb.mp4,real,,,,,,\n"
    )
    done = convert(text)
    assert [row["id"] for row in done.rows] == ["a.mp4/1", "a.mp4/2", "b.mp4"]
    assert done.of("bbox", "start", "end") == [
        ([1, 2, 30, 40], 0.1, 0.2),
        ([5, 6, 50, 40], 0.3, None),
        ([], None, None),
    ]
    assert done.manifest["setting"] == "no_explanation"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("a.mp4,fake,1 2 3", "box: must be four numbers"),
        ("a.mp4,fake,10 10 5 20", "box: x1 and y1 must be beyond x0 and y0"),
        ("a.mp4,fake,0 0 90 20", "box: [0.0, 0.0, 90.0, 20.0] px go over the frame, 64x48"),
        ("a.mp4,fake,nan 0 9 20", "box: 'nan' is no number"),
        ("a.mp4,fake,1e999 0 9 20", "box: "),
        ('a.mp4,fake,"1,5 0 9 20"', "box: must be four numbers"),
        ("a.mp4,fake,", "no trace: a fake row needs a box and an onset"),
        ("a.mp4,real,1 2 30 40", "contradiction: a real row has a box or an onset"),
        ("a.mp4,maybe,1 2 30 40", "label: must be real or fake, got 'maybe'; if it means fake, say --label-map maybe="),
        (",fake,1 2 30 40", "path: the row has none"),
        ("gone.mp4,fake,1 2 30 40", "media: the file does not exist"),
        ("../Set/a.mp4,fake,1 2 30 40", ""),
        ("x.png,fake,1 2 30 40", "media: images beside videos; --media image converts them"),
        ("good.mp4,fake", "columns: the row has more or fewer values"),
        ("c.mp4,fake,1 2 30 40", "duplicate: an earlier row says the same of this video"),
        ("c.mp4,real,", "contradiction: an earlier row has this video as the other type"),
        ("=HYPERLINK(1),fake,1 2 30 40", "media: the file does not exist"),
    ],
)
def test_a_row_that_contradicts_itself_or_another_is_set_aside(convert, row, said):
    done = convert(f"path,label,box\nc.mp4,fake,1 2 30 40\n{row}\n")
    assert len(done.rows) == (1 if said else 2)
    assert done.rejects.get("t.csv:3", "").startswith(said)


@pytest.mark.parametrize("key", ["path", "reason", "group"])
def test_half_a_character_costs_its_row(convert, key):
    rows = [{"path": "a.mp4", "label": "fake"}, {"path": "b.mp4", "label": "real"}]
    rows[0][key] = "\ud800"
    done = convert(json.dumps(rows), name="t.json")
    assert done.of("label") == [("real",)]
    assert done.rejects["t.json[0]"].startswith(("text: it holds '\\ud800', which is no character", "media: "))


@pytest.mark.parametrize(
    ("start", "end", "said"),
    [
        ("0:05", "", "start: '0:05' is no number of seconds; --time-form mm:ss reads it"),
        ("0,1", "", "start: '0,1' is no number; write 1.5, not 1,5"),
        ("-1", "", "start: '-1' is no time"),
        ("0.3", "0.1", "contradiction: it ends at 0.1, before it starts at 0.3"),
        ("7", "", "onset outside the video: 7.00 s of 0.48 s"),
        ("0.1", "7", "end outside the video: 7.00 s of 0.48 s"),
    ],
)
def test_a_time_that_cannot_be_is_set_aside(convert, start, end, said):
    done = convert(f'path;label;box;start;end\nb.mp4;real;;;\na.mp4;fake;1 2 30 40;"{start}";{end}\n')
    assert done.rejects == {"t.csv:3": said}


def test_shares_of_a_frame_are_not_taken_for_pixels(convert):
    convert("path,label,box\na.mp4,fake,0.1 0.1 0.5 0.9\n", fails=True)
    assert "no box reaches beyond 1: are these shares of the frame? Say --box-unit ratio" in convert.said.err


@pytest.mark.parametrize("name", ["t.csv", "t.json"])
def test_images_are_asked_as_fakevlm_asks_and_keep_their_boxes(convert, name):
    rows = [
        {"datei": "x.png", "typ": 1, "wo": "10 10 50 50", "warum": "Six fingers."},
        {"datei": "y.png", "typ": 0, "wo": "", "warum": ""},
    ]
    text = json.dumps(rows) if name == "t.json" else "datei,typ,wo,warum\nx.png,1,10 10 50 50,Six fingers.\ny.png,0,,\n"
    columns = "image=datei,label=typ,box=wo,reason=warum"
    options = ("--columns", columns, "--label-map", "1=fake,0=real", "--box-unit", "percent", "--box-form", "xywh")
    done = convert(text, *options, name=name)
    assert [row["messages"][0]["content"] for row in done.rows] == [fakevlm.QUESTION] * 2
    assert done.rows[0]["messages"][1]["content"] == "This is a fake image. Six fingers."
    assert done.of("bbox", "width") == [([4.8, 3.2, 28.8, 19.2], 48), ([], 48)]
    assert done.manifest["image_audit"]["images"] == 2


def test_videos_without_boxes_are_asked_whether_and_why(convert):
    done = convert(
        "video,label,reason\na.mp4,fake,It flickers.\nb.mp4,real,\n",
        "--columns",
        "path=video,label=label,reason=reason",
    )
    assert done.rows[0]["messages"][1]["content"] == "This is a fake video. It flickers."
    only = convert("path,label\na.mp4,fake\nb.mp4,real\n", "--setting", "label_only")
    assert only.rows[0]["messages"][1]["content"] == "FAKE. The video is AI-generated."


def test_a_split_keeps_files_and_groups_together(convert, media):
    lines = [
        f"{name},{label},{group}" for name, label, group in zip(CLIPS, ("fake", "real", "fake"), "ggh", strict=True)
    ]
    done = convert("\n".join(["path,label,group", *lines]), "--split", "1:0:1", "--setting", "label_only")
    split = {row["meta"]["media_id"]: row["meta"]["split"] for row in done.rows}
    assert split["a.mp4"] == split["b.mp4"] != split["c.mp4"]
    assert done.manifest["split"] == {"groups": 2}
    both = convert("path,label,split\na.mp4,fake,train\na.mp4,fake,dev\nb.mp4,real,test\n", "--setting", "label_only")
    assert both.rejects == {"t.csv:3": "contradiction: an earlier row has this video in train, this in val"}


def test_rows_that_tell_the_types_of_values_come_first(convert):
    """A reader that learns them from the first 10 MB of a file must find them there."""
    traces = "a.mp4,fake,1 2 30 40,0.1,\na.mp4,fake,1 2 30 41,0.1,0.2\n"
    text = f"path,label,box,start,end\nb.mp4,real,,,\nc.mp4,real,,,\n{traces}"
    assert [row["id"] for row in convert(text).rows] == ["b.mp4", "a.mp4/1", "a.mp4/2", "c.mp4"]


def test_what_files_cannot_tell_columns_do(convert):
    text = "path,label,box,width,height,fps,duration\nno.mp4,fake,1 2 30 40,64,48,25,2\nb.mp4,real,,64,48,25,2\n"
    assert len(convert(text, "--check", "none").rows) == 2
    wrong = "path,label,width\na.mp4,fake,\nb.mp4,real,66\n"
    assert convert(wrong).rejects == {"t.csv:3": "size differs: the file's width is 64, the row's 66"}
    traced = convert(f"{wrong}c.mp4,fake,66\n", "--setting", "label_only")
    assert traced.rejects["t.csv:4"].startswith("size differs: the file has 64x48, the annotation 66x48")
    unknown = "path,label,box\na.mp4,fake,1 2 30 40\nno.mp4,fake,1 2 30 40\n"
    reason = "size: width, height, fps and duration are not known, and the file is not there"
    assert convert(unknown, "--check", "none").rejects == {"t.csv:3": reason}


def test_a_frame_is_seen_at_its_number_over_the_rate(convert):
    done = convert("path,label,box,start\na.mp4,fake,1 2 30 40,7\nb.mp4,fake,1 2 30 40,3.5\n", "--time-form", "frames")
    assert done.of("start") == [(float(Fraction(7, 25)),)]
    assert done.rejects == {"t.csv:3": "start: '3.5' is no number of a frame"}


def test_what_is_not_named_is_passed_over_only_where_names_are_given(convert):
    convert("path,typ,x\na.mp4,fake,1\n", fails=True)
    assert "unknown column 'typ'" in convert.said.err
    done = convert("path,typ,x\na.mp4,fake,1\nb.mp4,real,1\n", "--columns", "label=typ")
    assert len(done.rows) == 2
    assert "columns not used: x" in convert.said.out
    convert("path,label,box,x0\n", fails=True)
    assert "not in both" in convert.said.err
