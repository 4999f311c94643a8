"""Perturbed test sets: what each kind does to an image, and that the files are the same on every way there."""

from __future__ import annotations

import io
import json
import math
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from eval import perturb as command
from eval.perturbing import copies
from eval.perturbing.kinds import KINDS, STRENGTHS, parameter, perturb, size_after
from swift_plugins.answering.rows import load_data
from swift_plugins.core.images import rgb
from swift_plugins.core.locks import held
from swift_plugins.core.records import read_rows, sha256_file
from swift_plugins.core.tasks import dfj_detect
from tests.killing import beside
from tests.scoring import write_rows

STAYING = [kind for kind in KINDS if not KINDS[kind].size]


def photo(seed: int = 0, width: int = 240, height: int = 180) -> Image.Image:
    """Smooth shapes with a grain, as a photograph has them."""
    rng = np.random.default_rng(seed)
    blobs = Image.fromarray(rng.integers(0, 256, (9, 12, 3), dtype=np.uint8)).resize((width, height), Image.BICUBIC)
    return Image.fromarray(np.clip(np.asarray(blobs) + rng.normal(0, 4, (height, width, 3)), 0, 255).astype(np.uint8))


def psnr(a: Image.Image, b: Image.Image) -> float:
    return 10 * math.log10(255**2 / np.mean((np.asarray(a, float) - np.asarray(b, float)) ** 2))


def same(a: Image.Image, b: Image.Image) -> bool:
    return np.array_equal(np.asarray(a), np.asarray(b))


def source_row(path: Path, row_id: str, label: str = "fake", **meta) -> dict:
    # fmt: off
    messages = [{"role": "user", "content": "<image>Real or fake?"},
                {"role": "assistant", "content": f"<reasoning>It melts.</reasoning> <answer>{label}</answer>"}]
    facts = {"media_id": row_id, "image": path.name, "split": "test", "source": "Gemini", "label": label,
             "task_version": "1"}
    return {"id": row_id, "task": "dfj_detect", "messages": messages, "images": [str(path)], "meta": facts | meta}
    # fmt: on


def dataset(folder: Path, count: int = 3) -> Path:
    """test.jsonl with `count` rows, each of an image of its own."""
    rows = []
    for i in range(count):
        photo(i, 48, 36).save(folder / f"{i}.jpg", quality=95)
        rows.append(source_row(folder / f"{i}.jpg", f"set/{i}", "fake" if i % 2 else "real"))
    return write_rows(folder / "test.jsonl", rows)


def run(data: Path, out: Path, *options: str) -> int:
    return command.main(["--data", str(data), "--out", str(out), "--workers", "2", *options])


def rows_of(out: Path) -> list[dict]:
    return [row for _, row in read_rows(out / "test.jsonl")]


def pictures(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in out.rglob("*.png")}


# ------------------------------------------------------------------------------------------------------------ the kinds


@pytest.mark.parametrize("kind", [*STAYING, "screenshot"])
def test_the_stronger_the_further_from_the_image(kind):
    image = photo()
    found = [perturb(image, kind, strength, 0, "x") for strength in STRENGTHS]
    distances = [psnr(image, shown.resize(image.size, Image.BICUBIC)) for shown in found]
    assert distances == sorted(distances, reverse=True)
    assert len(set(distances)) == 5
    assert distances[0] < 45  # even the mildest does something


@pytest.mark.parametrize(("kind", "form"), [("jpeg", "JPEG"), ("webp", "WEBP")])
def test_saving_with_loss_is_pillows_own_at_that_quality(kind, form):
    image = photo()
    for strength, quality in zip(STRENGTHS, (90, 70, 50, 30, 10), strict=True):
        data = io.BytesIO()
        image.save(data, form, quality=quality)
        assert same(perturb(image, kind, strength, 0, "x"), Image.open(data).convert("RGB"))
        assert parameter(kind, strength) == f"quality {quality}"


