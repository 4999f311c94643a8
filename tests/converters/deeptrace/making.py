"""What the tests of the DeepTraceReward converter make their datasets of."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from converters.deeptrace_to_swift import main
from converters.layouts.rewarddata import SPLITS
from swift_plugins.core.records import read_rows

REAL_ID = "0_30_s_academic_v0_1_"
WRITTEN = ["manifest.json", "rejects.jsonl", "test.jsonl", "train.jsonl", "val.jsonl"]


def fake(name: str = "cm1", **changes: Any) -> dict[str, Any]:
    """A trace as published."""
    return {
        "video_id": name,
        "video_type": "fake_video",
        "video_path": f"videos/{name}.mp4",
        "video_source": "Kling 1.0",
        "video_prompt": "a dog",
        "video_width": 1280,
        "video_height": 720,
        "video_frame_rate": 30,
        "video_frame_count": 153,
        "video_duration": 5.1,
        "video_mime_type": "video/mp4",
        "split": "train",
        "faketrace_first_frame": 16,
        "faketrace_last_frame": 153,
        "faketrace_duration": 4.6,
        "faketrace_bbox": {"left": 128, "top": 72, "width": 512.6, "height": 288},
        "faketrace_explanations": " The dog’s leg melts. ",
        "faketrace_check_applies": ["shape distortion", "merging"],
    } | changes


def real(name: str = "W7EHF", **changes: Any) -> dict[str, Any]:
    """A real video as published."""
    row = {key: value for key, value in fake(REAL_ID + name).items() if not key.startswith("faketrace")}
    return (
        row
        | {
            "video_type": "real_video",
            "video_path": f"real_videos/{REAL_ID}{name}.mp4",
            "video_source": "LLaVA-Video-178K_0_30_s_academic_v0_1",
        }
        | changes
    )


def earlier(**changes: Any) -> dict[str, Any]:
    """The trace of fake() in the spelling of the earlier upload."""
    return {
        "label_id": "x",
        "label_creater": "someone@lab.example",
        "label_name": "unsmooth motion",
        "label_duration": 4.6,
        "video_id": "cm1",
        "video_source": "Kling 1.0",
        "video_prompt": "a dog",
        "height": 720,
        "width": 1280,
        "mime_type": "video/mp4",
        "frame_rate": 30,
        "frame_count": 153,
        "duration": 5.1,
        "split": "train",
        "first_frame": 16,
        "last_frame": 153,
        "label_bbox": {"height": 288, "left": 128, "top": 72, "width": 512.6},
        "check_applies": ["shape distortion", "merging"],
        "explanation": "The dog’s leg melts.",
        "video_file": "/lab/someone/raw/cm1.mp4",
        "frames_folder": "/lab/someone/frames",
        "timestamps": [0.0333],
    } | changes


def source(folder: Path, *rows: Any, text: str | None = None) -> Path:
    """A RewardData folder with these rows and no videos."""
    for name in ("videos", "real_videos"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "all_data.json").write_text(json.dumps(rows) if text is None else text, encoding="utf-8")
    return folder


class Converted:
    """What a conversion wrote."""

    def __init__(self, src: Path, out: Path, *options: str):
        assert main(["--src", str(src), "--out", str(out), *options]) == 0
        self.out = out
        self.splits = {split: [row for _, row in read_rows(out / f"{split}.jsonl")] for split in SPLITS}
        self.rows = [row for rows in self.splits.values() for row in rows]
        self.rejects = [row for _, row in read_rows(out / "rejects.jsonl")]
        self.manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
