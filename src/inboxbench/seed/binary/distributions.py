"""Streams of raw integers and own inverse tables: a distribution is an array that raw integers index."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from statistics import NormalDist

import numpy as np

from inboxbench.seed.binary import AnyArray, Floats, Ints, Raw

QUANTILES = 4096
# https://prng.di.unimi.it/splitmix64.c
_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_ROUNDS = ((np.uint64(30), np.uint64(0xBF58476D1CE4E5B9)), (np.uint64(27), np.uint64(0x94D049BB133111EB)))


def zipf_weights(count: int, exponent: float) -> Floats:
    """Weight of rank 1..count: rank ** -exponent (exponent 0 is uniform)."""
    return np.asarray(np.arange(1, count + 1, dtype=np.float64) ** -exponent)


def with_largest(weights: Floats, share: float) -> Floats:
    """The same weights, the first one raised or lowered so that it holds `share` of the sum (0: as it is)."""
    if share == 0 or len(weights) == 1:
        return weights
    rest = weights[1:].sum()
    return np.concatenate(([rest * share / (1 - share)], weights[1:]))


def apportion(total: int, weights: Floats, *, minimum: int = 0) -> Ints:
    """Whole numbers that add up to `total` in proportion to `weights` (largest remainder), each >= minimum.

    A minimum that does not fit wins over `total`: the sum is then len(weights) * minimum.
    """
    spare = max(0, total - minimum * len(weights))
    exact = weights * (spare / weights.sum())
    parts = np.floor(exact).astype(np.int64)
    short = spare - int(parts.sum())
    parts[np.argsort(parts - exact, kind="stable")[:short]] += 1
    return np.asarray(parts + minimum)


def inverse_table(weights: Floats, bits: int = 16) -> Ints:
    """2**bits slots: slot -> value, each value owning slots in proportion to its weight."""
    return np.repeat(np.arange(len(weights)), apportion(1 << bits, weights))


def rank_tables(largest: int, exponent: float, bits: int = 10) -> Ints:
    """Row k (1..largest) is the inverse table of a Zipf over k ranks: one lookup for owners of any size."""
    rows = [inverse_table(zipf_weights(max(k, 1), exponent), bits) for k in range(largest + 1)]
    return np.stack(rows)


def lognormal_quantiles(median: float, sigma: float, count: int = QUANTILES) -> Floats:
    """Values at `count` equally likely points of a lognormal distribution."""
    normal = NormalDist()
    z = np.array([normal.inv_cdf((i + 0.5) / count) for i in range(count)])
    return np.asarray(median * np.exp(sigma * z))


def long_tailed(
    *, median: float, sigma: float, tail_share: float, tail_exponent: float, largest: int, count: int = 1 << 14
) -> Ints:
    """Equally likely sizes >= 1: a lognormal body whose top `tail_share` follows a power law up to `largest`."""
    body = lognormal_quantiles(median, sigma, count)
    tail = round(count * tail_share)
    if tail:
        edge = body[count - tail]
        left = 1 - (np.arange(tail) + 0.5) / tail
        body[count - tail :] = edge * left ** (-1 / tail_exponent)
    return np.clip(np.rint(body), 1, largest).astype(np.int64)


def thresholds(shares: Sequence[float]) -> Ints:
    """Cumulative shares as 16-bit limits: a draw belongs to the first class whose limit exceeds it."""
    return np.asarray(np.rint(np.cumsum(shares) * 65536).astype(np.int64))


def growth_table(power: float, count: int = 1 << 12) -> Ints:
    """Inverse of the share of a life that is over when a share of its traffic has come, in units of 2**-26.

    Traffic grows as t ** (power - 1): power 1 is steady, 2 grows linearly. count + 1 points.
    """
    return np.rint(np.linspace(0.0, 1.0, count + 1) ** (1 / power) * (1 << 26)).astype(np.int64)


def scramble(seed: int, table: str, values: Ints) -> Raw:
    """64 bits for each of `values`, the same whoever asks and in whatever order (the finaliser of SplitMix64)."""
    mixed = (values.astype(np.uint64) + np.uint64(zlib.crc32(f"{seed}.{table}".encode()))) * _GOLDEN
    for shift, factor in _ROUNDS:
        mixed = (mixed ^ (mixed >> shift)) * factor
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


class Stream:
    """The integers of one block of one table. Draws are consumed in call order."""

    def __init__(self, seed: int, table: str, block: int = 0) -> None:
        key = np.random.SeedSequence([seed, zlib.crc32(table.encode()), block])
        self._bits = np.random.PCG64(key)

    def words(self, count: int) -> Raw:
        """`count` integers over the whole range of 64 bits."""
        return np.asarray(self._bits.random_raw(count), dtype="<u8")

    def bits16(self, count: int) -> Ints:
        """`count` integers in [0, 2**16), four to a raw word."""
        return self.words((count + 3) // 4).view("<u2")[:count].astype(np.int64)

    def bits32(self, count: int) -> Ints:
        """`count` integers in [0, 2**32), two to a raw word."""
        return self.words((count + 1) // 2).view("<u4")[:count].astype(np.int64)

    def below(self, bound: int | AnyArray, count: int) -> Ints:
        """`count` integers in [0, bound); `bound` (at most 2**31) may differ from draw to draw."""
        return (self.bits32(count) * np.asarray(bound, dtype=np.int64)) >> 32

    def chance(self, share: float | AnyArray, count: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
        """True with probability `share`, to a resolution of 2**-16; a share of 1 is always true."""
        limit = np.rint(np.asarray(share, dtype=np.float64) * 65536).astype(np.int64)
        return self.bits16(count) < limit
