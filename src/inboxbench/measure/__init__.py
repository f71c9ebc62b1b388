"""Measuring: queries by classes of parameters under index sets; counters first, rows compared, writes weighed."""

from inboxbench.measure.ablation import Ablation, run_ablation
from inboxbench.measure.aging import Decay
from inboxbench.measure.churn import Churn, read_churn
from inboxbench.measure.curve import Curve
from inboxbench.measure.decay import run_decay
from inboxbench.measure.growth import Growth, Sample, grow
from inboxbench.measure.matrix import TIMEOUT_S, Progress, run_matrix
from inboxbench.measure.result import Cell, Matrix, SetResult
from inboxbench.measure.sample import DEFAULT_ROUNDS
from inboxbench.measure.throughput import Speed
from inboxbench.measure.verdict import verdict

__all__ = [
    "DEFAULT_ROUNDS",
    "TIMEOUT_S",
    "Ablation",
    "Cell",
    "Churn",
    "Curve",
    "Decay",
    "Growth",
    "Matrix",
    "Progress",
    "Sample",
    "SetResult",
    "Speed",
    "grow",
    "read_churn",
    "run_ablation",
    "run_decay",
    "run_matrix",
    "verdict",
]
