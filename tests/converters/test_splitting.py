"""--split 8:1:1: what belongs together stays together, each part has its share of each class, and a seed repeats it."""

from __future__ import annotations

import os
import random
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from converters.conversion.splitting import PARTS, Shares, assign
from converters.folder_to_swift import main
from swift_plugins.core.records import read_rows
from tests.converters.test_folder import Converted, refused, tree

__all__ = ["refused"]  # a fixture


@pytest.fixture
def photos(tmp_path) -> Callable[..., Path]:
    """A folder with these images, of noise, so that no two are alike."""
    noise = np.random.default_rng(0)

    def make(*names: str) -> Path:
        for name in names:
            path = tmp_path / "Set" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(noise.integers(0, 256, (6, 8, 3), dtype=np.uint8)).save(path)
        return tmp_path / "Set"

    return make


def parts_of(done: Converted) -> dict[str, str]:
    """image -> its part, after a look that the files hold what their rows say."""
    parts = {name: split for name, (split,) in done.of("split").items()}
    for split in done.manifest["counts"]:
        for _, row in read_rows(done.out / f"{split}.jsonl"):
            assert parts[row["meta"]["image"]] == split
    return parts


def split(src: Path, *options: str, shares: str = "8:1:1") -> tuple[Converted, dict[str, str]]:
    done = Converted(src, src.parent / "out", "--split", shares, *options)
    done.out = src.parent / "out"
    return done, parts_of(done)


def test_each_part_has_its_share_of_each_class(photos):
    src = photos(*(f"{name}/{name[0]}{i}.png" for name, n in (("real", 60), ("fake", 90)) for i in range(n)))
    done, parts = split(src)
    assert done.manifest["counts"] == {
        "train": {"fake": 72, "real": 48},
        "val": {"fake": 9, "real": 6},
        "test": {"fake": 9, "real": 6},
    }
    assert done.manifest["split"]["groups"] == 150
    assert (done.manifest["options"]["split"], done.manifest["options"]["seed"]) == ("8:1:1", 0)
    assert split(src)[1] == parts
    other = split(src, "--seed", "1")[1]
    assert other != parts
    assert Counter(other.values()) == Counter(parts.values())


def test_a_part_may_be_left_out(photos):
    done, _ = split(photos(*(f"{name}/{name}{i}.png" for name in ("real", "fake") for i in range(10))), shares="7:0:3")
    assert done.manifest["counts"] == {"train": {"fake": 7, "real": 7}, "test": {"fake": 3, "real": 3}}


def test_copies_and_what_is_named_alike_stay_together(photos):
    src = photos(*(f"real/img_{i:03}.png" for i in range(40)), *(f"fake/img_{i:03}_fake.png" for i in range(40)))
    shutil.copy(src / "real/img_000.png", src / "real/unlike.png")
    with Image.open(src / "real/img_001.png") as image:
        image.save(src / "real/other.bmp")
    photos("fake/more/IMG-002 (1).png", "fake/img_003_edited.png", "real/img_004_copy.jpg")
    done, parts = split(src)
    for i in range(40):
        assert parts[f"real/img_{i:03}.png"] == parts[f"fake/img_{i:03}_fake.png"]
    assert parts["real/unlike.png"] == parts["real/img_000.png"]
    assert parts["real/other.bmp"] == parts["real/img_001.png"]
    assert parts["fake/more/IMG-002 (1).png"] == parts["real/img_002.png"]
    assert parts["fake/img_003_edited.png"] == parts["real/img_003.png"]
    assert parts["real/img_004_copy.jpg"] == parts["real/img_004.png"]
    assert done.manifest["split"]["groups"] == 40
    assert Counter(parts.values())["train"] == pytest.approx(0.8 * len(parts), abs=3)


@pytest.mark.parametrize(
    ("layout", "clip_of"),
    [
        ("{label}/clip_{clip:02}/frame_{frame}.png", lambda name: name.split("/")[1]),
        ("clip_{clip:02}/{label}/{frame}.png", lambda name: name.split("/")[0]),
        ("{label}/{clip:03}/images/{frame:04}.png", lambda name: name.split("/")[1]),
        ("{label}/v{clip:02}_frame_{frame}.png", lambda name: name.split("/")[1][:3]),
    ],
)
def test_the_frames_of_a_clip_stay_together(photos, layout, clip_of):
    names = [
        layout.format(label=label, clip=clip, frame=frame)
        for label in ("real", "fake")
        for clip in range(10)
        for frame in range(4)
    ]
    done, parts = split(photos(*names))
    homes = defaultdict(set)
    for name, part in parts.items():
        homes[clip_of(name)].add(part)
    assert (len(homes), {len(of) for of in homes.values()}) == (10, {1})
    assert {part: sum(of.values()) for part, of in done.manifest["counts"].items()} == {
        "train": 64,
        "val": 8,
        "test": 8,
    }


def test_a_large_folder_is_no_clip(photos):
    src = photos(
        *(f"fake/{of}/{i}.png" for of in ("sdxl", "flux") for i in range(20)), *(f"real/{i}.png" for i in range(20))
    )
    done, parts = split(src)
    assert {part: of["fake"] for part, of in done.manifest["counts"].items()} == {"train": 32, "val": 4, "test": 4}
    assert all(parts[f"fake/sdxl/{i}.png"] == parts[f"fake/flux/{i}.png"] == parts[f"real/{i}.png"] for i in range(20))


