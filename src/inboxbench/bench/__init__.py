"""Measuring: queries by classes of parameters under index sets; counters first, rows compared, writes weighed."""

from inboxbench.bench.decay import Decay, run_decay
from inboxbench.bench.drop_one import Ablation, run_ablation
from inboxbench.bench.execute.pgbench import Speed
from inboxbench.bench.execute.session import DEFAULT_ROUNDS
from inboxbench.bench.growth.curve import Curve
from inboxbench.bench.growth.run import Growth, Sample, grow
from inboxbench.bench.model import Cell, Matrix, SetResult
from inboxbench.bench.run import TIMEOUT_S, Progress, run_matrix
from inboxbench.bench.workload.churn import Churn, read_churn

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
]
