"""How often intervals hold the truth, and how often equally good runs are said to differ: simulated, with fixed seeds.

The demands stand below the nominal 95 % by what that many simulated runs vary.
"""

import math

import numpy as np
import pytest

from eval.estimates.agreement import FROM_COUNTS, agreement
from eval.estimates.auc import auc
from eval.estimates.calibration import bins_of, ece
from eval.estimates.clusters import Clusters
from eval.estimates.permutation import differences
from eval.estimates.shares import shares

RUNS = 300
slow = pytest.mark.slow


def clusters_of(count, size):
    return Clusters([f"{i:05}" for i in range(count) for _ in range(size)])


def correlated(rng, p, icc, count, size):
    """Hits (count * size,) with probability p and an intraclass correlation of `icc` (beta-binomial)."""
    if icc == 0:
        return rng.random(count * size) < p
    a = (1 - icc) / icc
    return rng.random(count * size) < np.repeat(rng.beta(a * p, a * (1 - p), count), size)


def covered(truth, ends):
    return sum(end is not None and end[0] <= truth <= end[1] for end in ends) / len(ends)


def ends_of(draw, count, size):
    """The intervals of RUNS runs of which `draw()` gives the values, 0..1, of the rows."""
    clusters, rows, ones = clusters_of(count, size), np.arange(count * size), np.ones(count * size)
    return [shares({"m": (100.0 * draw(), ones)}, clusters, rows)["m"].ends() for _ in range(RUNS)]


@pytest.mark.parametrize("n", [50, 100, 400])
def test_shares_of_independent_rows(n):
    """Not simulated: the probability of each number of hits is known, and with it that of each interval."""
    clusters, rows, ones, hits = clusters_of(n, 1), np.arange(n), np.ones(n), np.arange(n + 1)
    columns = {k: (100.0 * (rows < k), ones) for k in hits}
    low, high = np.array([found.ends() for found in shares(columns, clusters, rows).values()]).T
    assert (high - low > 0.5).all()
    for p in (0.5, 0.6, 0.7, 0.8, 0.9, 0.93, 0.95, 0.97, 0.98, 0.99, 0.995):
        held = hits[(low <= 100 * p) & (100 * p <= high)].tolist()
        assert sum(math.comb(n, k) * p**k * (1 - p) ** (n - k) for k in held) >= 0.945, p


@slow
@pytest.mark.parametrize(("count", "size"), [(20, 10), (50, 4), (200, 10), (700, 2)])
@pytest.mark.parametrize(("p", "icc"), [(0.5, 0.3), (0.9, 0), (0.9, 0.3), (0.9, 0.9), (0.98, 0.3), (0.98, 0.9)])
def test_shares_of_clusters(p, icc, count, size):
    rng = np.random.default_rng(count)
    assert covered(100 * p, ends_of(lambda: correlated(rng, p, icc, count, size), count, size)) >= 0.92


MIDDLES = {"in the middle": (3, 2), "near an end": (0.12, 2.88), "little spread": (2, 98)}


@slow
@pytest.mark.parametrize(("count", "size"), [(50, 1), (50, 5), (300, 2)])
@pytest.mark.parametrize("failures", [0, 0.01, 0.05])
@pytest.mark.parametrize("middle", MIDDLES)
def test_means(middle, failures, count, size):
    """Of values that are alike within a cluster, and 1 in few of them, as a distance where no box is answered."""
    rng, (a, b) = np.random.default_rng(count), MIDDLES[middle]

    def draw():
        usual = np.repeat(rng.beta(a, b, count), size)
        values = rng.beta(5 * usual + 1e-9, 5 * (1 - usual) + 1e-9)
        return np.where(np.repeat(rng.random(count) < failures, size), 1, values)

    ends = ends_of(draw, count, size)
    assert covered(100 * (failures + (1 - failures) * a / (a + b)), ends) >= 0.92
    assert all(high - low > 0.5 for low, high in ends)


