"""The gate: counters of head against those of a baseline. It fails on what got worse and on nothing else."""

from inboxbench.gate.compare import Budgets, Change, Comparison, compare, read_budgets
from inboxbench.gate.snapshot import Environment, Snapshot, read_snapshot, snapshot_of, write_snapshot

__all__ = [
    "Budgets",
    "Change",
    "Comparison",
    "Environment",
    "Snapshot",
    "compare",
    "read_budgets",
    "read_snapshot",
    "snapshot_of",
    "write_snapshot",
]
