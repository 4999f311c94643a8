"""Tables of images as other people write them: their columns, labels, splits, empty values and file names."""

from __future__ import annotations

import unicodedata

import pytest

from converters.folder_to_swift import main
from converters.layouts.deepfakejudge import SUBSETS
from tests.converters.deepfakejudge import making as judge
from tests.converters.test_folder import Converted, refused, tree
from tests.converters.test_folder_table import table

__all__ = ["refused", "table"]  # fixtures


@pytest.mark.parametrize(
    ("labels", "given"),
    [
        (("1.0", "0.0"), "1=fake,0=real"),
        (("True", "FALSE"), "True=fake,False=real"),
        (("true", "false"), "1=fake,0=real"),
        (("yes", "No"), "yes=fake,no=real"),
        (("AI-SDXL", "Photo"), "ai-*=fake,photo=real"),
        (("1", "0"), "1.0=fake,0.0=real"),
    ],
)
def test_a_map_fits_a_label_however_it_is_spelled(table, labels, given):
    done = table(f"path,label\na.png,{labels[0]}\nb.png,{labels[1]}\n", "--label-map", given)
    assert done.of("label") == {"a.png": ("fake",), "b.png": ("real",)}
    assert {(row["place"], row["label"], row["such_as"]) for row in done.manifest["understood"]} == {
        (f"t.csv, label {labels[0]}", "fake", "a.png"),
        (f"t.csv, label {labels[1]}", "real", "b.png"),
    }


@pytest.mark.parametrize(
    ("label", "hint"),
    [
        ("1.0", "such as --label-map 0=fake,1=real"),
        ("True", "such as --label-map 0=fake,1=real"),
        ("generated", "if it means fake, say --label-map generated=fake"),
        ("real/fake", "if it means fake, say --label-map real/fake=fake"),
        ("nan", "got 'nan'"),
    ],
)
def test_a_label_that_is_not_known_is_never_guessed(table, label, hint):
    done = table(f"path,label\na.png,fake\nb.png,{label}\n")
    assert done.rejects["t.csv:3"].startswith("label: must be real or fake, got ")
    assert done.rejects["t.csv:3"].endswith(hint)


def test_folders_that_say_otherwise_than_a_table_are_told(tmp_path, capsys):
    """The table decides; where its map is the wrong way round the folders give that away."""
    src = tree(tmp_path / "Set", "real/1.png", "fake/2.png", "3.png")
    (tmp_path / "t.csv").write_text("path,label\nreal/1.png,0\nfake/2.png,1\n3.png,1\n")
    done = Converted(src, tmp_path / "out", "--csv", str(tmp_path / "t.csv"), "--label-map", "0=fake,1=real")
    assert done.of("label") == {"real/1.png": ("fake",), "fake/2.png": ("real",), "3.png": ("real",)}
    assert done.manifest["in_folders_that_contradict"]["images"] == 2
    told = (
        "note: 2 images lie in folders that say otherwise, such as real/1.png, called fake; is the label map the wrong"
    )
    assert told in capsys.readouterr().out


@pytest.mark.parametrize(
    ("stated", "split"),
    [("validation", "val"), ("dev", "val"), ("Valid", "val"), ("training", "train"), ("TEST", "test"), ("nan", "val")],
)
def test_splits_have_many_names(table, stated, split):
    done = table(f"path,label,split\na.png,fake,{stated}\n", "--split", "val")
    assert done.of("split") == {"a.png": (split,)}


def test_columns_may_be_called_anything(table, capsys):
    text = ",filename,typ,width,path\n0,a.png,fake,5,x\n1,b.png,real,6,y\n"
    done = table(text, "--columns", "image=filename,label=typ")
    assert done.of("label") == {"a.png": ("fake",), "b.png": ("real",)}
    assert "  note: columns not used: width, path\n" in capsys.readouterr().out
    text = "filename,typ,split\na.png,fake,train\nb.png,real,dev\n"
    done = table(text, "--columns", "path=filename,label=typ")
    assert done.of("split") == {"a.png": ("train",), "b.png": ("val",)}  # what has our name is used


@pytest.mark.parametrize("index", ["", "Unnamed: 0"])
def test_the_index_of_a_spreadsheet_is_passed_over(table, index):
    assert len(table(f"{index},path,label\n0,a.png,fake\n1,b.png,real\n").rows) == 2


