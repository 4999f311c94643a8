"""The expected calibration error: what of it is bias."""

import numpy as np
import pytest

from eval.estimates.calibration import ece, folded
from eval.estimates.clusters import Clusters


def made(p, fake, names=None):
    names = names or [f"{i:05}" for i in range(len(p))]
    return ece(np.asarray(p, float), np.asarray(fake, bool), Clusters(names), np.arange(len(p)))


def test_the_mean_of_a_folded_normal_is_that_of_its_draws():
    drawn = np.random.default_rng(0).normal(0.7, 1.3, 200_000)
    assert folded(np.array([0.7]), np.array([1.3]))[0] == pytest.approx(abs(drawn).mean(), abs=0.01)
    assert folded(np.array([-2.0]), np.array([0.0]))[0] == 2


def test_bias_by_hand():
    """50 fakes and 50 reals, all with P(fake) 0.5: the sum of P - truth is 0 and that of its squares 25."""
    found = made([0.5] * 100, [True, False] * 50).as_json()
    assert (found["value"], found["debiased"]) == (0, 0)
    assert found["calibrated"] == pytest.approx((2 / np.pi) ** 0.5 * 5 / 100, abs=1e-4)


def test_a_calibrated_model_shows_what_it_is_said_to_show():
    rng, found = np.random.default_rng(1), []
    for _ in range(100):
        p = rng.random(200)
        found.append(made(p, rng.random(200) < p).as_json())
    value, debiased, calibrated = (np.mean([one[key] for one in found]) for key in ("value", "debiased", "calibrated"))
    assert calibrated == pytest.approx(value, rel=0.1)
    assert debiased < 0.65 * value
    assert all(one["ci95"][0] <= one["value"] <= one["ci95"][1] for one in found)


def test_one_that_is_far_off_keeps_its_value():
    rng = np.random.default_rng(2)
    p = rng.random(2000) * 0.2
    found = made(p, rng.random(2000) < 0.9).as_json()
    assert found["debiased"] == pytest.approx(found["value"], rel=0.01)
    assert found["ci95"][0] > 0.7


def test_copies_of_the_rows_in_their_clusters_tell_nothing_more():
    rng = np.random.default_rng(3)
    p = rng.random(80)
    fake = rng.random(80) < p
    once = made(p, fake).as_json()
    names = [f"{i:05}" for i in range(80) for _ in range(4)]
    four = made(np.repeat(p, 4), np.repeat(fake, 4), names).as_json()
    for key in ("value", "debiased", "calibrated", "ci95"):
        assert four[key] == pytest.approx(once[key], abs=1e-4), key
    assert four["deff"] == pytest.approx(4, rel=0.1)


def test_without_any_error_there_is_no_interval():
    assert made([0.0, 1.0, 1.0], [False, True, True]).as_json()["ci95"] is None