def test_a_crop_is_the_middle():
    image = photo(width=200, height=101)
    shown = perturb(image, "crop", 5, 0, "x")
    assert same(shown, image.crop((50, 25, 150, 75)))  # half of 101 is 50.5, rounded to the even 50
    assert [size_after("crop", strength, 200, 100) for strength in STRENGTHS] == [
        (190, 95),
        (180, 90),
        (160, 80),
        (130, 65),
        (100, 50),
    ]


def test_the_upscaled_keep_their_size_and_the_downscaled_get_theirs_back():
    image = photo(width=100, height=60)
    assert [perturb(image, "upscale", strength, 0, "x").size for strength in STRENGTHS] == [
        (125, 75),
        (150, 90),
        (200, 120),
        (250, 150),
        (300, 180),
    ]
    stripes = Image.fromarray(np.tile(np.uint8([[0], [255]]), (32, 64))).convert("RGB")  # the finest there are
    shown = perturb(stripes, "downscale", 2, 0, "x")
    assert shown.size == stripes.size
    assert np.asarray(shown)[8:-8].std() < 20 < np.asarray(stripes).std()


def test_noise_has_the_stated_spread_and_its_own_seed():
    grey = Image.new("RGB", (200, 200), (128, 128, 128))
    added = np.asarray(perturb(grey, "noise", 3, 0, "x"), float) - 128
    assert added.std() == pytest.approx(20, rel=0.02)
    assert abs(added.mean()) < 0.3
    assert same(perturb(grey, "noise", 3, 0, "x"), perturb(grey, "noise", 3, 0, "x"))
    for others in ((3, 1, "x"), (3, 0, "y"), (2, 0, "x")):
        assert abs(np.corrcoef(added.ravel(), np.asarray(perturb(grey, "noise", *others), float).ravel())[0, 1]) < 0.02


def test_a_blurred_edge_is_as_wide_as_sigma_says():
    edge = Image.fromarray(np.repeat(np.uint8([[0] * 64 + [255] * 64]), 32, axis=0)).convert("RGB")
    line = np.diff(np.asarray(perturb(edge, "blur", 4, 0, "x"), float)[16, :, 0])
    at = np.arange(len(line))
    centre = (at * line).sum() / line.sum()
    assert math.sqrt(((at - centre) ** 2 * line).sum() / line.sum()) == pytest.approx(3, rel=0.08)


def test_brightness_and_contrast_by_hand():
    image = Image.fromarray(np.uint8([[[40] * 3, [120] * 3]]))  # mean 80
    assert np.asarray(perturb(image, "darker", 2, 0, "x"))[0, :, 0].tolist() == [28, 84]
    assert np.asarray(perturb(image, "brighter", 5, 0, "x"))[0, :, 0].tolist() == [80, 240]
    assert np.asarray(perturb(image, "less_contrast", 3, 0, "x"))[0, :, 0].tolist() == [60, 100]
    assert np.asarray(perturb(image, "more_contrast", 4, 0, "x"))[0, :, 0].tolist() == [0, 160]


def test_a_screenshot_fits_its_display():
    assert [size_after("screenshot", strength, 300, 200) for strength in STRENGTHS] == [
        (1280, 853),
        (1080, 720),
        (800, 533),
        (640, 427),
        (480, 320),
    ]
    assert perturb(photo(width=30, height=20), "screenshot", 5, 0, "x").size == (480, 320)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (3, 2)])
def test_tiny_images_have_the_size_that_was_foretold(kind, size):
    for strength in STRENGTHS:
        shown = perturb(Image.new("RGB", size, "red"), kind, strength, 0, "x")
        assert (shown.mode, shown.size) == ("RGB", size_after(kind, strength, *size))


