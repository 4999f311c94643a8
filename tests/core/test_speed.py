"""What a row's training takes, against sums worked out by hand for published sizes."""

import pytest

from swift_plugins.core.speed import Shape, mfu, training_flops

# Parameters of the layers as counted from the released weights; 32 vision layers in windows of 64 patches but for 4.
QWEN = Shape(6_525_621_760, 44_574_464, 631_975_680, 28, 3584, 32, 1280, 4, 64, 4)
VIDEOLLAMA3 = Shape(6_525_621_760, 16_980_992, 412_147_440, 28, 3584, 27, 1152, 4)


def clip(tokens, frames, patches):
    squared = {"tokens_squared": tokens**2, "patches_squared": frames * patches**2}
    return {"tokens": tokens, "patches": frames * patches} | squared


@pytest.mark.parametrize(
    ("shape", "row", "forward"),
    [
        (QWEN, clip(7385, 10, 72 * 40), 96.4 + 10.9 + 37.0 + 2.0),  # 20 frames of 1008 x 560 px, two and two
        (VIDEOLLAMA3, clip(12225, 10, 92 * 52), 159.6 + 30.0 + 39.8 + 28.5),  # 10 frames of 1288 x 728 px
    ],
)
def test_full_training_is_three_times_the_forward_pass(shape, row, forward):
    """Language, its attention, vision and its attention, in TFLOP."""
    assert training_flops(shape, row, full=True, vision=True) / 1e12 == pytest.approx(3 * forward, rel=2e-3)


def test_what_is_frozen_has_no_gradients_of_its_own():
    row, text = clip(2000, 1, 4000), {"tokens": 2000, "tokens_squared": 2000**2, "patches": 0, "patches_squared": 0}
    of_text = training_flops(QWEN, text, full=True, vision=True)
    of_clip = training_flops(QWEN, row, full=True, vision=True) - of_text
    assert training_flops(QWEN, row, full=True, vision=False) == pytest.approx(of_text + of_clip / 3)
    assert training_flops(QWEN, row, full=False, vision=True) == pytest.approx((of_text + of_clip) * 2 / 3)
    assert training_flops(QWEN, row, full=False, vision=False) == pytest.approx(of_text * 2 / 3 + of_clip / 3)


def test_the_share_of_the_peak_is_of_all_devices_and_unknown_for_unknown_ones():
    speed = {"rows_per_s": 1.6, "devices": 8, "device": "NVIDIA H100 80GB HBM3"}
    assert mfu(speed, 989e12) == pytest.approx(0.2)
    assert mfu(speed | {"device": "cpu"}, 989e12) is None