@pytest.mark.parametrize(
    ("columns", "complaint"),
    [
        ("image=file", "t.csv:1: unknown column 'file'; did you mean 'filename'?"),
        ("image=filename", "t.csv:1: there is no column label; of others say --columns image=…,label=…: filename, typ"),
        (None, "unknown column 'filename' Available: path, label"),
        (None, "or say which hold what, such as --columns image=filename"),
    ],
)
def test_columns_that_are_not_there_are_named(tmp_path, refused, columns, complaint):
    tree(tmp_path / "Set", "a.png")
    (tmp_path / "t.csv").write_text("filename,typ\na.png,fake\n")
    assert complaint in refused("--csv", str(tmp_path / "t.csv"), *(("--columns", columns) if columns else ()))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("filename", "must be like image=filename,label=typ"),
        ("imgae=filename", "unknown column 'imgae'; did you mean 'image'?"),
        ("image=a,path=b", "names a column twice"),
        ("image=a,label=a", "names a column twice"),
    ],
)
def test_columns_of_another_form_are_refused(text, complaint, capsys):
    with pytest.raises(SystemExit):
        main(["--columns", text])
    assert complaint in capsys.readouterr().err


NOTHING = ("nan", "None", "N/A", "null", "-", " ")


@pytest.mark.parametrize("empty", NOTHING)
def test_what_is_empty_is_no_text(table, empty):
    done = table(
        "path,label,explanation,source,category,video\n"
        f"a.png,fake,{empty},{empty},{empty},{empty}\nb.png,real,This is a real image. {empty},,,\n"
    )
    assert done.of("explanation", "source", "category", "video", "media_id") == {
        "a.png": ("", "set", "", "", "a.png"),
        "b.png": ("", "set", "", "", "b.png"),
    }
    assert [row["messages"][1]["content"] for row in done.rows] == ["This is a fake image.", "This is a real image."]


@pytest.mark.parametrize(
    ("label", "explanation"),
    [
        ("fake", "This image is real. The shadow of the cup falls where the lamp says."),
        ("fake", "Real. Grain and blur are even."),
        ("fake", "It is an authentic photo, the noise is even."),
        ("fake", "The image is not fake."),
        ("real", "This image is fake. The left hand has six fingers."),
        ("real", "The hand has six fingers, so the picture is AI-generated."),
        ("real", "This is a fake image. The hand melts."),
    ],
)
def test_an_explanation_of_the_other_verdict_is_set_aside(table, label, explanation):
    done = table(f'path,label,explanation\na.png,{label},\nb.png,{label},"{explanation}"\n')
    other = "real" if label == "fake" else "fake"
    assert done.rejects == {"t.csv:3": f"contradiction: the explanation says {other}, the label is {label}"}


@pytest.mark.parametrize(
    ("label", "explanation"),
    [
        ("fake", "At first glance it looks real, but the hand has six fingers."),
        ("fake", "Real photos have noise; here there is none."),
        ("real", "There is no sign that it is fake."),
        ("real", "The unrealistic colours come from the flash."),
    ],
)
def test_an_explanation_that_only_speaks_of_the_other_verdict_stays(table, label, explanation):
    done = table(f'path,label,explanation\nb.png,{label},"{explanation}"\n')
    assert done.of("explanation") == {"b.png": (explanation,)}


def test_a_reasoning_of_the_other_verdict_is_set_aside_in_deepfakejudge_too(tmp_path):
    rows = [judge.BENCH, judge.BENCH | {"images": ["images/c.png"], "reasoning": "The image is real. Grain is even."}]
    done = judge.Converted(judge.source(tmp_path / "Judge", {"reason/test": rows}), tmp_path / "out")
    (reject,) = done.rejects
    assert reject["where"] == f"{SUBSETS['reason/test'].path}:2"
    assert reject["reason"] == "contradiction: the explanation says real, the label is fake"


@pytest.mark.parametrize(("on_disk", "in_table"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_a_name_is_found_in_any_unicode_form(tmp_path, on_disk, in_table):
    name = "müller/Zoë.png"
    src = tree(tmp_path / "Set", unicodedata.normalize(on_disk, name), "ö/../a.png")
    line = unicodedata.normalize(in_table, name)
    (tmp_path / "t.csv").write_text(f"path,label\n{line},fake\n./{line},fake\n", encoding="utf-8")
    done = Converted(src, tmp_path / "out", "--csv", str(tmp_path / "t.csv"))
    assert [row["images"] for row in done.rows] == [[str(src / unicodedata.normalize(on_disk, name))]]
    assert {*done.rejects.values()} == {"duplicate: an earlier row has this image"}
    assert done.manifest["media_missing"] == 0


def test_a_path_of_windows_is_found_below_the_folder_alone(tmp_path):
    tree(tmp_path, "secret.png")
    src = tree(tmp_path / "Set", "real/ä/1.png", "odd\\2.png")
    (tmp_path / "t.csv").write_text(
        "path,label\nreal\\ä\\1.png,real\nodd\\2.png,fake\n..\\secret.png,fake\nC:\\secret.png,fake\n", encoding="utf-8"
    )
    done = Converted(src, tmp_path / "out", "--csv", str(tmp_path / "t.csv"))
    assert [row["images"][0] for row in done.rows] == [str(src / "real/ä/1.png"), str(src / "odd\\2.png")]
    assert done.rejects["t.csv:4"].startswith("image: the path leaves Set/")
    assert done.rejects["t.csv:5"].startswith("media: the file does not exist")