def test_images_are_perturbed_as_a_model_gets_them():
    qwen = pytest.importorskip("qwen_vl_utils.vision_process")
    grid = np.random.default_rng(0).integers(0, 256, (8, 8, 4), dtype=np.uint8)
    colours = Image.fromarray(grid[..., :3])
    images = [
        Image.fromarray(grid, "RGBA"),
        colours.quantize(8),
        colours.convert("CMYK"),
        colours.convert("L"),
        Image.fromarray(grid[..., 0].astype(np.uint16) * 257),
        colours.convert("LA"),
    ]
    for image in images:
        assert same(rgb(image), qwen.to_rgb(image))


def test_metadata_stays_behind_and_nothing_is_turned(tmp_path):
    image = photo()
    exif = Image.Exif()
    exif[0x0112] = 6  # to be shown turned by 90 degrees
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    image.save(tmp_path / "x.jpg", exif=exif, icc_profile=profile, comment=b"generated")
    shown = rgb(Image.open(tmp_path / "x.jpg"))
    assert shown.size == (240, 180)
    perturb(shown, "noise", 1, 0, "x").save(tmp_path / "x.png")
    perturb(shown, "blur", 1, 0, "x").save(tmp_path / "y.png")
    assert Image.open(tmp_path / "x.png").info == Image.open(tmp_path / "y.png").info == {}


# ---------------------------------------------------------------------------------------------------------- the command


def test_every_row_stands_clean_and_perturbed(tmp_path):
    data, out = dataset(tmp_path), tmp_path / "out"
    assert run(data, out, "--kinds", "jpeg,crop", "--strengths", "3,5") == 0
    rows, source = rows_of(out), [row for _, row in read_rows(data)]
    assert [row["id"] for row in rows[:5]] == ["set/0", "set/0/jpeg/3", "set/0/jpeg/5", "set/0/crop/3", "set/0/crop/5"]
    assert len(rows) == 3 * 5
    assert rows[0] == source[0] | {"meta": source[0]["meta"] | {"perturbation": "none", "strength": 0, "parameter": ""}}
    assert rows[1]["meta"] == source[0]["meta"] | {"perturbation": "jpeg", "strength": 3, "parameter": "quality 50"}
    for row in rows[1:5]:
        with Image.open(row["images"][0]) as image:
            original = rgb(Image.open(source[0]["images"][0]))
            meta = row["meta"]
            assert (image.format, image.info) == ("PNG", {})
            assert same(image, perturb(original, meta["perturbation"], meta["strength"], 0, ""))


def test_the_files_tell_of_themselves_as_a_converters_do(tmp_path):
    data, out = dataset(tmp_path), tmp_path / "out"
    assert run(data, out, "--kinds", "jpeg", "--strengths", "1") == 0
    assert len(load_data(out / "test.jsonl", None, "trained", False, True)) == 6
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["files"] == {"test.jsonl": sha256_file(out / "test.jsonl")}
    assert (manifest["task"], manifest["task_version"]) == ("dfj_detect", dfj_detect.VERSION)
    assert manifest["sources"] == {"test.jsonl": sha256_file(data)}
    assert manifest["levels"] == {"jpeg": {"1": "quality 90"}}
    assert manifest["counts"] == {"none": {"real": 2, "fake": 1}, "jpeg": {"real": 2, "fake": 1}}
    assert {"pillow", "libjpeg_turbo", "numpy"} <= manifest["versions"].keys()
    assert (out / "rejects.jsonl").read_bytes() == b""


def test_a_limit_takes_of_each_label_where_labels_take_turns(tmp_path):
    """Each keeps its share."""
    data = dataset(tmp_path, 8)
    assert run(data, tmp_path / "out", "--kinds", "jpeg", "--strengths", "1", "--limit", "4") == 0
    clean = [row for row in rows_of(tmp_path / "out") if row["meta"]["strength"] == 0]
    assert Counter(row["meta"]["label"] for row in clean) == {"real": 2, "fake": 2}


