"""A power law through measured points: buffers = c · n^k, least squares on logarithms, with the errors of the fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

# 90 % quantiles of Student's t by degrees of freedom (any table of the distribution); two-sided they span 80 %.
_STUDENT = (3.078, 1.886, 1.638, 1.533, 1.476, 1.440, 1.415, 1.397, 1.383, 1.372)
FEWEST = 3
_WIDEST = 1000.0


@dataclass(frozen=True, slots=True)
class Range:
    """A value read off a law, and the 80 % prediction interval around it."""

    value: float
    low: float
    high: float

    @property
    def uncertain(self) -> bool:
        """The interval is so wide that the value in its middle says nothing."""
        return self.high > _WIDEST * self.low


@dataclass(frozen=True, slots=True)
class PowerLaw:
    """k: the exponent, k_error: its standard error; spread: standard error of the regression, in ln(buffers).

    The rest is what a prediction interval needs: the centre of the points and how far they are from it.
    """

    c: float
    k: float
    k_error: float
    spread: float
    points: int
    centre: float
    breadth: float

    def at(self, n: float) -> Range:
        """What a size of `n` would read, if nothing but the size changes."""
        away = math.log(n) - self.centre
        student = _STUDENT[min(self.points - 2, len(_STUDENT)) - 1]
        error = self.spread * math.sqrt(1 + 1 / self.points + away**2 / self.breadth)
        middle = math.log(self.c) + self.k * math.log(n)
        return Range(_exp(middle), _exp(middle - student * error), _exp(middle + student * error))


def fit(points: Sequence[tuple[int, int]]) -> PowerLaw:
    """A law through (n, buffers), at least three of different n; a buffer at least, so that there is a logarithm.

    >>> law = fit([(100, 10), (200, 20), (400, 40)])
    >>> round(law.k, 6), round(law.k_error, 6), round(law.at(800).value, 6)
    (1.0, 0.0, 80.0)
    """
    if len({n for n, _buffers in points}) < FEWEST:
        raise ValueError(f"{len(points)} points are fewer than {FEWEST}: through two any law fits")
    xs = [math.log(n) for n, _buffers in points]
    ys = [math.log(max(buffers, 1)) for _n, buffers in points]
    centre, height = sum(xs) / len(xs), sum(ys) / len(ys)
    breadth = sum((x - centre) ** 2 for x in xs)
    k = sum((x - centre) * (y - height) for x, y in zip(xs, ys, strict=True)) / breadth
    start = height - k * centre
    rest = sum((y - start - k * x) ** 2 for x, y in zip(xs, ys, strict=True))
    spread = math.sqrt(rest / (len(xs) - 2))
    return PowerLaw(math.exp(start), k, spread / math.sqrt(breadth), spread, len(xs), centre, breadth)


def _exp(power: float) -> float:
    """e to the power, infinite where a float ends."""
    return math.exp(power) if power < 700 else math.inf
