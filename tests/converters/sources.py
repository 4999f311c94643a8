"""A small source for each converter, on which what is true of all of them is tested."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

from tests.converters import labels
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


def make_table(root: Path, path: str | None) -> list[str]:
    said = ("fake,8 8 40 24,0.12", "real,,")
    lines = [f"{name},{said[i % 2]},64,48,25,0.48" for i, name in enumerate(clips(root))]
    more = [] if path is None else [f'"{path}",fake,8 8 40 24,0.12,64,48,25,0.48']
    (root / "t.csv").write_text("\n".join(["path,label,box,start,width,height,fps,duration", *lines, *more]))
    return ["--src", str(root), "--check", "none"]


def clips(root: Path) -> list[str]:
    """The names of ROWS clips of 64x48 px, 0.48 s at 25 frames/s, that are there."""
    names = [f"clips/{i:02}.mp4" for i in range(ROWS)]
    clip = ffpp.write_video(root / names[0]).read_bytes()
    for name in names[1:]:
        (root / name).write_bytes(clip)
    return names


def make_labelbox(root: Path, path: str | None) -> list[str]:
    trace, real = labels.labelbox_label({"f": (3, 9, (8, 8, 32, 16))}), labels.labelbox_label({}, "real")
    rows = [labels.labelbox_row(name, real if i % 2 else trace) for i, name in enumerate(clips(root))]
    more = [] if path is None else [labels.labelbox_row(path, trace, row_data=None)]
    export = labels.write_labelbox(root / "e.ndjson", *rows, *more)
    return ["--src", str(root), "--export", str(export), "--check", "none"]


def make_cvat(root: Path, path: str | None) -> list[str]:
    for i, name in enumerate([*clips(root), *([] if path is None else [path.replace("\0", "\n")])]):
        traces = [] if i % 2 else [(3, 9, (8, 8, 40, 24))]
        labels.write_cvat(root / "cvat" / f"{i:02}.xml", escape(name), *traces, tag="real" if i % 2 else "")
    return ["--src", str(root), "--export", str(root / "cvat")]


def make_label_studio(root: Path, path: str | None) -> list[str]:
    trace, real = labels.studio_annotation((3, 9, (12, 12, 50, 50))), labels.studio_annotation(verdict="real")
    tasks = [labels.studio_task(name, real if i % 2 else trace) for i, name in enumerate(clips(root))]
    more = [] if path is None else [labels.studio_task(path, trace)]
    (root / "s.json").write_text(json.dumps([*tasks, *more]))
    return ["--src", str(root), "--export", str(root / "s.json")]


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
    "table_to_swift": Source("test", make_table, "clips/00.mp4", "name the folder that holds the media with --src"),
    "labelbox_to_swift": Source("test", make_labelbox, "clips/00.mp4", "the folder that holds the videos with --src"),
    "cvat_to_swift": Source("test", make_cvat, "clips/00.mp4", "the folder that holds the videos with --src"),
    "label_studio_to_swift": Source(
        "test", make_label_studio, "clips/00.mp4", "the folder that holds the videos with --src"
    ),
    "loki_to_swift": Source(
        "image/true_or_false/test", make_loki, "media_data/image/0.png", "hf download bczhou/LOKI media_data.zip"
    ),
    "ffpp_to_swift": Source("train", make_ffpp, DEEPFAKES, "github.com/ondyari/FaceForensics"),
    "ddvqa_to_swift": Source("train", make_ddvqa, DEEPFAKES, "github.com/ondyari/FaceForensics"),
}
