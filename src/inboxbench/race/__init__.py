"""What concurrent writers do to each other: strategies, stress, and the proof of what went wrong."""

from inboxbench.messenger.races.strategies import STRATEGIES, Attempt, Strategy, find_strategy
from inboxbench.messenger.throughput.python_workers import run_races
from inboxbench.messenger.throughput.result import RaceResult, require_safe

__all__ = ["STRATEGIES", "Attempt", "RaceResult", "Strategy", "find_strategy", "require_safe", "run_races"]
