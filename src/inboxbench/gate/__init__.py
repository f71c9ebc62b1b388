"""The gate: counters of head against those of a baseline. It fails on what got worse and on what it cannot compare."""

from inboxbench.gate.budgets import Budgets, read_budgets
from inboxbench.gate.change import Change, Comparison
from inboxbench.gate.compare import compare
from inboxbench.gate.environment import Environment
from inboxbench.gate.snapshot import Snapshot, read_snapshot, snapshot_of, write_snapshot

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