def test_a_table_is_split_by_its_videos(photos):
    src = photos(*(f"{i:02}.png" for i in range(60)))
    table = src.parent / "t.csv"
    lines = [f"{i:02}.png,{('real', 'fake')[i % 2]},{i % 20}" for i in range(60)]
    table.write_text("\n".join(["path,label,video", *lines]))
    done, parts = split(src, "--csv", str(table))
    assert all(parts[f"{i:02}.png"] == parts[f"{i + 20}.png"] == parts[f"{i + 40}.png"] for i in range(20))
    assert done.manifest["leakage"]["test_rows_whose_video_is_in_train"] == 0
    assert Counter(parts.values()) == {"train": 48, "val": 6, "test": 6}


@pytest.mark.parametrize("names", [("train/real/1.png", "train/fake/2.png"), ("real/1.png", "dev/fake/2.png")])
def test_a_source_with_splits_of_its_own_is_not_split_again(tmp_path, refused, names):
    tree(tmp_path / "Set", *names)
    assert "--split 8:1:1: the source has splits of its own (" in (error := refused("--split", "8:1:1"))
    assert error.endswith("; leave it out")
    assert not (tmp_path / "out" / "train.jsonl").exists()


def test_a_table_with_a_split_is_not_split_again(tmp_path, refused):
    tree(tmp_path / "Set", "a.png", "b.png")
    (tmp_path / "t.csv").write_text("path,label,split\na.png,real,\nb.png,fake,validation\n")
    error = refused("--csv", str(tmp_path / "t.csv"), "--split", "8:1:1")
    assert "the source has splits of its own (1 val, such as b.png)" in error


def test_too_little_to_split_is_refused(tmp_path, refused):
    tree(tmp_path / "Set", "real/1.png", "fake/1.png", "real/2.png", "fake/2.png")
    assert "--split 8:1:1: nothing is left for test: there are 2 groups" in refused("--split", "8:1:1")


def test_where_nothing_is_usable_that_is_said_first(tmp_path, refused):
    tree(tmp_path / "Set", "Au/1.png", "Tp/1.png")
    assert "no usable image; the first one: Au/1.png: label: the folders say neither" in refused("--split", "8:1:1")


def test_files_that_are_not_there_are_split_by_their_names(tmp_path):
    (tmp_path / "Set").mkdir()
    lines = [f"{'ab'[i % 2]}/{i // 2}.png,{('real', 'fake')[i % 2]}" for i in range(40)]
    (tmp_path / "t.csv").write_text("\n".join(["path,label", *lines]))
    done, parts = split(tmp_path / "Set", "--csv", str(tmp_path / "t.csv"), "--check", "none")
    assert done.manifest["split"]["groups"] == 20
    assert Counter(parts.values()) == {"train": 32, "val": 4, "test": 4}


def test_what_is_no_image_is_not_waited_for(photos):
    """A pipe is called as an image; nothing ever comes out of it."""
    src = photos(*(f"{name}/{name}{i}.png" for name in ("real", "fake") for i in range(10)))
    for folder in ("real", "fake/more"):
        (src / folder).mkdir(exist_ok=True)
        os.mkfifo(src / folder / "pipe.png")
    done, _ = split(src)
    assert {reason.split(":")[0] for reason in done.rejects.values()} == {"media"}
    assert len(done.rejects) == 2


@pytest.mark.parametrize("text", ["8:1", "8:1:1:1", "0:0:0", "a:b:c", "8:1:-1", "dev", ""])
def test_shares_of_another_form_are_refused(text, capsys):
    with pytest.raises(SystemExit):
        main(["--split", text])
    assert "must be train, val, test or three shares of them such as 8:1:1" in capsys.readouterr().err


def test_images_in_train_and_test_are_told_where_a_source_has_splits(photos, capsys):
    src = photos("train/real/1.png", "train/fake/2.png", "test/fake/3.png")
    shutil.copy(src / "train/real/1.png", src / "test/real_copy.png")
    (src / "test/real").mkdir()
    (src / "test/real_copy.png").rename(src / "test/real/4.png")
    done = Converted(src, src.parent / "out")
    assert done.manifest["leakage"]["test_rows_whose_image_is_in_train"] == 1
    assert "  leakage: 1 test rows have their image in train\n" in capsys.readouterr().out


def test_a_generator_that_is_left_out_of_a_folder_is_in_its_test_set_alone(photos):
    src = photos(*(f"{name}/{i}.png" for name in ("real", "fake/sdxl", "fake/flux") for i in range(20)))
    _, parts = split(src)
    done, held = split(src, "--leave-out", "flux", shares="8:1:1")
    assert {part for name, part in held.items() if "flux" in name} == {"test"}
    assert {name: part for name, part in held.items() if "flux" not in name} == {
        name: part for name, part in parts.items() if "flux" not in name
    }
    assert done.manifest["counts"]["test"]["fake"] > 20


@pytest.mark.parametrize("seed", range(5))
def test_groups_of_any_sizes_are_shared_out(seed):
    """No part is further from its share of a class than the largest group, and none is without a class."""
    draw = random.Random(seed)
    groups = {
        f"g{i}": Counter(
            {label: n for label in ("real", "fake") if (n := draw.choice((0, 1, 1, 2, 5, 12)))} or {"real": 1}
        )
        for i in range(200)
    }
    parts = assign(groups, Shares(8, 1, 1), seed)
    total = sum(groups.values(), Counter())
    largest = max(max(of.values()) for of in groups.values())
    for part, share in zip(PARTS, (0.8, 0.1, 0.1), strict=True):
        have = sum((groups[name] for name, home in parts.items() if home == part), Counter())
        for label, n in total.items():
            assert have[label] > 0
            assert abs(have[label] - share * n) <= largest
