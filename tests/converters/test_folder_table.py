"""The folder converter by a table of labels: what a line says counts, and one that says nothing usable is set aside."""

from __future__ import annotations

import pytest

from converters.folder_to_swift import main
from swift_plugins.core.records import check_row
from swift_plugins.core.tasks import fakevlm
from tests.converters.test_folder import Converted, convert, refused, tree

__all__ = ["convert", "refused"]  # fixtures


@pytest.fixture
def table(tmp_path):
    """Convert by a table; the images a.png and b.png are there."""

    def call(text: str, *options: str) -> Converted:
        (tmp_path / "t.csv").write_text(text, encoding="utf-8", newline="")
        src = tree(tmp_path / "Set", "a.png", "b.png")
        return Converted(src, tmp_path / "out", "--csv", str(tmp_path / "t.csv"), *options)

    return call


def test_a_table_says_all(table):
    done = table(
        "video,path,label,split,category,source,manipulation,explanation\n"
        '071,a.png,Fake,train,animal,SDXL,inpainting,"The ear, ""melts""\non the left."\n'
        "071,./b.png,real,,,,,\n",
        "--split",
        "val",
        "--dataset",
        "mine",
    )
    first, second = done.rows
    assert first["messages"][1]["content"] == 'This is a fake image. The ear, "melts"\non the left.'
    keys = ("media_id", "split", "source", "category", "manipulation", "video")
    assert done.of(*keys)["a.png"] == ("071", "train", "SDXL", "animal", "inpainting", "071")
    assert second["messages"][1]["content"] == "This is a real image."
    assert (second["meta"]["split"], second["meta"]["source"], second["meta"]["image"]) == ("val", "mine", "./b.png")
    assert set(done.manifest["sources"]) == {"t.csv"}
    for row in done.rows:
        check_row(row)
        assert fakevlm.parse_trained(row["messages"][1]["content"]).answer.verdict == row["meta"]["label"]


def test_numbers_are_labels_only_by_a_map(table):
    done = table("path,label\na.png,0\nb.png,1\n", "--label-map", "0=fake,1=real")
    assert done.of("label") == {"a.png": ("fake",), "b.png": ("real",)}


def test_numbers_without_a_map_are_refused(tmp_path, table, refused):
    with pytest.raises(AssertionError):
        table("path,label\na.png,0\nb.png,1\n")
    assert "got '0'; say what it means, such as --label-map 0=fake,1=real" in refused("--csv", str(tmp_path / "t.csv"))


@pytest.mark.parametrize("text", ["0", "0=1", "0=fake,real", "=fake", "0=edited", ""])
def test_a_map_of_another_form_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["--label-map", text])
    assert "must be like 0=fake,1=real" in capsys.readouterr().err


def test_an_explanation_may_be_a_whole_answer(table):
    """As FakeClue has them; its verdict is said once."""
    done = table("path,label,explanation\na.png,fake,This is a fake image. It melts.\nb.png,real,Real\n")
    assert done.of("explanation") == {"a.png": ("It melts.",), "b.png": ("",)}
    assert done.rows[0]["messages"][1]["content"] == "This is a fake image. It melts."
    of_a_part = "The person's eyes look fake. They differ."
    done = table(f"path,label,explanation\na.png,real,This is a fake image. It melts.\nb.png,fake,{of_a_part}\n")
    assert done.rejects == {"t.csv:2": "contradiction: the explanation says fake, the label is real"}
    assert done.of("explanation") == {"b.png": (of_a_part,)}


@pytest.mark.parametrize(("encoding", "bom"), [("utf-8-sig", b""), ("utf-16", b""), ("utf-16-be", b"\xfe\xff")])
def test_a_table_of_a_spreadsheet_is_read(tmp_path, convert, encoding, bom):
    text = "path,label,explanation\nä.png,fake,Sechs Finger – zu viele\n"
    (tmp_path / "t.csv").write_bytes(bom + text.encode(encoding))
    done = convert("ä.png", options=("--csv", str(tmp_path / "t.csv")))
    assert done.of("explanation") == {"ä.png": ("Sechs Finger – zu viele",)}


