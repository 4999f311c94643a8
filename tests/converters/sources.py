"""A small source for each converter, on which what is true of all of them is tested."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.converters import test_ddvqa as ddvqa
from tests.converters import test_fakeclue as fakeclue
from tests.converters import test_ffpp as ffpp
from tests.converters import test_folder as folder
from tests.converters.deepfakejudge import making as judge
from tests.converters.deeptrace import making as deeptrace
from tests.converters.loki import making as loki

ROWS = 20


@dataclass(frozen=True)
class Source:
    """How a converter's small source is made: of ROWS rows, all usable and all for one file.

    `make(folder, path)` writes it below a folder and returns the options that name it, --src first; with a path it has
    one more row, whose medium is there. `medium` is one of the media, `cure` a part of how to get the dataset.
    """

    file: str
    make: Callable[[Path, str | None], list[str]]
    medium: str
    cure: str


def make_deeptrace(root: Path, path: str | None) -> list[str]:
    size = {"video_width": 64, "video_height": 48, "video_frame_rate": 25, "video_duration": 0.48}
    box = {"left": 8, "top": 8, "width": 32, "height": 16}
    trace = size | {"faketrace_first_frame": 3, "faketrace_bbox": box}
    rows = [deeptrace.fake(f"cm{i}", **trace) if i % 2 else deeptrace.real(f"v_{i}", **size) for i in range(ROWS)]
    more = [] if path is None else [deeptrace.fake("hostile", video_path=path, **trace)]
    deeptrace.source(root, *rows, *more)
    clip = ffpp.write_video(root / "clip.mp4").read_bytes()
    for row in rows:
        (root / row["video_path"]).write_bytes(clip)
    return ["--src", str(root)]


def make_judge(root: Path, path: str | None) -> list[str]:
    rows = [judge.pointwise(i) for i in range(ROWS)]
    more = [] if path is None else [judge.pointwise(0, images=[path])]
    return ["--src", str(judge.source(root, {"pointwise/test": [*rows, *more]}))]


def make_fakeclue(root: Path, path: str | None) -> list[str]:
    rows = [(fakeclue.real if i % 2 else fakeclue.fake)(f"genimage/{i:02}.png") for i in range(ROWS)]
    fakeclue.source(root, rows, images="test")
    more = [] if path is None else [fakeclue.fake(path)]
    (root / "data_json" / "test.json").write_text(json.dumps([*rows, *more]))
    return ["--src", str(root)]


def make_folder(root: Path, path: str | None) -> list[str]:
    images = [f"{'real' if i % 2 else 'fake'}/{i:02}.png" for i in range(ROWS)]
    lines = [f"{image},{image[:4]}" for image in images] + ([] if path is None else [f'"{path}",fake'])
    folder.tree(root, *images)
    (root / "t.csv").write_text("\n".join(["path,label", *lines]))
    return ["--src", str(root), "--csv", str(root / "t.csv")]


def make_loki(root: Path, path: str | None) -> list[str]:
    rows = [loki.asked(f"{i}.png", "real" if i % 2 else "fake", "fake") for i in range(ROWS)]
    more = [] if path is None else [loki.asked("hostile.png", "fake", "fake", image_path=path)]
    loki.source(root, {"image/true_or_false": [*rows, *more]})
    folder.tree(root, *(loki.path_of(f"{i}.png") for i in range(ROWS)))
    return ["--src", str(root)]


def make_ffpp(root: Path, path: str | None) -> list[str]:
    pairs = [[f"{2 * i:03}", f"{2 * i + 1:03}"] for i in range(ROWS // 4)]
    more = [] if path is None else [[path, "999"]]
    ffpp.write_splits(root / "splits", {"train": [*pairs, *more], "val": [], "test": []})
    for a, b in pairs:
        for video in (a, b):
            ffpp.write_frames(root / ffpp.REAL / "frames" / video, [0])
        for video in (f"{a}_{b}", f"{b}_{a}"):
            ffpp.write_frames(root / ffpp.FAKE.format("Deepfakes") / "frames" / video, [0])
    return ["--src", str(root), "--manipulations", "Deepfakes", "--frames-per-video", "1"]


def make_ddvqa(root: Path, path: str | None) -> list[str]:
    videos = [f"{2 * i:03}_{2 * i + 1:03}" for i in range(ROWS)]
    asked = {"0": {"question": ddvqa.IMAGE, "answer": ["The image looks fake. Odd."]}}
    images = {f"0_{video}": asked for video in videos}
    more = {} if path is None else {f"0_{path}": asked}
    ddvqa.source(root / "DQ_FF++", {"Deepfakes": images | more}, {})
    for video in videos:
        ffpp.write_frames(root / ffpp.FAKE.format("Deepfakes") / "frames" / video, [0])
    return ["--src", str(root / "DQ_FF++"), "--ffpp", str(root)]


DEEPFAKES = ffpp.FAKE.format("Deepfakes") + "/frames/000_001/000.png"
SOURCES = {
    "deeptrace_to_swift": Source("train", make_deeptrace, "videos/cm1.mp4", "hf download DeepTraceReward/RewardData"),
    "deepfakejudge_to_swift": Source(
        "pointwise/test",
        make_judge,
        "dfj-meta/dfj-meta-pointwise/test/images/a.png",
        "hf auth login && hf download MBZUAI/DeepfakeJudge-Dataset",
    ),
    "fakeclue_to_swift": Source("test", make_fakeclue, "test/genimage/00.png", "hf download lingcco/FakeClue"),
    "folder_to_swift": Source("test", make_folder, "fake/00.png", "name the folder that holds the images with --src"),
    "loki_to_swift": Source(
        "image/true_or_false/test", make_loki, "media_data/image/0.png", "hf download bczhou/LOKI media_data.zip"
    ),
    "ffpp_to_swift": Source("train", make_ffpp, DEEPFAKES, "github.com/ondyari/FaceForensics"),
    "ddvqa_to_swift": Source("train", make_ddvqa, DEEPFAKES, "github.com/ondyari/FaceForensics"),
}
