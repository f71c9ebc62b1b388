"""Is B slower than A? Paired ratios, a bootstrap interval of their median, and three answers.

Noise on a shared machine comes in waves, so a test that takes samples for independent is wrong. Executions are
interleaved A B B A: both halves of a pair see the same wave, and a drift across a block cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from inboxbench.errors import UsageError

Answer = Literal["slower", "not slower", "undetermined"]

# A smaller effect is not called a regression, however certain.
FLOOR = 0.03
_CONFIDENCE = 0.99
_RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Interval:
    """Of the ratio B / A: its median, and the bounds that hold with the confidence asked for."""

    low: float
    middle: float
    high: float
    pairs: int

    @property
    def detectable(self) -> float:
        """The smallest slowdown that so many pairs on this machine would show, as a share: half the width, and the
        floor."""
        return math.sqrt(self.high / self.low) * (1 + FLOOR) - 1


def interval(ratios: Sequence[float], looks: int) -> Interval:
    """Bootstrap interval of the median of `ratios`. looks: how often the same series is judged at most; each look gets
    its share of the error (Bonferroni).

    Raises UsageError when scipy is not installed.
    """
    try:
        from scipy.stats import bootstrap  # noqa: PLC0415 - an extra
    except ImportError:
        raise UsageError("--time needs scipy: pip install 'inboxbench[time]'") from None
    import numpy as np  # noqa: PLC0415

    logs = np.log(np.asarray(ratios))
    found = bootstrap(
        (logs,),
        np.median,
        confidence_level=1 - (1 - _CONFIDENCE) / looks,
        n_resamples=_RESAMPLES * looks,
        method="percentile",
        batch=_RESAMPLES,
        rng=np.random.default_rng(len(ratios)),
    ).confidence_interval
    return Interval(math.exp(found.low), math.exp(float(np.median(logs))), math.exp(found.high), len(ratios))


def answer(found: Interval, tolerated: float) -> Answer:
    """slower: surely by more than the floor. not slower: surely by no more than `tolerated` (a share, such as 0.1)."""
    if found.low > 1 + FLOOR:
        return "slower"
    return "not slower" if found.high < 1 + tolerated else "undetermined"