def test_the_same_seed_gives_the_same_bytes_on_every_way(tmp_path):
    data = dataset(tmp_path, 4)
    options = ("--kinds", "noise,screenshot", "--strengths", "2")
    assert run(data, tmp_path / "a", *options) == 0
    rows = [row for _, row in read_rows(data)]
    backwards = write_rows(tmp_path / "backwards.jsonl", rows[::-1])
    assert run(backwards, tmp_path / "b", *options, "--workers", "1") == 0
    assert pictures(tmp_path / "a") == pictures(tmp_path / "b")
    assert run(data, tmp_path / "few", *options, "--limit", "2") == 0
    few = pictures(tmp_path / "few")
    assert len(few) == 4
    assert few.items() <= pictures(tmp_path / "a").items()
    assert run(data, tmp_path / "other", *options, "--seed", "1") == 0
    other = pictures(tmp_path / "other")
    changed = {name for name, content in pictures(tmp_path / "a").items() if other[name] != content}
    assert changed == {name for name in other if "/noise/" in name}


def test_a_killed_run_goes_on_and_ends_with_the_same_files(tmp_path, monkeypatch, capsys):
    data, whole, out = dataset(tmp_path), tmp_path / "whole", tmp_path / "out"
    options = ("--kinds", "noise", "--strengths", "1,2")
    assert run(data, whole, *options) == 0

    def killed(function, jobs, workers, time_limit):
        for job in jobs[:2]:
            yield function(*job)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(copies, "run_guarded", killed)
        assert run(data, out, *options) == 130
    assert capsys.readouterr().err.endswith("interrupted\n")
    assert not (out / "test.jsonl").exists()
    assert "files" not in json.loads((out / "manifest.json").read_text())
    done = next(iter(out.rglob("*.png")))
    (done.parent / beside("x.png")).write_bytes(b"half")
    before = done.stat().st_mtime_ns
    capsys.readouterr()
    assert run(data, out, *options) == 0
    assert "4 images to write" in capsys.readouterr().out
    assert done.stat().st_mtime_ns == before
    assert pictures(out) == pictures(whole)
    assert not list(out.rglob("*.tmp"))
    assert [row["id"] for row in rows_of(out)] == [row["id"] for row in rows_of(whole)]


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_run_that_is_killed_as_it_puts_a_file_in_place_goes_on(root, tmp_path, at):
    """In the order of the writes: the manifest of the settings, the rows, their rejects, the manifest of all."""
    data, whole, out = dataset(tmp_path), tmp_path / "whole", tmp_path / "out"
    options = ["--kinds", "jpeg", "--strengths", "1"]
    assert run(data, whole, *options) == 0
    program = (
        "import os, sys; from eval.perturb import main; replace, left, me = os.replace, [0], os.getpid()\n"
        "def killing(*paths):\n"
        f"    left[0] += os.getpid() == me; os.kill(me, 9) if left[0] == {at} else replace(*paths)\n"
        "os.replace = killing; main(sys.argv[1:])"
    )
    command = [sys.executable, "-c", program, "--data", str(data), "--out", str(out), "--workers", "1", *options]
    assert subprocess.run(command, cwd=root, capture_output=True).returncode == -9
    assert list(out.glob(".*.tmp"))
    assert run(data, out, *options) == 0
    assert not list(out.rglob("*.tmp"))
    assert {path.name for path in out.iterdir()} == {path.name for path in whole.iterdir()}
    said, wanted = (json.loads((folder / "manifest.json").read_text()) for folder in (out, whole))
    assert said == wanted | {"files": {"test.jsonl": sha256_file(out / "test.jsonl")}}  # which holds whole paths
    assert [row["id"] for row in rows_of(out)] == [row["id"] for row in rows_of(whole)]
    assert pictures(out) == pictures(whole)


