"""What is not asked: files that are no media, and images where videos are asked for."""

from __future__ import annotations

import pytest
from PIL import Image

from swift_plugins.answering.asking import BACKENDS, Asking, check_paths
from tests.core.clips import write_clip


def asking(check: str, backend: str = "transformers") -> Asking:
    return Asking("x", {}, backend, None, batch_size=1, max_tokens=1, check=check, workers=1)


@pytest.mark.parametrize("check", ["none", "header"])
def test_each_file_must_be_what_it_stands_for(tmp_path, check):
    clip, gif, text = write_clip(tmp_path / "x.mp4"), str(tmp_path / "gif.mp4"), tmp_path / "notes.mp4"
    Image.new("RGB", (32, 32)).save(gif, format="GIF")
    text.write_text("my notes")
    rows = [{"videos": [clip]}, {"videos": [gif, str(text)]}, {"images": [clip]}]
    bad = check_paths(rows[:2], asking(check))
    assert bad.keys() == {gif, str(text)}
    assert bad[gif].endswith("gif.mp4' is an image, not a video")
    assert "neither an image nor a video" in bad[str(text)]
    assert check_paths(rows[2:], asking(check))[clip].endswith("x.mp4' is a video, not an image")


def test_a_server_reads_videos_by_means_of_its_own(monkeypatch):
    monkeypatch.delenv("FORCE_QWENVL_VIDEO_READER", raising=False)
    assert BACKENDS["transformers"].video_reader() == "decord"
    assert BACKENDS["openai"].video_reader() is None
