"""A cache of frames: what is there is whole and of that very clip, or not there."""

import json
import zipfile

import numpy as np
import pytest

from swift_plugins.core import records
from swift_plugins.core.frame_cache import Clip, FrameCache, decode
from tests.killing import beside

DIGEST = "ab" * 32
FRAME = np.random.default_rng(0).integers(0, 256, (6, 10, 3), np.uint8)


@pytest.fixture
def cache(tmp_path):
    return FrameCache.make(tmp_path / "cache", 0, "decord 1")


def clip(digest=DIGEST):
    return Clip(digest, 23.976, [(0.0, 0.0417), (0.0417, 0.0834)])


def test_frames_come_back_as_they_were_with_the_times_of_all(cache):
    cache.write(clip(), {1: cache.encode(FRAME)})
    found, pictures = FrameCache(cache.folder).read(DIGEST)
    assert found == clip()
    assert (decode([pictures[1]])[0] == FRAME).all()


def test_a_jpeg_is_near_the_frame_and_smaller(tmp_path):
    grain = np.random.default_rng(0).integers(0, 8, (64, 64, 3))
    smooth = (np.linspace(0, 240, 64 * 64 * 3).reshape(64, 64, 3) + grain).astype(np.uint8)
    near, exact = FrameCache.make(tmp_path / "near", 95, "d"), FrameCache.make(tmp_path / "exact", 0, "d")
    assert len(near.encode(smooth)) < len(exact.encode(smooth))
    assert np.abs(decode([near.encode(smooth)])[0].astype(int) - smooth).max() <= 20


def harm(path, how):
    whole = path.read_bytes()
    if how == "torn":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "bit":
        at = whole.index(b"PNG") + 60
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 255]) + whole[at + 1 :])
    elif how == "empty":
        path.write_bytes(b"")
    else:
        with zipfile.ZipFile(path, "w") as file:
            file.writestr("clip.json", json.dumps({"sha256": DIGEST, "fps": "many", "spans": []}))


@pytest.mark.parametrize("how", ["torn", "bit", "empty", "other"])
def test_a_file_that_was_harmed_is_not_there(cache, how):
    cache.write(clip(), {0: cache.encode(FRAME)})
    harm(cache.path(DIGEST), how)
    assert cache.read(DIGEST) is None


def test_a_file_of_another_clip_is_not_there(cache):
    cache.write(clip(), {0: cache.encode(FRAME)})
    other = "ab" + "cd" * 31
    cache.path(DIGEST).rename(cache.path(other))
    assert cache.read(other) is None


def test_what_a_killed_writer_left_is_cleaned_up_by_the_next(cache):
    home = cache.path(DIGEST).parent
    home.mkdir()
    (home / beside("abcd.zip")).write_bytes(b"half")
    records._remove_leftovers_once.cache_clear()  # as in another process
    cache.write(clip(), {})
    assert [path.name for path in home.iterdir()] == [f"{DIGEST}.zip"]


def test_a_cache_that_was_killed_as_it_was_made_is_made(tmp_path):
    (tmp_path / beside("cache.json")).write_bytes(b"half")
    FrameCache.make(tmp_path, 0, "decord 1")
    assert [path.name for path in tmp_path.iterdir()] == ["cache.json"]


def test_a_folder_that_is_no_cache_or_another_one_is_refused(cache, tmp_path):
    with pytest.raises(ValueError, match="no frame cache in"):
        FrameCache(tmp_path / "none")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(b"")
    with pytest.raises(ValueError, match="holds other files"):
        FrameCache.make(tmp_path / "photos", 0, "decord 1")
    for quality, decoder in ((90, "decord 1"), (0, "decord 2")):
        with pytest.raises(ValueError, match=r"holds frames of quality 0 by decord 1, not"):
            FrameCache.make(cache.folder, quality, decoder)
    (cache.folder / "cache.json").write_text('{"form": 2, "quality": 0, "decoder": "decord 1"}')
    with pytest.raises(ValueError, match="of another form"):
        FrameCache(cache.folder)


@pytest.mark.parametrize("picture", [b"", b"GIF89a", b"\x89PNG\r\n\x1a\n"])
def test_what_is_no_picture_is_refused(picture):
    with pytest.raises(ValueError, match="picture"):
        decode([picture])
