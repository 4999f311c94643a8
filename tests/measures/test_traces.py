"""One answer of DeepTraceReward against its trace, worked out by hand."""

import pytest

from swift_plugins.core.measures.traces import answered_box, bbox_distance, bbox_iou, names_category, time_distance

BOX = (0.25, 0.25, 0.5, 0.75)
META = {"width": 400, "height": 200}


def test_iou_and_distance_of_boxes_in_ratios():
    moved = (0.35, 0.35, 0.6, 0.85)  # by a tenth on each axis; they share 0.15 x 0.4 of twice 0.25 x 0.5
    assert bbox_iou(BOX, moved) == pytest.approx(0.06 / (2 * 0.125 - 0.06))
    assert bbox_distance(BOX, moved) == pytest.approx(10)  # a tenth of the diagonal
    assert (bbox_iou(BOX, BOX), bbox_distance(BOX, BOX)) == (1, 0)


def test_boxes_are_not_clipped_and_distances_end_at_100():
    assert bbox_iou(BOX, (0.25, 0.25, 0.5, 1.25)) == pytest.approx(0.5)
    assert (bbox_iou(BOX, (20, 20, 21, 21)), bbox_distance(BOX, (20, 20, 21, 21))) == (0, 100)
    assert time_distance(2, 90, 10) == 100


@pytest.mark.parametrize(("truth", "answer"), [(None, BOX), (BOX, None), (None, None)])
def test_a_missing_box_has_the_worst_values(truth, answer):
    assert (bbox_iou(truth, answer), bbox_distance(truth, answer)) == (0, 100)


def test_onsets_are_compared_as_shares_of_the_video():
    assert time_distance(2, 3.5, 10) == time_distance(3.5, 2, 10) == 15
    assert [time_distance(*some) for some in ((None, 1, 10), (1, None, 10), (1, 1, None))] == [100] * 3


def test_an_answers_box_is_read_in_the_space_of_its_row():
    assert answered_box((100, 50, 200, 150), META) == BOX
    assert answered_box((250, 250, 500, 750), META | {"box_space": "norm1000"}) == BOX
    assert (
        answered_box((112, 56, 224, 168), META | {"box_space": "resized", "box_width": 448, "box_height": 224}) == BOX
    )
    assert answered_box(None, META) is None
    assert answered_box((100, 50, 200, 150), {"width": None, "height": 200}) is None
    with pytest.raises(ValueError, match=r"needs meta\.box_width"):
        answered_box((100, 50, 200, 150), META | {"box_space": "resized"})


def test_the_category_must_be_named_alone():
    true = ("object merging", "object distortion")
    assert names_category("the cups show object merging", true)
    assert not names_category("object merging and splitting", true)
    assert not names_category("it looks odd", true)
    assert not names_category("", true)