def test_other_settings_and_other_folders_are_refused(tmp_path, capsys):
    data, out = dataset(tmp_path), tmp_path / "out"
    assert run(data, out, "--kinds", "jpeg", "--strengths", "1") == 0
    before = (out / "test.jsonl").read_bytes()
    assert run(data, out, "--kinds", "jpeg", "--strengths", "1", "--seed", "1") == 2
    assert "was made with other settings (options differ, see manifest.json)" in capsys.readouterr().err
    write_rows(data, [row for _, row in read_rows(data)][:2])
    assert run(data, out, "--kinds", "jpeg", "--strengths", "1") == 2
    assert "(sources differ" in capsys.readouterr().err
    assert (out / "test.jsonl").read_bytes() == before
    for content, problem in (('{"files": {"train.jsonl": "0"}}', "holds other things"), ("[]", "not a JSON object")):
        other = tmp_path / "other"
        other.mkdir(exist_ok=True)
        (other / "manifest.json").write_text(content)
        assert run(data, other) == 2
        assert problem in capsys.readouterr().err
        assert [path.name for path in other.iterdir()] == ["manifest.json"]


def test_two_runs_do_not_write_into_one_folder(tmp_path, capsys):
    data, out = dataset(tmp_path, 1), tmp_path / "out"
    with held(out):
        assert run(data, out, "--kinds", "jpeg", "--strengths", "1") == 2
        assert "out is being written by another process" in capsys.readouterr().err
        assert list(out.iterdir()) == []
    assert run(data, out, "--kinds", "jpeg", "--strengths", "1") == 0