@pytest.mark.parametrize("text", ["0=fake,0=real", "0=fake,1=real,0=fake", "AI=fake,ai=real"])
def test_a_map_that_says_twice_what_a_label_means_is_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["--label-map", text])
    assert f"says twice what a label means, got {text!r}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("b.png,maybe,", "label: must be real or fake, got 'maybe'"),
        ("b.png,,", "label: must be real or fake, got ''"),
        ("b.png,fake,holdout", "split: must be train, val or test, got 'holdout'"),
        ("b.png,fake", "columns: "),
        ("b.png,fake,test,more", "columns: "),
        ("../secret.png,fake,", "image: the path leaves Set/"),
        ("https://example.org/a.png,fake,", "image: not a file path"),
        (",fake,", "image: not a file path"),
        ("gone.png,fake,", "media: the file does not exist"),
        ("./a.png,fake,", "duplicate: an earlier row has this image"),
        ("./a.png,real,", "contradiction: an earlier row says fake of this image"),
    ],
)
def test_a_bad_line_is_set_aside_with_its_reason(table, line, reason):
    done = table(f"path,label,split\na.png,fake,\n{line}\n")
    assert list(done.of()) == ["a.png"]
    ((where, found),) = done.rejects.items()
    assert where == "t.csv:3"
    assert found.startswith(reason)


def test_an_explanation_that_contradicts_the_label_is_set_aside(table):
    done = table("path,label,explanation\na.png,fake,\nb.png,fake,Odd. This is a real image.\n")
    assert done.rejects == {"t.csv:3": "contradiction: the explanation says real, the label is fake"}


def test_an_explanation_with_a_media_tag_is_set_aside(table):
    done = table("path,label,explanation\na.png,fake,\nb.png,fake,see <image>\n")
    assert done.rejects == {"t.csv:3": "messages: 2 <image> tags but 1 images"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("path,lable\na.png,fake\n", "t.csv:1: unknown column 'lable'; did you mean 'label'?"),
        ("path,split\na.png,test\n", "t.csv:1: there is no column label"),
        ("path,label,label\na.png,fake,real\n", "t.csv:1: a column is there twice: path, label, label"),
        ("path;label\na.png;fake\n", "t.csv:1: the values must be separated by commas, here ';' stands"),
        ("", "t.csv:1: there is no column path and no column label"),
        ("path,label\n", "holds no images"),
        ('path,label\n"a.png,fake\n', "not a CSV file"),
        ("path,label\n" + "a" * 200_000 + ",fake\n", "not a CSV file: field larger than field limit"),
    ],
)
def test_a_table_of_another_form_is_refused(tmp_path, refused, text, complaint):
    tree(tmp_path / "Set", "a.png")
    (tmp_path / "t.csv").write_text(text)
    assert complaint in refused("--csv", str(tmp_path / "t.csv"))


def test_a_table_that_is_not_utf_8_is_refused(tmp_path, refused):
    tree(tmp_path / "Set", "a.png")
    (tmp_path / "t.csv").write_bytes(b"path,label\n\xff.png,fake\n")
    assert "not a CSV file: 'utf-8' codec" in refused("--csv", str(tmp_path / "t.csv"))


def test_a_video_in_train_and_test_is_reported(table, capsys):
    done = table("path,label,split,video\na.png,fake,train,v\nb.png,fake,test,v\n")
    found = {"test_rows": 1, "test_rows_whose_image_is_in_train": 0, "test_rows_whose_video_is_in_train": 1}
    assert done.manifest["leakage"] == found
    assert "leakage: 1 test rows have their video in train" in capsys.readouterr().out


def test_without_a_check_missing_images_are_converted_and_counted(table):
    done = table("path,label\na.png,fake\ngone.png,real\n", "--check", "none")
    assert len(done.rows) == 2
    assert done.manifest["media_missing"] == 1
    assert done.of("width", "height")["a.png"] == (None, None)