@slow
@pytest.mark.parametrize(("count", "size"), [(20, 5), (50, 1), (50, 5), (200, 2)])
@pytest.mark.parametrize("area", [0.7, 0.95, 0.995])
def test_auc(area, count, size):
    """Normal scores; of those of a cluster, which is of one class, six tenths of the variance are in common."""
    from scipy.special import ndtr, ndtri

    rng, clusters, rows = np.random.default_rng(count + size), clusters_of(count, size), np.arange(count * size)
    fake, common, ends = np.repeat(np.arange(count) % 2 == 0, size), 0.6 * (size > 1), []
    for _ in range(RUNS):
        noise = np.repeat(rng.normal(size=count), size) * common**0.5
        noise += rng.normal(size=count * size) * (1 - common) ** 0.5
        ends.append(auc(ndtr(noise + ndtri(area) * 2**0.5 * fake), fake, clusters, rows).ends())
    assert covered(100 * area, ends) >= 0.92
    assert all(high - low > 0.5 for low, high in ends)  # those of an AUC of 100 too


@slow
@pytest.mark.parametrize(("noise", "count", "size"), [(0.6, 50, 1), (1.2, 50, 4), (1.2, 200, 2)])
def test_errors_and_correlations_of_scores(noise, count, size):
    rng = np.random.default_rng(count)

    def draw(count, size):
        apart = np.repeat(rng.normal(size=count), size) * 0.5**0.5 + rng.normal(size=count * size) * 0.5**0.5
        truth = rng.integers(1, 6, count * size)
        return truth, np.clip(np.rint(truth + noise * apart), 1, 5).astype(int)

    counts = np.zeros((5, 5))
    x, y = draw(200_000, 1)
    np.add.at(counts, (x - 1, y - 1), 1)
    clusters, rows, found = clusters_of(count, size), np.arange(count * size), []
    for _ in range(2 * RUNS):  # of eight metrics one may be out by chance
        found.append(agreement(*draw(count, size), 5, rows, clusters))
    for name, truth in ((name, of(counts)) for name, of in FROM_COUNTS.items()):
        assert covered(truth, [one[name].ends() for one in found]) >= 0.92, name


SHOWN = {"calibrated": lambda p: p, "too low": lambda p: np.clip(p + 0.1, 0, 1), "too sure": lambda p: 0.25 + 0.5 * p}


@slow
@pytest.mark.parametrize(("count", "size"), [(50, 1), (50, 4), (200, 1), (200, 3)])
@pytest.mark.parametrize("kind", SHOWN)
def test_calibration_error(kind, count, size):
    """The rows of a cluster are of one medium: one P(fake), one truth."""
    rng, chance = np.random.default_rng(count + size), SHOWN[kind]
    many = rng.beta(0.5, 0.5, 1_000_000)
    truth = abs(np.bincount(bins_of(many), weights=many - chance(many))).sum() / len(many)
    clusters, rows, found = clusters_of(count, size), np.arange(count * size), []
    for _ in range(RUNS):
        p = rng.beta(0.5, 0.5, count)
        fake = rng.random(count) < chance(p)
        found.append(ece(np.repeat(p, size), np.repeat(fake, size), clusters, rows))
    ends = [one.ends() for one in found]
    assert covered(truth, ends) >= 0.92
    assert all(low - 1e-4 <= one.value <= high + 1e-4 for one, (low, high) in zip(found, ends, strict=True))


@slow
@pytest.mark.parametrize(
    ("count", "size", "icc"),
    [(100, 2, 0.9), (30, 10, 0.5), (200, 10, 0.9), (100, 1, 0)],
    ids=["two questions an image", "ten pairs an image, few images", "ten pairs an image", "independent rows"],
)
def test_equally_good_runs_differ_as_often_as_they_are_said_to(count, size, icc):
    """Each run's errors come by whole media; neither is better than the other."""
    rng, clusters, rows = np.random.default_rng(count), clusters_of(count, size), np.arange(count * size)
    ones, found = np.ones(count * size), []
    for _ in range(RUNS):
        runs = (100.0 * correlated(rng, 0.75, icc, count, size) for _ in range(2))
        this, other = (shares({"m": (hits, ones)}, clusters, rows)["m"] for hits in runs)
        found.append(differences({"m": this}, {"m": other}, {"m": 100})["m"]["p_value"] < 0.05)
    assert np.mean(found) <= 0.085  # 0.05 and three standard errors
    assert np.mean(found) >= 0.01
