"""Measuring: queries by classes of parameters under index sets; counters first, rows compared, writes weighed."""

from inboxbench.measure.matrix import TIMEOUT_S, Progress, run_matrix
from inboxbench.measure.result import Cell, Matrix, SetResult
from inboxbench.measure.sample import DEFAULT_ROUNDS
from inboxbench.measure.verdict import verdict

__all__ = [
    "DEFAULT_ROUNDS",
    "TIMEOUT_S",
    "Cell",
    "Matrix",
    "Progress",
    "SetResult",
    "run_matrix",
    "verdict",
]
