"""The audit of files: a rule is as good as its recall of either class, and what tells nothing warns of nothing."""

from __future__ import annotations

from typing import Any

import pytest

from converters.conversion.audit import RULES, Pictured, audit_images, audit_lines, best_rule
from swift_plugins.core.media import Media


def of(count: int, label: str, media: Media, train: bool = False, name: str = "") -> list[tuple]:
    """`count` images of one kind: path, label, train, media."""
    return [(f"/data/{name or label}/{train}/{i}.bin", label, train, media) for i in range(count)]


def audit(*groups: list[tuple]) -> dict[str, Any]:
    images = [image for group in groups for image in group]
    pictured = {path: Pictured(label, train) for path, label, train, _ in images}
    return audit_images(pictured, {path: media for path, _, _, media in images})


def accuracy(found: dict[str, Any]) -> dict[str, float | None]:
    return {name: rule["balanced_accuracy"] for name, rule in found["rules"].items()}


JPEG, PNG = Media(100, 80, format="JPEG", quantisation="aa"), Media(256, 256, format="PNG")


def test_a_file_that_tells_all():
    found = audit(of(6, "real", JPEG, True), of(3, "fake", PNG, True), of(4, "real", JPEG), of(2, "fake", PNG))
    assert accuracy(found) == dict.fromkeys(RULES, 100.0)
    assert found["measured_on"] == "held-out splits"
    assert (found["images"], found["not_read"]) == (15, 0)
    assert found["rules"]["format"] == {
        "balanced_accuracy": 100.0,
        "n": 6,
        "values": [{"value": "JPEG", "real": 10, "fake": 0}, {"value": "PNG", "real": 0, "fake": 5}],
    }
    assert found["rules"]["size"]["values"][0] == {"value": "100x80", "real": 10, "fake": 0}
    assert found["rules"]["aspect_ratio"]["values"][1] == {"value": "1.25", "real": 10, "fake": 0}
    assert found["rules"]["quantisation"]["values"][1] == {"value": "none", "real": 0, "fake": 5}
    lines = audit_lines(found)
    assert len(lines) == len(RULES)
    assert lines[3].startswith("shortcut: aspect ratio alone gives 100.0 %")
    assert lines[-1].startswith("shortcut: all of these together give 100.0 %")
    assert lines[0] == (
        "shortcut: format alone gives 100.0 % balanced accuracy on 6 images "
        "(JPEG: 10 real, 0 fake; PNG: 0 real, 5 fake)"
    )


def test_many_more_fakes_than_reals_are_no_shortcut():
    """All files are alike: always saying fake is right in 95 %, but finds no real image."""
    found = audit(of(5, "real", PNG, True), of(95, "fake", PNG, True), of(5, "real", PNG), of(95, "fake", PNG))
    assert accuracy(found) == dict.fromkeys(RULES, 50.0)
    assert audit_lines(found) == []


def test_a_rare_class_counts_as_much_as_the_common_one():
    """Trained: JPEG 10 real 20 fake, PNG 80 fake, so that a JPEG is real with odds of 5 for balanced accuracy.

    Held out: JPEG 3 real 1 fake, PNG 1 real 3 fake: recalls 3/4 and 3/4. By plain accuracy all would be called fake.
    """
    png = Media(100, 80, format="PNG")
    found = audit(
        of(10, "real", JPEG, True),
        of(20, "fake", JPEG, True),
        of(80, "fake", png, True, "p"),
        of(3, "real", JPEG),
        of(1, "fake", JPEG),
        of(1, "real", png, name="r"),
        of(3, "fake", png, name="f"),
    )
    assert accuracy(found) == {
        "format": 75.0,
        "size": 50.0,
        "pixels": 50.0,
        "aspect_ratio": 50.0,
        "quantisation": 75.0,
        "together": 75.0,
    }


def test_a_value_never_seen_counts_as_the_majority():
    """Trained: 4 fake and 2 real; a GIF was never seen and so is fake: of the held-out reals 1 of 2 is found."""
    gif = Media(256, 256, format="GIF")
    found = audit(
        of(2, "real", JPEG, True),
        of(4, "fake", PNG, True),
        of(1, "real", JPEG),
        of(1, "real", gif, name="g"),
        of(3, "fake", PNG),
    )
    assert found["rules"]["format"]["balanced_accuracy"] == 75.0


