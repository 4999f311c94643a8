"""Exact tests of right and wrong, adjusted tests, ranks, and the draws that all runs share."""

from itertools import product

import numpy as np
import pytest

from eval.estimates.clusters import Clusters
from eval.estimates.intervals import detectable, t_quantile
from eval.estimates.paired import first_shares, holm, mcnemar, ranks
from eval.estimates.shares import mean


@pytest.mark.parametrize(("gained", "lost"), [(5, 0), (7, 2), (60, 40), (4, 4), (0, 0), (1500, 1000)])
def test_of_single_rows_it_is_the_binomial_test(gained, lost):
    from scipy.stats import binomtest

    signs = np.array([1] * gained + [-1] * lost + [0] * 30)
    expected = binomtest(gained, gained + lost).pvalue if gained + lost else 1
    assert mcnemar(signs) == pytest.approx(expected, rel=1e-9)


def test_of_clusters_it_is_that_of_every_exchange():
    """Of 3, 2, 1 and 1 with any signs, 7, 5 and 5 are as far as 3 + 2 + 1 - 1, and, mirrored, as many: 6 of 16."""
    assert mcnemar(np.array([3, 2, 1, -1])) == pytest.approx(6 / 16)
    rng = np.random.default_rng(1)
    sizes = rng.integers(-3, 4, 11)
    sums = np.array([np.dot(sizes, signs) for signs in product((1, -1), repeat=11)])
    assert mcnemar(sizes) == pytest.approx((abs(sums) >= abs(sizes.sum())).mean())


def test_rows_of_one_medium_weigh_together():
    """Twenty rows that one run alone has right, four a medium: no more than five coins that fall alike."""
    assert mcnemar(np.full(5, 4)) == 2 / 2**5


def test_holm_by_hand():
    """Holm (1979): 3 x 0.01, 2 x 0.02 and 0.03 raised to what stands before it; and never above 1."""
    assert holm([0.03, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([0.6, 0.5]) == [1.0, 1.0]
    assert holm([]) == []


def test_ranks_are_those_that_no_test_excludes():
    better = np.zeros((3, 3), bool)
    assert ranks(better) == [(1, 3), (1, 3), (1, 3)]
    better[0, 2] = True
    assert ranks(better) == [(1, 2), (1, 3), (2, 3)]
    better[0, 1] = better[1, 2] = True
    assert ranks(better) == [(1, 1), (2, 2), (3, 3)]


def test_draws_are_shared_by_all_runs():
    """A run that is a little better on every row is always first, however much rows vary; equal runs share it."""
    clusters, rows = Clusters([str(i) for i in range(40)]), np.arange(40)
    x = np.random.default_rng(0).random(40) * 90
    always = [mean(values, clusters, rows, 0, 100) for values in (x + 1, x)]
    assert first_shares(always, 1) == [1, 0]
    assert first_shares(always, -1) == [0, 1]
    assert first_shares([always[1], always[1]], 1) == pytest.approx([0.5, 0.5])
    other = mean(np.random.default_rng(1).permutation(x), clusters, rows, 0, 100)
    assert first_shares([always[1], other], 1)[0] == pytest.approx(0.5, abs=0.02)
    alone = Clusters(["a"] * 40)
    assert first_shares([mean(x, alone, rows, 0, 100)] * 2, 1) is None


def test_the_detectable_difference_by_hand():
    """Of many clusters (1.96 + 0.84) standard errors."""
    assert detectable(10**6, 2.0) == pytest.approx(2 * (1.95996 + 0.84162), abs=1e-3)
    assert t_quantile(10**6, 0.8) == pytest.approx(0.84162, abs=1e-4)
