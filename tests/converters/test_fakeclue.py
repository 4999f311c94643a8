"""The FakeClue converter: texts to the letter, labels the right way round, and every other row with a reason."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from converters.conversion.sources import Sourced
from converters.fakeclue_to_swift import main
from converters.layouts.fakeclue import PUBLISHED, Raw, origin_of, published_counts
from swift_plugins.core.records import check_row, read_rows
from swift_plugins.core.tasks import fakevlm

QUESTION = "<image>Does the image looks real/fake?"
FRAME = "ff++/fake/Deepfakes/c23/frames/071_054/160.png"
PRISTINE = "ff++/real/youtube/c23/frames/071/000.png"


def fake(image: str = "genimage/BigGAN/a.png", **changes: Any) -> dict[str, Any]:
    """A row as published."""
    turns = [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": "This is a fake image. The ear melts."}]
    return {"image": image, "label": 0, "cate": "animal", "width": 48, "height": 32, "conversations": turns} | changes


def real(image: str = "chameleon/b.jpg", **changes: Any) -> dict[str, Any]:
    turns = [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": "This is a real image. It is sharp."}]
    return fake(image, label=1, cate="human", conversations=turns) | changes


def saying(text: Any, question: Any = QUESTION) -> list[dict[str, Any]]:
    return [{"from": "human", "value": question}, {"from": "gpt", "value": text}]


def source(root: Path, test: Any = None, train: Any = None, images: str | None = None) -> Path:
    """A FakeClue folder with these rows (or this text) and, in the folder `images`, their images."""
    (root / "data_json").mkdir(parents=True)
    for split, rows in (("test", test), ("train", train)):
        if rows is not None:
            text = rows if isinstance(rows, str | bytes) else json.dumps(rows)
            (root / "data_json" / f"{split}.json").write_bytes(text if isinstance(text, bytes) else text.encode())
        if images is not None and isinstance(rows, list):
            for i, row in enumerate(rows):
                path = root / images.format(split=split) / row["image"]
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (48, 32), (i, 0, 0)).save(path)
    return root


class Converted:
    """What a conversion wrote."""

    def __init__(self, src: Path, out: Path, *options: str):
        assert main(["--src", str(src), "--out", str(out), "--workers", "1", *options]) == 0
        self.manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
        self.splits = {
            split: [row for _, row in read_rows(out / f"{split}.jsonl")] for split in self.manifest["counts"]
        }
        self.rows = [row for rows in self.splits.values() for row in rows]
        self.rejects = [row for _, row in read_rows(out / "rejects.jsonl")]


@pytest.fixture
def convert(tmp_path):
    """Convert rows of test and train without a look at the images."""

    def call(*splits: Any, options: tuple[str, ...] = ("--check", "none")) -> Converted:
        return Converted(source(tmp_path / "FakeClue", *splits), tmp_path / "out", *options)

    return call


@pytest.fixture
def refused(tmp_path, capsys):
    """The one line that a conversion ends with."""

    def call(src: Path, *options: str) -> str:
        assert main(["--src", str(src), "--out", str(tmp_path / "out"), *options]) == 2
        error = capsys.readouterr().err.strip().splitlines()[-1]
        assert error.startswith("error: ")
        assert not list((tmp_path / "out").glob("*")) if (tmp_path / "out").exists() else True
        return error

    return call


# ------------------------------------------------------------------------------------------------------------- the rows


def test_a_frame_becomes_this_row(tmp_path):
    src = source(tmp_path / "FakeClue", [fake(FRAME, cate="deepfake")], images="test")
    assert Converted(src, tmp_path / "out").rows == [
        {
            "id": "test/0",
            "task": "fakevlm",
            "messages": [
                {"role": "user", "content": QUESTION},
                {"role": "assistant", "content": "This is a fake image. The ear melts."},
            ],
            "images": [str(src / "test" / FRAME)],
            "meta": {
                "media_id": "Deepfakes/071_054",
                "image": FRAME,
                "split": "test",
                "source": "FF++ Deepfakes",
                "label": "fake",
                "dataset": "fakeclue",
                "category": "deepfake",
                "manipulation": "Deepfakes",
                "video": "Deepfakes/071_054",
                "part": "",
                "width": 48,
                "height": 32,
                "explanation": "The ear melts.",
                "task_version": fakevlm.VERSION,
            },
        }
    ]


def test_0_is_fake_and_1_is_real(convert):
    done = convert([fake(), real()], [real("x.png"), real("y.png")])
    assert [row["meta"]["label"] for row in done.splits["test"]] == ["fake", "real"]
    assert done.manifest["counts"] == {"train": {"real": 2}, "test": {"fake": 1, "real": 1}}


def test_texts_are_kept_to_the_letter_and_a_missing_tag_is_added(convert):
    answer = "This is a fake image.\n\n1. **Ears**: “odd”,  two   spaces "
    done = convert([fake(conversations=saying(answer, "Real or fake? ")), fake("b.png")])
    assert [m["content"] for m in done.rows[0]["messages"]] == ["<image>Real or fake? ", answer]
    assert done.rows[0]["meta"]["explanation"] == "1. **Ears**: “odd”,  two   spaces"
    assert done.manifest["prompt"] is None
    assert done.manifest["prompts"] == {"<image>Real or fake? ": 1, QUESTION: 1}


def test_every_row_keeps_the_contract(convert):
    done = convert(
        [
            fake(),
            real(),
            fake(FRAME),
            real(PRISTINE),
            fake("doc/c.png", width=None, conversations=saying("This is a fake image.")),
        ]
    )
    for row in done.rows:
        check_row(row)
        answer = fakevlm.parse_trained(row["messages"][1]["content"]).answer
        assert answer.verdict == row["meta"]["label"]
        assert answer.explanation == (row["meta"]["explanation"] or None)
        assert fakevlm.parse_trained(fakevlm.render(answer)).answer == answer
    assert len({tuple(row["meta"]) for row in done.rows}) == 1
    assert len({row["id"] for row in done.rows}) == 5


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (fake(label=1), "contradiction: the answer says fake, the label is real"),
        (real(label=0), "contradiction: the answer says real, the label is fake"),
        (fake(label=2), "label: must be 0 (fake) or 1 (real), got 2"),
        (fake(label="fake"), "malformed row: Expected `int`, got `str` - at `$.label`"),
        (fake(label=True), "malformed row: Expected `int`, got `bool` - at `$.label`"),
        (fake(width=0), "malformed row: Expected `int` >= 1 - at `$.width`"),
        (fake(width=10**30), "malformed row"),
        (fake(image=None), "malformed row: Expected `str`, got `null` - at `$.image`"),
        ({"image": "a.png"}, "malformed row: Object missing required field `label`"),
        (7, "malformed row: Expected `object`, got `int`"),
        (fake(conversations=saying("x")[:1]), "malformed row: Expected `array` of length 2 - at `$.conversations`"),
        (fake(conversations=saying("x")[::-1]), "conversations: must be human, then gpt, got 'gpt', 'human'"),
        (fake(conversations=saying("It looks odd.")), "answer: does not begin with"),
        (fake(conversations=saying("This is a fake image. This is a real image.")), "answer: two different verdicts"),
        (fake(conversations=saying("This is a fake image. <image>")), "messages: 2 <image> tags but 1 images"),
        (fake(conversations=saying("This is a fake image.", "<image><image>?")), "messages: 2 <image> tags"),
        (fake("../../etc/passwd"), "image: the path leaves test/"),
        (fake("https://example.org/a.png"), "image: not a file path"),
        (fake("ff++/"), "image: not a file path"),
        (real(FRAME), "contradiction: the label is real, the path says Deepfakes"),
        (fake("ff++/original/c23/frames/071/0.png"), "contradiction: the label is fake, the path says original"),
        (real("first.png"), "contradiction: an earlier row says fake of this image"),
    ],
)
def test_a_bad_row_is_set_aside_with_its_reason(convert, row, reason):
    done = convert([fake("first.png"), row, real("last.png")])
    assert [r["meta"]["image"] for r in done.rows] == ["first.png", "last.png"]
    (reject,) = done.rejects
    assert (reject["where"], reject["id"]) == ("test.json[1]", "test/1")
    assert reject["reason"].startswith(reason)
    assert (done.manifest["rows_in"], done.manifest["rows_out"], done.manifest["rows_rejected"]) == (3, 2, 1)


def test_an_image_may_be_in_several_rows_that_agree(convert):
    done = convert([fake("a.png"), fake("a.png"), fake("./a.png")])
    assert [row["meta"]["media_id"] for row in done.rows] == ["a.png"] * 3
    assert done.manifest["images"] == 1


# ------------------------------------------------------------------------------------------------------ what paths tell


@pytest.mark.parametrize(
    ("image", "label", "found"),
    [
        (FRAME, "fake", ("FF++ Deepfakes", "Deepfakes", "Deepfakes/071_054")),
        (PRISTINE, "real", ("FF++ original", "original", "original/071")),
        (
            "FF++/fake/Neuraltexture/c23/frames/001_870/0.png",
            "fake",
            ("FF++ NeuralTextures", "NeuralTextures", "NeuralTextures/001_870"),
        ),
        (
            "ff++/fake/Neuraltextures/001_870/0.png",
            "fake",
            ("FF++ NeuralTextures", "NeuralTextures", "NeuralTextures/001_870"),
        ),
        ("ff++/fake/face2face/001_870/0.png", "fake", ("FF++ Face2Face", "Face2Face", "Face2Face/001_870")),
        ("ff++/real/actors/c23/frames/01__go/0.png", "real", ("FF++ original", "original", "original/01__go")),
        ("ff++/fake/other/c23/frames/003_000/0.png", "fake", ("FF++", "", "unknown/003_000")),
        ("ff++/0.png", "real", ("FF++ original", "original", "")),
        ("genimage/train/ai/BigGAN/x.png", "fake", ("GenImage BigGAN", "", "")),
        ("genimage/real/x.png", "real", ("GenImage", "", "")),
        ("chameleon/0_real/x.png", "real", ("chameleon", "", "")),
        ("fake/satellite/x.png", "fake", ("satellite", "", "")),
        ("x.png", "fake", ("unknown", "", "")),
    ],
)
def test_the_path_tells_where_an_image_comes_from(image, label, found):
    assert origin_of(image.rpartition("/")[0], label) == found


def test_leakage_by_image_video_and_person(convert):
    """Of five test rows one has its image, one its video and three of the four of FF++ a person in train."""
    train = [fake(FRAME), real(PRISTINE), fake("genimage/a.png")]
    test = [
        fake("genimage/a.png"),
        fake(FRAME.replace("160", "200")),
        fake("ff++/fake/FaceSwap/c23/frames/054_071/1.png"),
        real("ff++/real/youtube/c23/frames/054/0.png"),
        real("ff++/real/youtube/c23/frames/900/0.png"),
    ]
    assert convert(test, train).manifest["leakage"] == {
        "test_rows": 5,
        "test_rows_whose_image_is_in_train": 1,
        "test_rows_of_a_video": 4,
        "test_rows_whose_video_is_in_train": 1,
        "test_rows_with_a_person_in_train": 3,
    }


# ----------------------------------------------------------------------------------------------------------- the images


@pytest.mark.parametrize("place", ["{split}", "{split}/{split}", ".", "images", "images/{split}"])
def test_the_images_are_found_wherever_they_were_unpacked(tmp_path, place, capsys):
    src = source(tmp_path / "FakeClue", [fake(), real()], [fake("t.png")], images=place)
    done = Converted(src, tmp_path / "out", "--check", "decode")
    folder = Path(str(src / place.format(split="test")))
    assert done.splits["test"][0]["images"] == [str(folder / "genimage/BigGAN/a.png")]
    assert done.manifest["image_folders"]["test"] == str(folder)
    assert (done.manifest["media_missing"], len(done.rows)) == (0, 3)
    assert f"images of test: {folder}" in capsys.readouterr().out


def test_an_image_that_is_missing_damaged_or_no_image_costs_its_row(tmp_path):
    names = ["good.png", "gone.png", "torn.png", "text.png", "bomb.bmp"]
    src = source(tmp_path / "FakeClue", [fake(name) for name in names], images="test")
    (src / "test" / "gone.png").unlink()
    data = (src / "test" / "torn.png").read_bytes()
    (src / "test" / "torn.png").write_bytes(data[:-40])
    (src / "test" / "text.png").write_text("no image")
    bomb = bytearray((src / "test" / "bomb.bmp").read_bytes())
    bomb[18:26] = (60_000).to_bytes(4, "little") * 2  # the header's width and height
    (src / "test" / "bomb.bmp").write_bytes(bomb)
    done = Converted(src, tmp_path / "out", "--check", "decode")
    assert [row["meta"]["image"] for row in done.rows] == ["good.png"]
    assert [row["reason"].split(":")[:2] for row in done.rejects][:2] == [
        ["media", " the file does not exist"],
        ["media", " the image cannot be read"],
    ]
    assert done.manifest["reject_reasons"] == {"media": 4}
    assert done.manifest["media_missing"] == 1


def test_without_images_the_annotations_can_be_converted_alone(convert, capsys):
    done = convert([fake(), real()])
    assert (len(done.rows), done.manifest["media_missing"]) == (2, 2)
    assert done.manifest["image_folders"] == {"test": None}
    assert "unzip -q test.zip" in capsys.readouterr().out


def test_another_size_than_annotated_is_counted_and_kept(tmp_path, capsys):
    src = source(tmp_path / "FakeClue", [fake(), real(width=640), fake("c.png", width=None)], images="test")
    done = Converted(src, tmp_path / "out")
    assert len(done.rows) == 3
    assert done.manifest["sizes_that_differ_from_the_file"] == 1
    assert "1 images have another size than annotated" in capsys.readouterr().out


def test_shortcuts_of_the_files_are_reported(tmp_path, capsys):
    test = [row for i in range(6) for row in (fake(f"a/{i}.png"), real(f"b/{i}.jpg"))]
    train = [row for i in range(6) for row in (fake(f"c/{i}.png"), real(f"d/{i}.jpg"))]
    done = Converted(source(tmp_path / "FakeClue", test, train, images="{split}"), tmp_path / "out")
    rules = done.manifest["image_audit"]["rules"]
    assert (rules["format"]["balanced_accuracy"], rules["size"]["balanced_accuracy"]) == (100.0, 50.0)
    assert done.manifest["image_audit"]["images"] == 24
    assert "shortcut: format alone gives 100.0 % balanced accuracy on 12 images" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------------------ the files


def test_an_unknown_category_is_kept_and_reported(convert, capsys):
    done = convert([fake(cate="plant"), fake("b.png", cate="doc")])
    assert [row["meta"]["category"] for row in done.rows] == ["plant", "doc"]
    assert done.manifest["unknown_categories"] == {"plant": 1}
    assert "1 rows are of the unknown category 'plant'" in capsys.readouterr().out


def test_published_counts_are_those_of_the_paper_and_differences_are_told():
    """The published test set less one fake of "doc"."""
    categories = {
        "deepfake": (932, 236),
        "object": (479, 388),
        "satellite": (443, 432),
        "animal": (370, 379),
        "doc": (459, 116),
        "human": (282, 121),
        "scene": (226, 136),
    }
    rows = [
        Sourced("x", None, "test", Raw("x", label, (), cate))
        for cate, numbers in categories.items()
        for label in (0, 1)
        for _ in range(numbers[label])
    ]
    counts = published_counts("test", rows)
    assert sum(PUBLISHED["test"]) == 5000
    assert sum(PUBLISHED["train"]) == 104_343
    assert {name for name, count in counts.items() if not count["ok"]} == {"test_fake_rows", "test_doc_fake_rows"}
    assert counts["test_doc_fake_rows"] == {"published": 460, "found": 459, "ok": False}
    assert published_counts("test", rows[:4000]) == {}


def test_the_manifest_names_licence_task_and_hashes(convert):
    manifest = convert([fake()]).manifest
    assert "Chameleon (academic use only)" in manifest["licence"]
    assert (manifest["task"], manifest["task_version"], manifest["prompt"]) == ("fakevlm", fakevlm.VERSION, QUESTION)
    assert set(manifest["sources"]) == {"data_json/test.json"}
    assert manifest["media_checked"] == "none"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{}", "expected one JSON list of rows"),
        ("[", "expected one JSON list of rows"),
        ("", "expected one JSON list of rows"),
        ("[]", "the list is empty"),
        ("[" * 100_000, "expected one JSON list of rows"),
        (b"\xff\xfe[", "test.json: its byte order mark says UTF-16, but"),
        (b'["\xff"]', "no usable row; the first one: test.json[0]: malformed row"),
        ("[{}, 3]", "no usable row; the first one: test.json[0]: malformed row"),
    ],
)
def test_what_is_no_list_of_rows_is_refused(tmp_path, refused, text, complaint):
    assert complaint in refused(source(tmp_path / "FakeClue", text), "--check", "none")


def test_deep_nesting_in_a_field_that_is_not_read(tmp_path, refused):
    text = json.dumps([fake()])[:-2] + ', "x": ' + "[" * 100_000 + "]" * 100_000 + "}]"
    assert "expected one JSON list of rows" in refused(source(tmp_path / "FakeClue", text), "--check", "none")


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_byte_order_mark_says_the_encoding(tmp_path, encoding):
    src = source(tmp_path / "FakeClue", json.dumps([fake()]).encode(encoding))
    assert len(Converted(src, tmp_path / "out", "--check", "none").rows) == 1


def test_images_that_are_all_missing_are_named(tmp_path, refused):
    error = refused(source(tmp_path / "FakeClue", [fake()]))
    assert "no usable row; the first one: test.json[0]: media: the file does not exist" in error
    assert "Unpack the images in --src, or convert with --check none" in error


def test_a_label_of_the_wrong_type_is_named_without_the_hint_to_unpack(tmp_path, refused):
    error = refused(source(tmp_path / "FakeClue", [fake() | {"label": "no label"}]))
    assert "no usable row; the first one: test.json[0]: " in error
    assert "label" in error
    assert "Unpack" not in error
