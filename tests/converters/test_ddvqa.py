"""The DD-VQA converter: every published answer to the letter, its frame by a stated rule, its odd answers on record."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from converters.ddvqa_to_swift import main
from converters.layouts.ddvqa import odd, read_frame_file
from swift_plugins.core.records import check_row, read_rows, sha256_file
from swift_plugins.core.tasks import fakevlm
from tests.converters.test_ffpp import FAKE, REAL, number_in, write_frames, write_splits, write_video

SPLITS = {"train": [["071", "054"], ["087", "081"]], "val": [["720", "672"]], "test": [["953", "974"]]}
IMAGE, EYES = "Does the image looks real/fake?", "Do the person's eyes look real/fake?"
TRAIN = {
    "Neuraltexture": {
        "6_071_054": {
            "0": {
                "question": EYES,
                "answer": ["The person's eyes look fake. They differ.", "The person's eyes look fake. Odd."],
            },
            "4": {"question": IMAGE, "answer": ["The image looks fake. The person has blurry hairlines. "]},
        }
    },
    "Original": {"5_087": {"0": {"question": IMAGE, "answer": ["The image looks real. His nose is thin."]}}},
}
TEST = {"Deepfakes": {"0_953_974": {"0": {"question": IMAGE, "answer": ["The image looks fake. The person has na."]}}}}


def source(root: Path, train: dict[str, Any] = TRAIN, test: dict[str, Any] = TEST) -> Path:
    """DQ_FF++ in its published layout."""
    write_splits(root / "split", SPLITS)
    for split, folders in (("train", train), ("test", test)):
        for name, content in folders.items():
            folder = root / f"{split}_set" / name
            folder.mkdir(parents=True)
            (folder / f"{name}.json").write_text(content if isinstance(content, str) else json.dumps(content))
    return root


def convert(src: Path, out: Path, *options: str) -> dict[str, Any]:
    assert main(["--src", str(src), "--out", str(out), "--workers", "2", *options]) == 0
    return json.loads((out / "manifest.json").read_text())


def rows_of(out: Path, split: str = "train") -> list[dict[str, Any]]:
    return [row for _, row in read_rows(out / f"{split}.jsonl")]


def rejects_of(out: Path) -> list[dict[str, Any]]:
    return [row for _, row in read_rows(out / "rejects.jsonl")]


def answers(*texts: str, key: str = "0_071_054", question: str = IMAGE) -> dict[str, Any]:
    """A train_set of one image with these answers."""
    return {"Deepfakes": {key: {"0": {"question": question, "answer": list(texts)}}}}


# ------------------------------------------------------------------------------------------------- the published files


@pytest.fixture(scope="module")
def converted(published, tmp_path_factory) -> Path:
    out = tmp_path_factory.mktemp("ddvqa")
    convert(published / "ddvqa", out, "--check", "none")  # found in the folder that holds DQ_FF++ too
    return out


def test_every_published_answer_is_converted(converted, published):
    manifest = json.loads((converted / "manifest.json").read_text())
    assert (manifest["rows_in"], manifest["rows_out"]) == (11699, 11699)
    assert manifest["annotated"] == {
        "train": {"images": 1430, "questions": 7312, "answers": 9858},
        "test": {"images": 262, "questions": 1323, "answers": 1841},
    }
    assert manifest["leakage"] == {
        "videos": 1692,
        "outside_their_split": [],
        "not_an_official_pair": [],
        "ids_in_several_splits": [],
    }
    on_disk: Counter[tuple[str, str]] = Counter()
    for path in (published / "ddvqa").rglob("*_set/*/*.json"):
        for image in json.loads(path.read_text()).values():
            on_disk.update((asked["question"], text) for asked in image.values() for text in asked["answer"])
    rows = [row for split in ("train", "test") for row in rows_of(converted, split)]
    assert Counter(tuple(m["content"].removeprefix("<image>") for m in row["messages"]) for row in rows) == on_disk
    assert len({row["id"] for row in rows}) == 11699
    for row in rows:
        check_row(row)
        answer = fakevlm.parse_trained(row["messages"][1]["content"]).answer
        assert answer.verdict == row["meta"]["label"] == ("real" if row["id"].split("/")[1][0] == "5" else "fake")


def test_the_odd_published_answers_are_listed(converted):
    found = json.loads((converted / "manifest.json").read_text())["odd_answers"]
    assert {kind: of["count"] for kind, of in found.items()} == {"contradictions": 20, "junk": 44}
    assert {
        "train_set/Deepfakes/Deepfakes.json[0_191_188][0][0]",
        "test_set/Face2Face/Face2Face.json[1_389_480][1][0]",
    } < {*found["contradictions"]["where"]}


def test_odd_published_answers_can_be_dropped(published, tmp_path):
    manifest = convert(
        published / "ddvqa" / "DQ_FF++", tmp_path, "--check", "none", "--drop", "contradictions", "--drop", "junk"
    )
    # "The person's nose looks a bit fake because nose is real." is both
    assert (manifest["rows_out"], manifest["rows_rejected"]) == (11699 - 63, 63)
    assert manifest["reject_reasons"] == {"dropped": 63}


# ----------------------------------------------------------------------------------------------------- the odd answers


@pytest.mark.parametrize(
    ("explanation", "kinds"),
    [
        ("No the person is real but image is blurry.", {"contradictions"}),
        ("The bottom of the chin looks real.", {"contradictions"}),
        ("The person's eyebrows look asymmetric. . Real.", {"contradictions"}),
        ("The person has he is a television personality so ofc we know this image is real.", {"contradictions"}),
        ("The person's nose looks a bit fake because nose is real.", {"contradictions", "junk"}),
        ("The person has good.", {"junk"}),
        ("The person has na.", {"junk"}),
        ("None the person has none.", {"junk"}),
        ("The person's mouth looks very fake because no mouth.", {"junk"}),
        ("", {"junk"}),
        ("By the mouth. It does not look real.", set()),
        ("The nordries don't look real.", set()),
        ("It might be easier to gauge whether the image is real or fake.", set()),
        ("The face has no real chin line.", set()),
        ("The nose looks unrealistic.", set()),
        ("The person has mismatched bangs.", set()),
    ],
)
def test_which_answers_are_odd(explanation, kinds):
    assert odd(f"The image looks fake. {explanation}".strip(), "fake") == kinds


def test_a_real_image_that_looks_fake_is_a_contradiction():
    assert odd("The image looks real. The person's skin is fake.", "real") == {"contradictions"}
    assert odd("The image looks real. His skin is real.", "real") == set()


# ------------------------------------------------------------------------------------------------------------- the rows


def test_a_row_holds_what_the_scorer_reads(tmp_path):
    folder = FAKE.format("NeuralTextures")
    write_frames(tmp_path / "ffpp" / folder / "frames" / "071_054", [3, 8])
    options = ("--ffpp", str(tmp_path / "ffpp"))
    manifest = convert(source(tmp_path / "DQ_FF++"), tmp_path / "out", *options)
    rows = rows_of(tmp_path / "out")
    assert [row["id"] for row in rows] == [f"train/6_071_054/{end}" for end in ("eyes/1", "eyes/2", "image/1")]
    assert rows[1] == {
        "id": "train/6_071_054/eyes/2",
        "task": "fakevlm",
        "messages": [
            {"role": "user", "content": f"<image>{EYES}"},
            {"role": "assistant", "content": "The person's eyes look fake. Odd."},
        ],
        "images": [f"{tmp_path}/ffpp/{folder}/frames/071_054/003.png"],
        "meta": {
            "media_id": "NeuralTextures/071_054",
            "image": f"{folder}/frames/071_054/003.png",
            "split": "train",
            "source": "FF++ NeuralTextures",
            "label": "fake",
            "category": "deepfake",
            "manipulation": "NeuralTextures",
            "video": "NeuralTextures/071_054",
            "frame": 3,
            "width": 32,
            "height": 32,
            "explanation": "Odd.",
            "dataset": "ddvqa",
            "part": "eyes",
            "key": "6_071_054",
            "task_version": fakevlm.VERSION,
        },
    }
    assert (
        rows[2]["messages"][1]["content"] == "The image looks fake. The person has blurry hairlines. "
    )  # to the letter
    assert manifest["frame_rule"] == "first"
    assert manifest["reject_reasons"] == {"missing": 2}
    assert manifest["rows_in"] == 5


def test_without_the_images_the_texts_convert(tmp_path, capsys):
    src, absent = source(tmp_path / "DQ_FF++"), str(tmp_path / "absent")
    manifest = convert(src, tmp_path / "out", "--check", "none", "--ffpp", absent)
    assert manifest["media_missing"] == 3
    row = rows_of(tmp_path / "out")[-1]
    assert row["images"] == [f"{absent}/{REAL}/frames/087/000.png"]
    assert row["meta"] | {"media_id": "original/087", "manipulation": "original", "width": None} == row["meta"]
    assert "junk: 1 answers are kept (--drop junk)" in capsys.readouterr().out
    assert main(["--src", str(src), "--out", str(tmp_path / "out"), "--ffpp", absent]) == 2
    assert "or convert with --check none" in capsys.readouterr().err


def test_of_a_video_that_is_absent_the_first_of_its_frames_is_named(tmp_path, capsys):
    """How many frames a video has, and so which are evenly spread, only its file tells; the first is always one."""
    options = ("--check", "none", "--ffpp", str(tmp_path), "--frame-rule", "uniform:4")
    manifest = convert(source(tmp_path / "DQ_FF++"), tmp_path / "out", *options)
    assert [row["id"] for row in rows_of(tmp_path / "out", "test")] == ["test/0_953_974/image/1/f0"]
    assert rows_of(tmp_path / "out")[0]["images"][0].endswith("/frames/071_054/000.png")
    assert (manifest["media_checked"], manifest["frames_from"]) == ("none", {"no file": 3})
    assert "3 videos are not there, one frame of each is named as if it were extracted" in capsys.readouterr().out


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_the_encoding(encoding, tmp_path):
    src = source(tmp_path / "DQ_FF++", answers("The image looks fake. Odd “ear”."))
    file = src / "train_set" / "Deepfakes" / "Deepfakes.json"
    file.write_text(json.dumps(json.loads(file.read_text()), ensure_ascii=False), encoding=encoding)
    convert(src, tmp_path / "out", "--check", "none")
    assert rows_of(tmp_path / "out")[0]["meta"]["explanation"] == "Odd “ear”."


@pytest.mark.parametrize(("rule", "frames"), [("first", [0]), ("index:7", [7]), ("uniform:3", [0, 4, 8])])
def test_the_rule_decides_the_frames(rule, frames, tmp_path):
    write_video(tmp_path / "ffpp" / FAKE.format("Deepfakes") / "videos" / "071_054.mp4")
    src = source(tmp_path / "DQ_FF++", answers("The image looks fake. Odd.", "The image looks fake. Flat."), {})
    convert(src, tmp_path / "out", "--ffpp", str(tmp_path / "ffpp"), "--frame-rule", rule)
    rows = rows_of(tmp_path / "out")
    assert [row["meta"]["frame"] for row in rows] == frames * 2
    assert [number_in(row["images"][0]) for row in rows] == frames * 2
    assert {row["meta"]["media_id"] for row in rows} == {"Deepfakes/071_054"}
    several = [f"/f{frame}" for frame in frames] if len(frames) > 1 else [""]
    assert [row["id"] for row in rows] == [f"train/0_071_054/image/{n}{end}" for n in (1, 2) for end in several]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("f.csv", "frame,key\n5,6_071_054\n2,0_000_001\n"),
        ("f.jsonl", '{"key": "6_071_054", "frame": 5}\n{"key": "x", "frame": "2"}\n'),
    ],
)
def test_a_file_can_name_the_frames(name, text, tmp_path):
    write_video(tmp_path / "ffpp" / FAKE.format("NeuralTextures") / "videos" / "071_054.mp4")
    write_video(tmp_path / "ffpp" / REAL / "videos" / "087.mp4")
    (tmp_path / name).write_text(text)
    options = ("--ffpp", str(tmp_path / "ffpp"), "--frame-rule", "file", "--frame-file", str(tmp_path / name))
    manifest = convert(source(tmp_path / "DQ_FF++"), tmp_path / "out", *options)
    assert {(row["meta"]["key"], number_in(row["images"][0])) for row in rows_of(tmp_path / "out")} == {
        ("6_071_054", 5)
    }
    assert [row["reason"] for row in rejects_of(tmp_path / "out")] == [
        "frame: the frame file has none for 5_087",
        "frame: the frame file has none for 0_953_974",
    ]
    assert manifest["frame_file_keys_not_used"] == 1
    assert manifest["sources"][name] == sha256_file(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        ("f.csv", "key,number\n6_071_054,5\n", 2),
        ("f.csv", "key,frame\n6_071_054,5\n6_071_054,6\n", 3),
        ("f.csv", "key,frame\n6_071_054,-1\n", 2),
        ("f.csv", f"key,frame\n{'x' * 200_000},1\n", 2),
        ("f.jsonl", '{"key": "6_071_054", "frame": true}\n', 1),
        ("f.jsonl", '{"key": 5, "frame": 1}\n', 1),
    ],
)
def test_a_frame_file_of_something_else_is_refused(name, text, line, tmp_path):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=f"{name}:{line}: "):
        read_frame_file(tmp_path / name)


def test_rule_and_file_go_together(tmp_path, capsys):
    assert main(["--frame-rule", "file", "--out", str(tmp_path / "out")]) == 2
    assert "--frame-rule file and --frame-file FILE go together" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("train", "reason"),
    [
        (answers("The image looks fake. Odd.", key="0_../x"), "key: expected <number of Deepfakes>_<video>"),
        (answers("The image looks fake. Odd.", key="1_071_054"), "key: expected <number of Deepfakes>_<video>"),
        (answers("The image looks fake. Odd.", key="0_071"), "key: expected one id for a real and two for a fake"),
        (answers("The image looks fake. Odd.", question="Is it?"), "question: not one of the six of DD-VQA: 'Is it?'"),
        (answers("The image looks real. Fine."), "contradiction: the answer says real, the label is fake"),
        (answers("It is odd."), "answer: does not begin with"),
        (answers(5), "answer: expected a text, got 5"),
        (answers("The image looks fake. <image> Odd."), "messages: 2 <image> tags but 1 images"),
        ({"Deepfakes": {"0_071_054": [1]}}, "question: expected an object of questions"),
        ({"Deepfakes": {"0_071_054": {"0": None}}}, "question: not one of the six of DD-VQA: None"),
        ({"Deepfakes": {"0_071_054": {"0": {"question": IMAGE, "answer": "x"}}}}, "answer: expected a list of answers"),
    ],
)
def test_a_hostile_or_broken_entry_is_set_aside(train, reason, tmp_path):
    manifest = convert(source(tmp_path / "DQ_FF++", train), tmp_path / "out", "--check", "none")
    (reject,) = rejects_of(tmp_path / "out")
    assert reason in reject["reason"]
    assert reject["where"].startswith("train_set/Deepfakes/Deepfakes.json[")
    assert (manifest["rows_in"], manifest["rows_out"]) == (2, 1)


@pytest.mark.parametrize("text", ["[]", "{", '{"0_071_054": ' + "[" * 100_000])
def test_a_file_that_is_no_object_is_refused(text, tmp_path, capsys):
    src = source(tmp_path / "DQ_FF++", {"Deepfakes": text})
    assert main(["--src", str(src), "--out", str(tmp_path / "out"), "--check", "none"]) == 2
    assert "Deepfakes.json: expected a JSON object of images" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_video_of_another_split_is_reported(tmp_path, capsys):
    train = answers("The image looks fake. Odd.", key="0_071_974") | {
        "Face2Face": answers("The image looks fake. Odd.", key="1_071_087")["Deepfakes"]
    }
    manifest = convert(source(tmp_path / "DQ_FF++", train), tmp_path / "out", "--check", "none")
    assert manifest["leakage"]["outside_their_split"] == ["train: Deepfakes/071_974"]
    assert manifest["leakage"]["not_an_official_pair"] == ["train: Deepfakes/071_974", "train: Face2Face/071_087"]
    assert manifest["rows_out"] == 3
    assert "leakage: 1 outside their split, train: Deepfakes/071_974 among them" in capsys.readouterr().out


def test_a_dropped_answer_is_recorded(tmp_path):
    manifest = convert(source(tmp_path / "DQ_FF++"), tmp_path / "out", "--check", "none", "--drop", "junk")
    assert rejects_of(tmp_path / "out") == [
        {
            "where": "test_set/Deepfakes/Deepfakes.json[0_953_974][0][0]",
            "id": "test/0_953_974/image/1",
            "reason": "dropped: junk: 'The image looks fake. The person has na.'",
        }
    ]
    assert manifest["odd_answers"]["junk"]["count"] == 1
    assert manifest["options"]["drop"] == ["junk"]


def test_what_is_missing_is_said_in_one_line(tmp_path, capsys):
    assert main(["--src", str(tmp_path), "--out", str(tmp_path / "out"), "--check", "none"]) == 2
    assert "git clone https://github.com/Reality-Defender/Research-DD-VQA" in capsys.readouterr().err
