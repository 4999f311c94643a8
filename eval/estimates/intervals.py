"""95 % intervals of Student's t on the scale of a metric, or on one on which it is closer to normal."""

from __future__ import annotations

import math
from functools import lru_cache

from eval.estimates.bounds import ALPHA
from eval.estimates.clusters import Ends, Statistic, standard_error

POWER = 0.8


@lru_cache(maxsize=4096)
def t_quantile(degrees: float, share: float = 1 - ALPHA / 2) -> float:
    """A percentile of Student's t, by default the 97.5th."""
    from scipy.special import stdtrit

    return float(stdtrit(degrees, share))


def detectable(degrees: float, error: float) -> float:
    """The least true difference that a two-sided test at 5 % finds with a probability of 80 %, from its standard error.

    The minimum detectable effect, (t(0.975) + t(0.8)) se (Bloom 1995, Evaluation Review 19, 547-556).
    """
    return (t_quantile(degrees) + t_quantile(degrees, POWER)) * error


def plain(value: float, statistic: Statistic, low: float = -math.inf, high: float = math.inf) -> Ends | None:
    """value +- t se, within the ends of the scale; None where nothing varies."""
    if (error := standard_error(statistic)) is None:
        return None
    half = t_quantile(statistic.degrees) * error
    return max(low, value - half), min(high, value + half)


def log(value: float, statistic: Statistic, high: float = math.inf) -> Ends | None:
    """On the scale of the logarithm, for errors, which are above 0: value exp(+- t se / value)."""
    if (error := standard_error(statistic)) is None or value <= 0:
        return None
    factor = math.exp(min(t_quantile(statistic.degrees) * error / value, 700.0))
    return value / factor, min(high, value * factor)


def fisher(value: float, statistic: Statistic) -> Ends | None:
    """On the scale of Fisher's z (1921), for what lies in -1..1: tanh(atanh(value) +- t se / (1 - value^2))."""
    if (error := standard_error(statistic)) is None or abs(value) > 1 - 1e-9:
        return None
    middle, half = math.atanh(value), t_quantile(statistic.degrees) * error / (1 - value**2)
    return math.tanh(middle - half), math.tanh(middle + half)
