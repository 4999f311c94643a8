"""A clip's frames from the cache are those of decord, and are decoded once."""

import io
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from converters.sample_deeptrace import write_mp4
from swift_plugins.core.frame_cache import FrameCache

decord = pytest.importorskip("decord")
pytest.importorskip("swift")


@pytest.fixture
def hook(monkeypatch):
    monkeypatch.delenv("FRAME_CACHE", raising=False)
    from swift_plugins.hooks import frame_cache

    return frame_cache


@pytest.fixture
def cache(tmp_path, hook):
    return FrameCache.make(tmp_path / "cache", 0, hook.DECODER)


def write_clip(path, shift=0, frames=12):
    rng = np.random.default_rng(shift)
    write_mp4(path, [rng.integers(0, 256, (48, 64, 3), np.uint8) for _ in range(frames)], 4)
    return str(path)


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4")


@pytest.mark.parametrize("given", [str, lambda path: io.BytesIO(open(path, "rb").read())])
def test_a_reader_of_the_cache_is_one_of_decord(hook, cache, clip, given):
    real, wanted = decord.VideoReader(clip), [0, 4, 4, 11]
    for _ in range(2):
        reader = hook.CachedReader(cache, given(clip))
        assert (len(reader), reader.get_avg_fps()) == (len(real), real.get_avg_fps())
        spans = reader.get_frame_timestamp(range(12))
        assert (spans == real.get_frame_timestamp(range(12))).all()
        assert spans.dtype == real.get_frame_timestamp(range(12)).dtype
        assert (reader.get_batch(wanted).asnumpy() == real.get_batch(wanted).asnumpy()).all()
        assert (reader[4].asnumpy() == real[4].asnumpy()).all()


def test_what_is_there_is_not_decoded_again_and_what_is_not_is_added(hook, cache, clip, monkeypatch):
    expected = decord.VideoReader(clip).get_batch([1, 2, 3]).asnumpy()
    hook.CachedReader(cache, clip).get_batch([1, 3])
    opened, calls = decord.VideoReader, []
    monkeypatch.setattr(hook, "_opened", lambda *a, **k: calls.append(a) or opened(*a, **k))
    assert (hook.CachedReader(cache, clip).get_batch([1, 3]).asnumpy() == expected[[0, 2]]).all()
    assert not calls
    assert (hook.CachedReader(cache, clip).get_batch([1, 2, 3]).asnumpy() == expected).all()
    assert len(calls) == 1
    hook.CachedReader(cache, clip).get_batch([2])
    assert len(calls) == 1


def test_an_edited_clip_of_the_same_name_and_a_torn_file_are_decoded(hook, cache, clip, tmp_path):
    hook.CachedReader(cache, clip).get_batch([5])
    write_clip(tmp_path / "clip.mp4", shift=7)
    os.utime(clip, ns=(1, 1))
    expected = decord.VideoReader(clip).get_batch([5]).asnumpy()
    assert (hook.CachedReader(cache, clip).get_batch([5]).asnumpy() == expected).all()
    for file in cache.folder.glob("*/*.zip"):
        file.write_bytes(file.read_bytes()[:100])
    assert (hook.CachedReader(cache, clip).get_batch([5]).asnumpy() == expected).all()
    assert cache.read(hook.digest_of(clip)) is not None


def test_the_first_time_shows_what_every_later_time_shows(hook, tmp_path, clip):
    cache = FrameCache.make(tmp_path / "jpeg", 80, hook.DECODER)
    first = hook.CachedReader(cache, clip).get_batch([0, 7]).asnumpy()
    assert (hook.CachedReader(cache, clip).get_batch([0, 7]).asnumpy() == first).all()
    assert not (first == decord.VideoReader(clip).get_batch([0, 7]).asnumpy()).all()


def test_a_cache_that_cannot_be_written_costs_no_training(hook, cache, clip, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(FrameCache, "write", full)
    expected = decord.VideoReader(clip).get_batch([2]).asnumpy()
    for _ in range(2):
        assert (hook.CachedReader(cache, clip).get_batch([2]).asnumpy() == expected).all()
    assert capsys.readouterr().err.count("No space left on device") == 1


def test_several_write_at_once(hook, cache, clip):
    expected = decord.VideoReader(clip).get_batch(range(12)).asnumpy()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: hook.CachedReader(cache, clip).get_batch([i]).asnumpy()[0], range(12)))
    assert (np.stack(found) == expected).all()
    assert cache.read(hook.digest_of(clip)) is not None


def test_the_readers_of_a_process_take_the_cache_that_is_named(hook, cache, clip, monkeypatch):
    monkeypatch.setattr(decord, "VideoReader", decord.VideoReader)
    hook.install(str(cache.folder))
    assert isinstance(decord.VideoReader(clip, num_threads=1), hook.CachedReader)
    with pytest.raises(ValueError, match="no frame cache"):
        hook.install(str(cache.folder / "none"))
    other = FrameCache.make(cache.folder.parent / "other", 0, "decord 0.1")
    with pytest.raises(ValueError, match=r"frames of decord 0\.1, here is decord"):
        hook.install(str(other.folder))