def test_without_held_out_images_either_half_is_judged_by_the_other():
    found = audit(of(200, "real", JPEG), of(300, "fake", PNG))
    assert found["measured_on"] == "two halves of the images, each by the other"
    assert accuracy(found) == dict.fromkeys(RULES, 100.0)
    assert found["rules"]["format"]["n"] == 500


def test_a_rule_that_knows_each_image_by_heart_is_no_shortcut():
    """Every image has a size of its own, which says nothing of the images of the other half."""
    reals = [(f"/d/{i}.png", "real", False, Media(100 + i, 1000 - i, format="PNG")) for i in range(200)]
    fakes = [(f"/d/{i}.png", "fake", False, Media(100 + i, 1000 - i, format="PNG")) for i in range(200, 500)]
    assert accuracy(audit(reals, fakes))["size"] == 50.0


def test_where_the_data_lie_does_not_matter():
    groups = of(40, "real", JPEG, name="r"), of(60, "fake", PNG, name="f"), of(20, "fake", JPEG, name="g")
    moved = [[(f"/mnt/other{path}", *rest) for path, *rest in group] for group in groups]
    assert audit(*groups) == audit(*moved)


def test_without_a_look_at_the_files_suffix_and_annotated_size_stand_for_them():
    images = {
        "/d/a.JPG": Pictured("real", True, (640, 480)),
        "/d/b.jpeg": Pictured("real", False),
        "/d/c.png": Pictured("fake", True, (512, 512)),
        "/d/d.png": Pictured("fake", False, (512, 512)),
    }
    found = audit_images(images, {})
    assert found["rules"]["format"]["values"] == [
        {"value": "JPEG", "real": 2, "fake": 0},
        {"value": "PNG", "real": 0, "fake": 2},
    ]
    assert found["rules"]["format"]["balanced_accuracy"] == 100.0
    assert found["rules"]["quantisation"] == {
        "balanced_accuracy": None,
        "reason": "not known of any image (--check header reads it)",
    }
    assert found["rules"]["size"] == {
        "balanced_accuracy": None,
        "reason": "not known of any held-out image of one class",
    }


def test_what_cannot_be_read_is_counted_and_left_out():
    images = [*of(4, "real", JPEG, True), *of(4, "fake", PNG, True), *of(2, "real", JPEG), *of(2, "fake", PNG)]
    pictured = {path: Pictured(label, train) for path, label, train, _ in images}
    found = audit_images(pictured, {path: media for path, _, _, media in images} | {images[0][0]: "broken"})
    assert (found["images"], found["not_read"]) == (11, 1)
    assert found["rules"]["format"]["values"][0] == {"value": "JPEG", "real": 5, "fake": 0}


@pytest.mark.parametrize("label", ["real", "fake"])
def test_one_class_alone_has_no_shortcut(label):
    found = audit(of(5, label, JPEG))
    counts = (5, 0) if label == "real" else (0, 5)
    assert found["rules"]["format"] == {
        "balanced_accuracy": None,
        "reason": "there are {} real and {} fake".format(*counts),
    }
    assert audit_lines(found) == []


def test_no_images():
    found = audit_images({}, {})
    assert found["images"] == 0
    assert accuracy(found) == dict.fromkeys(RULES, None)


def test_the_best_rule_takes_the_majority_or_the_larger_share():
    counts = {("a", "real"): 2, ("a", "fake"): 3, ("b", "real"): 1, ("b", "fake"): 7}
    assert best_rule(counts) == ({"a": "fake", "b": "fake"}, "fake")
    assert best_rule(counts, balanced=True) == ({"a": "real", "b": "fake"}, "fake")  # 2/3 > 3/10, 1/3 < 7/10
    assert best_rule({("a", "real"): 1, ("a", "fake"): 1, ("b", "real"): 1}) == ({"a": "real", "b": "real"}, "real")
    assert best_rule({}) == ({}, None)