def test_a_damaged_image_costs_its_own_rows(tmp_path, capsys):
    data, out = dataset(tmp_path), tmp_path / "out"
    good = (tmp_path / "1.jpg").read_bytes()
    (tmp_path / "1.jpg").write_bytes(good[: len(good) // 2])
    (tmp_path / "notes.txt").write_text("no image")
    rows = [row for _, row in read_rows(data)] + [
        source_row(tmp_path / "gone.png", "gone"),
        source_row(tmp_path / "notes.txt", "text"),
    ]
    assert run(write_rows(data, rows), out, "--kinds", "jpeg", "--strengths", "1") == 0
    assert [row["id"] for row in rows_of(out)] == ["set/0", "set/0/jpeg/1", "set/2", "set/2/jpeg/1"]
    rejects = [row for _, row in read_rows(out / "rejects.jsonl")]
    assert [(row["where"], row["id"]) for row in rejects] == [
        ("test.jsonl:2", "set/1"),
        ("test.jsonl:2", "set/1/jpeg/1"),
        ("test.jsonl:4", "gone"),
        ("test.jsonl:4", "gone/jpeg/1"),
        ("test.jsonl:5", "text"),
        ("test.jsonl:5", "text/jpeg/1"),
    ]
    assert "cannot be read" in rejects[0]["reason"]
    assert rejects[2]["reason"] == "the file does not exist"
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["rows_in"], manifest["rows_out"], manifest["rows_rejected"]) == (5, 4, 6)
    assert "6 rejected" in capsys.readouterr().out


def test_what_would_be_too_large_is_set_aside(tmp_path):
    Image.new("L", (9000, 1200)).save(tmp_path / "wide.png")
    data = write_rows(tmp_path / "test.jsonl", [source_row(tmp_path / "wide.png", "wide")])
    assert run(data, tmp_path / "out", "--kinds", "upscale", "--strengths", "1,5") == 0
    assert [row["id"] for row in rows_of(tmp_path / "out")] == ["wide", "wide/upscale/1"]
    (reject,) = [row for _, row in read_rows(tmp_path / "out" / "rejects.jsonl")]
    assert reject["reason"] == "too large: upscale/5 gives 27000x3600 and more than 64000000 pixels"


def test_a_full_disk_ends_the_run_and_rejects_nothing(tmp_path, monkeypatch, capsys):
    def full(function, jobs, workers, time_limit):
        yield from (OSError(28, "No space left on device") for _ in jobs)

    monkeypatch.setattr(copies, "run_guarded", full)
    assert run(dataset(tmp_path), tmp_path / "out", "--kinds", "jpeg") == 2
    assert "No space left" in capsys.readouterr().err
    assert not (tmp_path / "out" / "rejects.jsonl").exists()


def test_ids_are_never_part_of_a_path(tmp_path):
    photo(0, 8, 8).save(tmp_path / "x.png")
    rows = [source_row(tmp_path / "x.png", "../../../escaped"), source_row(tmp_path / "x.png", "a" * 4000)]
    out = tmp_path / "out"
    assert run(write_rows(tmp_path / "test.jsonl", rows), out, "--kinds", "noise", "--strengths", "1") == 0
    (only,) = pictures(out)  # rows of the same image share its copies
    assert {row["images"][0] for row in rows_of(out) if row["meta"]["strength"]} == {str(out / only)}


def test_regions_are_kept_where_they_still_lie(tmp_path):
    """They are for people to look at and in no answer."""
    photo(0, 8, 8).save(tmp_path / "x.png")
    row = source_row(tmp_path / "x.png", "a")
    row["meta"]["regions"] = '[{"bbox":[0,0,4,4]}]'
    data = write_rows(tmp_path / "test.jsonl", [row])
    assert run(data, tmp_path / "out", "--kinds", "blur,crop", "--strengths", "1") == 0
    regions = {row["meta"]["perturbation"]: row["meta"]["regions"] for row in rows_of(tmp_path / "out")}
    assert regions == {"none": row["meta"]["regions"], "blur": row["meta"]["regions"], "crop": ""}


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"images": [], "messages": [{"role": "user", "content": "?"}]}, ":2: only rows of exactly one image"),
        (
            {"meta": {"bbox": [0, 0, 4, 4]}},
            f":2: the row states a box, which crop, screenshot, upscale would move: use --kinds {','.join(STAYING)}",
        ),
        ({"meta": {"perturbation": "none"}}, ":2: the row has a meta.perturbation already"),
        ({"meta": {"task_version": "0"}}, ":2: made for dfj_detect 0, this is version 1"),
        ({"task": "dfj_reason"}, ":2: rows of several tasks, dfj_detect and dfj_reason"),
        ({"task": "dfj_detekt"}, "unknown task"),
        ({"id": "a/jpeg/1"}, ":2: the row would have the id 'a/jpeg/1', as a row of line 1"),
        ({"images": ["http://x.org/a.png"]}, ":2: a URL is never opened"),
    ],
)
def test_rows_that_do_not_fit_are_refused_with_file_and_line(tmp_path, capsys, change, problem):
    photo(0, 8, 8).save(tmp_path / "x.png")
    first, second = source_row(tmp_path / "x.png", "a"), source_row(tmp_path / "x.png", "b")
    second |= change | {"meta": second["meta"] | change.get("meta", {})}
    assert run(write_rows(tmp_path / "test.jsonl", [first, second]), tmp_path / "out") == 2
    error = capsys.readouterr().err
    assert problem in error
    assert error.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_boxes_stay_where_they_are_under_kinds_that_move_nothing(tmp_path):
    photo(0, 8, 8).save(tmp_path / "x.png")
    data = write_rows(tmp_path / "test.jsonl", [source_row(tmp_path / "x.png", "a", bbox=[0, 0, 4, 4])])
    assert run(data, tmp_path / "out", "--kinds", ",".join(STAYING), "--strengths", "1") == 0
    assert all(Image.open(row["images"][0]).size == (8, 8) for row in rows_of(tmp_path / "out"))


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (("--kinds", "jpge"), "unknown kind 'jpge'; did you mean 'jpeg'?"),
        (("--strengths", "6"), "unknown strength '6'"),
    ],
)
def test_unknown_kinds_and_strengths_are_refused(tmp_path, capsys, options, problem):
    with pytest.raises(SystemExit) as ended:
        run(dataset(tmp_path, 1), tmp_path / "out", *options)
    assert ended.value.code == 2
    assert problem in capsys.readouterr().err
