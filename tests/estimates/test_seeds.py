"""Means over seeds and their differences: by hand, and how often their intervals hold the truth."""

import math
from types import SimpleNamespace

import numpy as np
import pytest
from scipy import stats

from eval.estimates.clusters import Clusters, Estimate
from eval.estimates.seeds import differences_over_seeds, over_seeds
from eval.estimates.shares import shares

SCALE = {"m": SimpleNamespace(low=0, high=100)}


def run_of(values, clusters=None):
    """One run's estimates, of rows with these values, 0..100, each a cluster of its own unless told."""
    names = [f"{i:04}" for i in range(len(values))] if clusters is None else clusters
    column = (np.asarray(values, float), np.ones(len(values)))
    return shares({"m": column}, Clusters(names), np.arange(len(values)))


def group_of(*runs, **options):
    return over_seeds([run_of(values, **options) for values in runs], SCALE)


def test_the_variances_of_rows_and_seeds_are_added_by_hand():
    """Of two seeds with 50 and 100 the mean is 75. The rows' means over seeds are 100, 100, 50, 50: their variance is
    2500 / 3, a quarter of it that of the mean. The seeds' variance is 1250, half of it that of the mean."""
    found = group_of([100, 100, 0, 0], [100, 100, 100, 100])["m"]
    rows, seeds = 2500 / 3 / 4, 1250 / 2
    degrees = (rows + seeds) ** 2 / (rows**2 / 3 + seeds**2 / 1)
    half = stats.t.ppf(0.975, degrees) * math.sqrt(rows + seeds)
    assert found.value == 75
    told = found.as_json()
    assert told["ci95"] == [0, 100]
    assert half > 75
    assert found.statistic.degrees == pytest.approx(degrees)
    assert told["seeds"] == {
        "values": [50, 100],
        "se_rows": pytest.approx(math.sqrt(rows), abs=1e-4),
        "se_seeds": pytest.approx(25, abs=1e-4),
    }


def test_of_seeds_that_agree_the_interval_is_that_of_the_rows():
    rng = np.random.default_rng(0)
    values = rng.uniform(0, 100, 40)
    found = group_of(values, values, values)["m"]
    half = stats.t.ppf(0.975, 39) * values.std(ddof=1) / math.sqrt(40)
    assert found.as_json()["ci95"] == pytest.approx([values.mean() - half, values.mean() + half], abs=1e-3)


def test_rows_of_one_medium_count_once():
    twice = [value for value in (100, 0, 0, 100, 0) for _ in range(2)]
    names = [f"m{i // 2}" for i in range(10)]
    once, clustered = group_of([100, 0, 0, 100, 0], [0] * 5), group_of(twice, [0] * 10, clusters=names)
    assert clustered["m"].ends() == pytest.approx(once["m"].ends())
    assert clustered["m"].as_json()["clusters"] == 5


def test_a_difference_is_of_pairs_of_seeds_on_the_same_rows():
    """The pairs differ by 25, 25 and 50 though the seeds lie far apart."""
    this = group_of([100, 0, 0, 100], [100, 100, 0, 100], [100, 100, 100, 100])
    other = group_of([0, 0, 0, 100], [100, 0, 0, 100], [100, 0, 0, 100])
    found = differences_over_seeds(this, other, {"m": 100})["m"]
    rows = np.array([100 / 3, 200 / 3, 100 / 3, 0])
    of_rows, of_seeds = rows.var(ddof=1) / 4, np.var([25, 25, 50], ddof=1) / 3
    degrees = (of_rows + of_seeds) ** 2 / (of_rows**2 / 3 + of_seeds**2 / 2)
    error = math.sqrt(of_rows + of_seeds)
    half = stats.t.ppf(0.975, degrees) * error
    assert found["value"] == pytest.approx(100 / 3, abs=1e-4)
    assert found["ci95"] == pytest.approx([100 / 3 - half, 100 / 3 + half], abs=1e-3)
    assert found["p_value"] == pytest.approx(2 * stats.t.sf(100 / 3 / error, degrees), rel=1e-3)
    assert found["detectable"] == pytest.approx((half / error + stats.t.ppf(0.8, degrees)) * error, abs=1e-3)
    assert found["seeds"] == {"values": [25, 25, 50], "degrees": pytest.approx(degrees, abs=1e-3)}
    assert differences_over_seeds(other, this, {"m": 100})["m"]["value"] == -found["value"]


def test_where_nothing_varies_only_the_seeds_signs_speak():
    best, worst = group_of([100] * 5, [100] * 5, [100] * 5), group_of([0] * 5, [0] * 5, [0] * 5)
    apart, same = (differences_over_seeds(best, other, {"m": 100})["m"] for other in (worst, best))
    assert (apart["value"], apart["ci95"], apart["p_value"]) == (100, None, 0.25)
    assert (same["value"], same["ci95"], same["p_value"]) == (0, None, 1)


def test_one_medium_alone_tells_nothing():
    best, worst = (group_of([value] * 2, [value] * 2, clusters=["one"] * 2) for value in (100, 0))
    apart = differences_over_seeds(best, worst, {"m": 100})["m"]
    assert (best["m"].ends(), apart["value"], apart["ci95"], apart["p_value"]) == (None, 100, None, 1)


def test_a_metric_that_one_seed_lacks_has_no_value():
    some, none = run_of([0, 100]), {"m": Estimate(None, 2, "nothing answered")}
    found = over_seeds([some, none], SCALE)
    assert found["m"].as_json() == {"value": None, "ci95": None, "n": 2, "reason": "nothing answered"}
    assert (
        differences_over_seeds(over_seeds([some, some], SCALE), found, {"m": 100})["m"]["reason"] == "nothing answered"
    )


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5])
@pytest.mark.parametrize(
    ("of_rows", "of_seeds", "of_both"),
    [(15, 0, 0), (15, 0, 15), (0, 0, 15), (15, 2, 15), (0, 2, 15), (15, 8, 0)],
    ids=["rows", "rows and noise", "noise", "all", "seeds and noise", "rows and seeds"],
)
def test_intervals_hold_the_truth_for_other_rows_and_other_seeds(seeds, of_rows, of_seeds, of_both):
    """200 rows whose answers vary by what each row, each seed, and each answer adds, and two groups of equal worth."""
    rng, held, equal, runs, n = np.random.default_rng(seeds), 0, 0, 300, 200
    for _ in range(runs):
        row = rng.normal(50, of_rows, n)
        groups = []
        for _ in range(2):
            noise = rng.normal(0, of_both, (seeds, n)) + rng.normal(0, of_seeds, (seeds, 1))
            groups.append(group_of(*np.clip(row + noise, 0, 100)))
        low, high = groups[0]["m"].ends()
        held += low <= 50 <= high
        equal += differences_over_seeds(*groups, {"m": 100})["m"]["p_value"] >= 0.05
    assert held >= 0.92 * runs
    assert equal >= 0.92 * runs
